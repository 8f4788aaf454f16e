"""`toktrial rate`: a person says which of two texts is better, on a page that only this machine can open.

The page is served on loopback to the machine's own browser. Other web pages in that browser must neither read it nor vote, so
every request must name this server as its host, and every vote must come from the server's own page.
"""

import json
import re
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from toktrial import progress
from toktrial.blind_pairs import Answer, Questionnaire
from toktrial.commands import Call, rendered
from toktrial.commands.terminal import print_lines
from toktrial.errors import TrialError
from toktrial.report.wording import plural
from toktrial.trial_folder import TrialFolder

LOOPBACK = "127.0.0.1"
PAGE_TEMPLATE = "rate.html.jinja"
MOST_BODY_BYTES = 1000  # a vote has some 30
LONGEST_NAME = 100
SECONDS_OF_SILENCE = 30  # after which a connection that sends nothing is closed


@dataclass(frozen=True)
class Rate(Call):
    """Shows two continuations of a prompt side by side, unnamed and shuffled, and records which one a person prefers."""

    trial: Path
    """Folder of the trial."""
    rater: str = "rater"
    """Who rates: each name has its own order and its own votes."""
    port: int = 0
    """Port of the page on 127.0.0.1; 0: any free one."""
    open: bool = False
    """Open the page in the browser."""

    def execute(self) -> None:
        """Serves the page until it is interrupted.

        Raises TrialError where the trial has no samples to compare, its votes are damaged, the name is not usable or the port
        is taken.
        """
        if not self.rater.strip() or not self.rater.isprintable() or len(self.rater) > LONGEST_NAME:
            raise TrialError(f"--rater must be a name of 1 to {LONGEST_NAME} printable characters, but is {self.rater!r}")
        questionnaire = Questionnaire(TrialFolder.open(self.trial), self.rater)
        with RatingServer(questionnaire, self.port) as server:
            print_lines(
                f"{len(questionnaire.pairs)} pairs for {self.rater}, {questionnaire.votes} of {len(questionnaire)} questions "
                f"answered. Open {server.url} in a browser on this machine; press Ctrl-C to end."
            )
            if self.open:  # in a thread, for the call returns from a browser in the terminal only once its user has left it
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            try:
                server.serve_forever()
            except KeyboardInterrupt:  # the usual way to end
                questionnaire.close()
        progress.print_line(
            f"{plural(questionnaire.votes, 'vote')} by {self.rater} in {questionnaire.path}; `toktrial report {self.trial}` "
            "puts them into the report"
            if questionnaire.votes
            else f"{self.rater} has not voted"
        )


class RatingServer(ThreadingHTTPServer):
    """Serves the page and the questions of one rater on loopback."""

    request_queue_size = 64  # with socketserver's 5, Linux resets some of two dozen connections that come at once

    def __init__(self, questionnaire: Questionnaire, port: int = 0) -> None:
        """Binds to `port`, or with 0 to any free one. Raises TrialError where it is taken or is not a port."""
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise TrialError(f"port {port} cannot be used ({error}): name another with --port, or leave that out") from None
        self.questionnaire = questionnaire
        self.hosts = (f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}")
        self.url = f"http://{self.hosts[0]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing where a browser went away before its answer, as it does when a page is closed or reloaded."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _RefusalError(Exception):
    """A request that is refused with a status and a plain sentence."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Vote(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends."""

    number: int
    answer: Answer


class _Handler(BaseHTTPRequestHandler):
    server: RatingServer
    timeout = SECONDS_OF_SILENCE
    server_version, sys_version = "toktrial", ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """Says nothing: a line for every request would bury the one with the address."""

    def _answer(self, respond: Callable[[], None]) -> None:
        try:
            if self.headers.get("Host") not in self.server.hosts:  # another name may point here: DNS rebinding
                raise _RefusalError(HTTPStatus.FORBIDDEN, f"this server only answers to {self.server.url}")
            respond()
        except TrialError as error:  # the one that a questionnaire raises
            self._send_json({"error": str(error)}, HTTPStatus.NOT_FOUND)
        except _RefusalError as refusal:
            self._send_json({"error": str(refusal)}, refusal.status)

    def _get(self) -> None:
        if self.path == "/":
            return self._send_page()
        number = re.fullmatch(r"/question(?:/(\d{1,9}))?", self.path, re.ASCII)
        if number is None:
            raise _RefusalError(HTTPStatus.NOT_FOUND, "there is nothing here")
        return self._send_json(self.server.questionnaire.question(None if number[1] is None else int(number[1])))

    def _post(self) -> None:
        origin = self.headers.get("Origin")
        if origin not in [f"http://{host}" for host in self.server.hosts]:
            raise _RefusalError(HTTPStatus.FORBIDDEN, "votes are only taken from this server's own page")
        if self.path != "/vote":
            raise _RefusalError(HTTPStatus.NOT_FOUND, "there is nothing here")
        try:
            vote = msgspec.json.decode(self._body(), type=_Vote)
            self.server.questionnaire.vote(vote.number, vote.answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _RefusalError(HTTPStatus.BAD_REQUEST, f"a vote is a JSON object of number and answer: {error}") from None
        except OSError as error:
            raise _RefusalError(HTTPStatus.INSUFFICIENT_STORAGE, f"the vote is not kept: {error.strerror or error}") from None
        self._send_json(self.server.questionnaire.question())

    def _body(self) -> bytes:
        if self.headers.get_content_type() != "application/json":
            raise _RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a vote is sent as application/json")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length, re.ASCII):
            raise _RefusalError(HTTPStatus.LENGTH_REQUIRED, "a vote is sent with its Content-Length")
        if int(length) > MOST_BODY_BYTES:
            raise _RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a vote has at most {MOST_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _send_json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", status, "default-src 'none'")

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._send(rendered(PAGE_TEMPLATE, nonce=nonce).encode(), "text/html; charset=utf-8", HTTPStatus.OK, policy)

    def _send(self, body: bytes, content_type: str, status: HTTPStatus, policy: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
