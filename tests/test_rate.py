"""`toktrial rate`: what is asked and how it is blinded, what the server refuses, and the page in a real browser."""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toktrial import cli, presets, protocol
from toktrial.blind_pairs import Questionnaire, blind_pairs
from toktrial.commands.rate import RatingServer
from toktrial.evaluation.votes import CRITERIA, VOTES_FILE, read_votes
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.trial import Trial

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROMPTS = ("Once upon a time", "The <b>dog</b>", "A `knight`", "One day")
HOSTILE = "</script><script>window.hacked = true</script><img src=x onerror='window.hacked = true'>"
QUESTIONS = 2 * len(PROMPTS) * len(CRITERIA)


def write_samples(trial: Path, tracks: tuple[str, ...] = ("bpe", "btm"), more: str = "") -> None:
    """Two seeds; every text is another, so that a hash tells them apart, and is longer than the limit of bytes."""
    for track in tracks:
        for seed in (1, 2):
            folder = trial / "runs" / track / f"seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            words = f", text {tracks.index(track)} of {seed}{more} {HOSTILE} "
            samples = [{"prompt": prompt, "continuation": words + "and then " * 40, "ended": False} for prompt in PROMPTS]
            (folder / "samples.json").write_text(json.dumps(samples), encoding="utf-8")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    demo = presets.demo()
    plan = replace(demo, seeds=2, control=True, tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=1024)})
    plan = replace(plan, evaluation=replace(plan.evaluation, prompts=PROMPTS, max_new_bytes=200))
    folder = tmp_path / "trial"
    folder.mkdir()
    protocol.save(plan, folder / "protocol.toml")
    write_samples(folder)
    return Trial.open(folder)


@contextlib.contextmanager
def served(trial: Trial, rater: str = "anna") -> Iterator[RatingServer]:
    with RatingServer(Questionnaire(trial, rater)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: RatingServer, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Sends a request as the page's browser would, `headers` in place of its own; returns status and answer."""
    sent = {"Host": server.hosts[0], "Origin": f"http://{server.hosts[0]}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in ({"Content-Length": str(len(body))} if body is not None else {}).items() | sent.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    answer = response.read().decode()
    connection.close()
    return response.status, json.loads(answer) if response.headers.get_content_type() == "application/json" else answer


def vote(server: RatingServer, number: int, answer: str) -> tuple[int, Any]:
    return ask(server, "POST", "/vote", json.dumps({"number": number, "answer": answer}).encode())


def test_every_pair_is_asked_about_once_shuffled_and_on_both_sides(trial: Trial) -> None:
    pairs = {rater: blind_pairs(trial, rater) for rater in ("anna", "ben")}
    expected = {(seed, place) for seed in (1, 2) for place in range(len(PROMPTS))}
    orders = {rater: [(pair.seed, pair.prompt) for pair in of_rater] for rater, of_rater in pairs.items()}
    assert set(orders["anna"]) == set(orders["ben"]) == expected and len(orders["anna"]) == len(expected)
    assert orders["anna"] != orders["ben"] != sorted(expected)
    assert blind_pairs(trial, "anna") == pairs["anna"]
    lefts = Counter(pair.left for rater in range(20) for pair in blind_pairs(trial, f"rater {rater}"))
    assert abs(lefts["bpe"] - lefts["btm"]) < 60  # of 160 draws; beyond is less likely than one in 100,000
    assert all({pair.left, pair.right} == {"bpe", "btm"} for pair in pairs["anna"])


def test_what_is_sent_names_no_track_and_is_cut_alike(trial: Trial) -> None:
    with served(trial) as server:
        answers = [ask(server, "GET", path) for path in ("/", "/question", *(f"/question/{n}" for n in range(QUESTIONS)))]
        texts = [str(answer) for _, answer in answers] + [str(vote(server, 0, "left")), server.url]
    assert {status for status, _ in answers} == {200}
    assert not [text for text in texts if "bpe" in text or "btm" in text or "seed" in text]
    shown = [answer[side] for _, answer in answers[1:] for side in ("left", "right")]
    assert {len(text["text"]) for text in shown} == {200}


def test_votes_are_kept_at_once_and_a_restart_goes_on(trial: Trial) -> None:
    path = trial.folder / VOTES_FILE
    with served(trial) as server:
        assert ask(server, "GET", "/question")[1]["number"] == 0
        for number, answer in enumerate(("left", "right", "equal", "left")):
            status, following = vote(server, number, answer)
            assert status == 200
            assert (following["number"], following["votes"]) == (number + 1, number + 1)
            assert len(read_votes(path)) == number + 1, "before the answer is sent"
        assert ask(server, "GET", "/question/2")[1]["answer"] == "equal"
        assert vote(server, 2, "right")[1]["number"] == 4
    pairs = blind_pairs(trial, "anna")
    votes = read_votes(path)
    assert [each.better for each in votes] == [pairs[0].left, pairs[0].right, pairs[0].right, pairs[1].left]
    assert [each.criterion for each in votes] == [*CRITERIA, CRITERIA[0]]
    with served(trial) as server:
        question = ask(server, "GET", "/question")[1]
        assert (question["number"], question["votes"], question["pair"], question["criterion"]) == (4, 4, 2, 2)
    with served(trial, "ben") as server:
        assert ask(server, "GET", "/question")[1]["votes"] == 0
        for number in range(QUESTIONS):
            vote(server, number, "equal")
        finished = ask(server, "GET", "/question")[1]
        assert finished["finished"] and finished["votes"] == QUESTIONS
    assert len(read_votes(path)) == 4 + QUESTIONS


def test_votes_on_texts_made_anew_do_not_count_as_answers(trial: Trial) -> None:
    with served(trial) as server:
        vote(server, 0, "left")
    write_samples(trial.folder, more=" again")
    with served(trial) as server:
        assert ask(server, "GET", "/question")[1]["votes"] == 0
        vote(server, 0, "left")
    assert len(read_votes(trial.folder / VOTES_FILE)) == 2


def test_many_votes_at_once_are_all_kept(trial: Trial) -> None:
    with served(trial) as server:
        threads = [threading.Thread(target=vote, args=(server, number, "left")) for number in range(QUESTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ask(server, "GET", "/question")[1]["votes"] == QUESTIONS
    assert len(read_votes(trial.folder / VOTES_FILE)) == QUESTIONS


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/", None, {"Host": "evil.example"}, 403),  # a name that was pointed here
        ("GET", "/question", None, {"Host": "127.0.0.1"}, 403),
        ("GET", "/question", None, {"Host": ""}, 403),
        ("POST", "/vote", b'{"number": 0, "answer": "left"}', {"Host": "evil.example"}, 403),
        ("POST", "/vote", b'{"number": 0, "answer": "left"}', {"Origin": "http://evil.example"}, 403),  # another page
        ("POST", "/vote", b'{"number": 0, "answer": "left"}', {"Origin": "null"}, 403),
        ("POST", "/vote", b'{"number": 0, "answer": "left"}', {"Origin": ""}, 403),
        ("POST", "/vote", b'{"number": 0, "answer": "left"}', {"Content_Type": "text/plain"}, 415),
        ("POST", "/vote", b"left", {}, 400),
        ("POST", "/vote", b"[" * 900, {}, 400),
        ("POST", "/vote", b"[]", {}, 400),
        ("POST", "/vote", b"\xff\xfe", {}, 400),
        ("POST", "/vote", b'{"number": 0}', {}, 400),
        ("POST", "/vote", b'{"number": 0, "answer": "left", "rater": "ben"}', {}, 400),
        ("POST", "/vote", b'{"number": "0", "answer": "left"}', {}, 400),
        ("POST", "/vote", b'{"number": true, "answer": "left"}', {}, 400),
        ("POST", "/vote", b'{"number": 0, "answer": "bpe"}', {}, 400),
        ("POST", "/vote", b'{"number": 0, "answer": ["left"]}', {}, 400),
        ("POST", "/vote", b'{"number": 24, "answer": "left"}', {}, 404),
        ("POST", "/vote", b'{"number": -1, "answer": "left"}', {}, 404),
        ("POST", "/vote", b'{"number": 0, "answer": "left"}' + b" " * 1000, {}, 413),
        ("POST", "/vote", None, {}, 411),
        ("POST", "/vote", None, {"Content_Length": "-1"}, 411),
        ("POST", "/", b"{}", {}, 404),
        ("GET", "/question/25", None, {}, 404),
        ("GET", "/question/-1", None, {}, 404),
        ("GET", "/../protocol.toml", None, {}, 404),
        ("GET", "/vote", None, {}, 404),
        ("PUT", "/vote", b"{}", {}, 501),
    ],
)
def test_what_is_no_vote_of_the_page_is_refused(
    trial: Trial, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    with served(trial) as server:
        found, answer = ask(server, method, path, body, **headers)
        assert found == status, answer
        if status != 501:  # http.server's own
            assert answer["error"]
        assert ask(server, "GET", "/question")[1]["votes"] == 0
    assert not (trial.folder / VOTES_FILE).exists()


def test_the_page_may_load_and_run_nothing_but_itself(trial: Trial) -> None:
    with served(trial) as server, urllib.request.urlopen(server.url) as response:
        policy = response.headers["Content-Security-Policy"]
        page = response.read().decode()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce and "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert f'<script nonce="{nonce[1]}">' in page
    assert not re.search(r"https?://|src=|href=", page)


def test_the_server_is_on_loopback_alone(trial: Trial) -> None:
    with served(trial) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_vote_that_cannot_be_written_is_said_and_does_not_count(trial: Trial) -> None:
    (trial.folder / VOTES_FILE).mkdir()
    with served(trial) as server:
        status, answer = vote(server, 0, "left")
        assert status == 507 and "the vote is not kept" in answer["error"]
        assert ask(server, "GET", "/question")[1]["votes"] == 0


def test_the_browser_takes_a_vote_and_keeps_it_through_a_reload(trial: Trial, browser: "Browser") -> None:
    with served(trial) as server:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        problems: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(server.url)
        place = page.locator("#place")
        place.filter(has_text="Pair 1 of 8, question 1 of 3").wait_for()
        assert "Which text hangs together better?" in page.locator("h1").first.inner_text()
        assert HOSTILE in page.locator("#left").inner_text()
        for key, expected in (("1", "question 2 of 3"), ("2", "question 3 of 3"), ("0", "Pair 2 of 8, question 1 of 3")):
            page.keyboard.press(key)
            place.filter(has_text=expected).wait_for()
        page.reload()
        place.filter(has_text="Pair 2 of 8, question 1 of 3").wait_for()
        assert page.locator("#kept").inner_text() == "3 of 24 votes kept"
        page.keyboard.press("u")
        place.filter(has_text="Pair 1 of 8, question 3 of 3").wait_for()
        assert page.locator("[aria-pressed=true]").inner_text().split() == ["0", "Equally", "good"]
        page.get_by_role("button", name="Text 1 is better").click()
        place.filter(has_text="Pair 2 of 8").wait_for()
        assert page.locator("body").evaluate("body => body.scrollWidth <= innerWidth")
        assert page.locator("script").count() == 1 and page.locator("img").count() == 0
        page.close()
    assert problems == []
    assert all(url.startswith((server.url, "data:")) for url in requests)
    left, right = blind_pairs(trial, "anna")[0].left, blind_pairs(trial, "anna")[0].right
    assert [each.better for each in read_votes(trial.folder / VOTES_FILE)] == [left, right, left]


def test_the_browser_takes_one_vote_from_a_double_click_and_from_enter_held_down(trial: Trial, browser: "Browser") -> None:
    """The others would be on questions that nobody has seen."""
    with served(trial) as server:
        page = browser.new_page()
        methods: list[str] = []
        page.on("request", lambda request: methods.append(request.method))
        page.goto(server.url)
        place, kept = page.locator("#place"), page.locator("#kept")
        place.filter(has_text="Pair 1 of 8, question 1 of 3").wait_for()
        page.get_by_role("button", name="Text 1 is better").dblclick(delay=100)  # time enough to be answered in between
        place.filter(has_text="question 2 of 3").wait_for()
        page.reload()
        kept.filter(has_text="1 of 24 votes kept").wait_for()
        assert methods.count("POST") == 1
        page.get_by_role("button", name="Equally good").focus()
        page.keyboard.down("Enter")
        place.filter(has_text="question 3 of 3").wait_for()
        for _ in range(3):  # down and down again without up is how a key that is held reports itself
            page.keyboard.down("Enter")
        page.keyboard.up("Enter")
        page.reload()
        kept.filter(has_text="2 of 24 votes kept").wait_for()
        assert methods.count("POST") == 2
        page.close()


def test_the_browser_says_so_when_a_vote_cannot_be_kept(trial: Trial, browser: "Browser") -> None:
    with served(trial) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.locator("#asked").wait_for()
    page.locator("[data-answer=left]").click()  # the program has ended meanwhile
    page.get_by_role("alert").filter(has_text="may not be kept").wait_for()
    page.close()


def test_a_browser_that_goes_away_leaves_no_traceback(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = threading.Event()
    with served(trial) as server:

        def close(request: socket.socket) -> None:  # the last that a request's thread does
            RatingServer.shutdown_request(server, request)
            closed.set()

        monkeypatch.setattr(server, "shutdown_request", close)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.putrequest("POST", "/vote")
        for name, value in {"Origin": server.url[:-1], "Content-Type": "application/json", "Content-Length": "30"}.items():
            connection.putheader(name, value)
        connection.endheaders()  # the server now waits for the body
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that closing is a reset
        connection.close()
        assert closed.wait(20)
        assert capsys.readouterr().err == ""
        assert ask(server, "GET", "/question")[0] == 200


def test_a_fault_of_our_own_is_not_passed_over(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(trial) as server:
        monkeypatch.setattr(server.questionnaire, "question", lambda number: number / 0)
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, "GET", "/question/1")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_in_a_process_of_its_own_until_ctrl_c(trial: Trial) -> None:
    command = [sys.executable, "-m", "toktrial", "rate", str(trial.folder), "--rater", "anna"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        announced = child.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/", announced)
        assert url and "8 pairs for anna, 0 of 24 questions answered" in announced
        body = json.dumps({"number": 0, "answer": "left"}).encode()
        headers = {"Origin": url[0].rstrip("/"), "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url[0] + "vote", body, headers)) as response:
            assert response.status == 200
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=60)[1]
    assert child.returncode == 0
    assert said.count("\n") == 1 and "1 vote by anna in " in said and f"toktrial report {trial.folder}" in said
    assert len(read_votes(trial.folder / VOTES_FILE)) == 1


PATIENT_BROWSER = """
import sys, time, urllib.request
try:
    page = urllib.request.urlopen(sys.argv[1], timeout=20).read().decode()
    print("opened", page.partition("<title>")[2].partition("</title>")[0], file=sys.stderr, flush=True)
    while True:  # until the page is gone
        time.sleep(0.1)
        urllib.request.urlopen(sys.argv[1], timeout=20)
except OSError as error:
    print("closed", file=sys.stderr, flush=True)
"""


def test_a_browser_that_stays_in_the_terminal_gets_the_page(trial: Trial, tmp_path: Path) -> None:
    """As those without a window do: they come back when their user leaves them, and nobody votes before."""
    (tmp_path / "browser.py").write_text(PATIENT_BROWSER)
    browser = shlex.join([sys.executable, str(tmp_path / "browser.py"), "%s"])
    command = [sys.executable, "-m", "toktrial", "rate", str(trial.folder), "--rater", "anna", "--open"]
    pipe, environment = subprocess.PIPE, os.environ | {"BROWSER": browser}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        assert child.stdout and child.stderr
        assert "0 of 24 questions answered" in child.stdout.readline()
        assert child.stderr.readline() == "opened Which text is better?\n"
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=60)[1]
    assert child.returncode == 0
    assert sorted(said.splitlines()) == ["anna has not voted", "closed"]
    assert not (trial.folder / VOTES_FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{trial}", "--port", "99999"], "port 99999 cannot be used"),
        (["{trial}", "--port", "{taken}"], "cannot be used"),
        (["{trial}", "--rater", " "], "--rater must be a name"),
        (["{trial}", "--rater", "a\nb"], "--rater must be a name"),
        (["nowhere"], "there is no protocol at nowhere"),
        (["{empty}"], "has no samples of two tracks yet"),
        (["{promptless}"], "evaluation.prompts is empty in the protocol of"),
        (["{damaged}"], "line 1 is not a vote"),
    ],
)
def test_mistakes_end_in_one_clear_message(
    trial: Trial, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "damaged", "promptless"):
        (tmp_path / name).mkdir()
        prompts = () if name == "promptless" else PROMPTS
        plan = replace(trial.protocol, evaluation=replace(trial.protocol.evaluation, prompts=prompts))
        protocol.save(plan, tmp_path / name / "protocol.toml")
    write_samples(tmp_path / "damaged")
    (tmp_path / "damaged" / VOTES_FILE).write_text("no vote\n")
    with served(trial) as server:
        names = {name: str(tmp_path / name) for name in ("trial", "empty", "damaged", "promptless")}
        names["taken"] = str(server.server_port)
        with pytest.raises(SystemExit) as stopped:
            cli.main(["rate", *[argument.format(**names) for argument in arguments]])
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err


def test_more_tracks_than_two_are_each_compared_with_the_baseline(trial: Trial) -> None:
    tracks = {**trial.protocol.tracks, "words": BTMRecipe(primitive_vocab_size=1024, scope="words")}
    plan = replace(trial.protocol, tracks=tracks)
    folder = trial.folder.with_name("more")
    folder.mkdir()
    protocol.save(plan, folder / "protocol.toml")
    write_samples(folder, tuple(tracks))
    pairs = blind_pairs(Trial.open(folder), "anna")
    assert Counter(frozenset((pair.left, pair.right)) for pair in pairs) == {
        frozenset(("bpe", "btm")): 8,
        frozenset(("bpe", "words")): 8,
    }
