"""`toktrial inspect`: cuts and trees as text, coloured where there are colours; errors that say what to do."""

import io
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toktrial import commands
from toktrial.commands.inspect import Tokens
from toktrial.errors import TrialError
from toktrial.evaluation.words import words_in
from toktrial.presets import demo
from toktrial.protocol import save
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import tokenizer_names
from toktrial.tokenizer.tkn import PairGraph

TEXT = "Once upon a time, there was a dog in the park."
ESCAPE = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, story_tokenizers: dict[str, Tokenizer]) -> Path:
    """A trial that has come as far as its tokenizers: the demo's protocol, tokenizers of a smaller corpus."""
    folder = tmp_path_factory.mktemp("inspected") / "trial"
    folder.mkdir()
    plan = demo()
    save(plan, folder / "protocol.toml")
    for track, name in tokenizer_names(plan.tracks).items():
        story_tokenizers[track].save(folder / "tokenizers" / name)
    return folder


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)

    def show(*arguments: object) -> str:
        commands.execute(["inspect", *map(str, arguments)])
        return capsys.readouterr().out

    return show


def test_cuts_of_every_track(trial: Path, story_tokenizers: dict[str, Tokenizer], shown: Callable[..., str]) -> None:
    lines = shown("tokens", trial, TEXT).splitlines()
    for track, heading, cut in zip(("bpe", "btm"), lines[::2], lines[1::2], strict=True):
        tokens = [story_tokenizers[track].decode([token]) for token in story_tokenizers[track].encode(TEXT)]
        assert heading == f"{track}: {len(tokens)} tokens, {len(TEXT) / len(tokens):.2f} bytes per token"
        assert cut == "|".join(tokens).replace(" ", "\u2423")


def test_ids_are_shown_where_asked_for(trial: Path, story_tokenizers: dict[str, Tokenizer], shown: Callable[..., str]) -> None:
    lines = shown("tokens", trial, TEXT, "--ids").splitlines()
    assert [list(map(int, line.split())) for line in lines[2::3]] == [
        story_tokenizers[track].encode(TEXT) for track in ("bpe", "btm")
    ]


def test_colours_take_turns_and_need_no_bar(trial: Path, monkeypatch: pytest.MonkeyPatch, shown: Callable[..., str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = shown("tokens", trial, TEXT).splitlines()
    for cut in (lines[1], lines[3]):
        assert ESCAPE.sub("", cut) == TEXT.replace(" ", "\u2423")
        backgrounds = re.findall(r"\x1b\[(?:4;)?30;(4\d)m", cut)
        assert len(backgrounds) > 4
        assert all(one != other for one, other in itertools.pairwise(backgrounds))
    assert "\x1b[4;30;" in lines[3], "what touches two words is underlined"
    assert "\x1b[4;30;" not in lines[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "|" in shown("tokens", trial, TEXT)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=30))
def test_nothing_unprintable_reaches_the_terminal(trial: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        Tokens(trial, text).execute()
    assert all(letter.isprintable() or letter == "\n" for letter in output.getvalue())
    assert len(output.getvalue().splitlines()) == 4, "an end of a line in the text is an escape too"


def test_the_text_may_come_from_standard_input(trial: Path, monkeypatch: pytest.MonkeyPatch, shown: Callable[..., str]) -> None:
    expected = shown("tokens", trial, TEXT)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert shown("tokens", trial, "-") == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff")))
    with pytest.raises(TrialError, match="lone surrogate"):
        commands.execute(["inspect", "tokens", str(trial), "-"])


def test_an_empty_text_has_no_tokens(trial: Path, shown: Callable[..., str]) -> None:
    assert shown("tokens", trial, "").split("\n")[::2] == ["bpe: 0 tokens", "btm: 0 tokens", ""]


def test_the_tree_of_an_entry(trial: Path, story_tokenizers: dict[str, Tokenizer], shown: Callable[..., str]) -> None:
    btm = story_tokenizers["btm"]
    token = next(token for token in range(1, 600) if words_in(btm.token_bytes[token]) > 1)
    entry = btm.decode([token])
    bpe, tree = shown("entry", trial, entry).split("btm:\n")
    cut = [story_tokenizers["bpe"].decode([part]) for part in story_tokenizers["bpe"].encode(entry)]
    assert bpe.splitlines() == ["bpe: not an entry; the text is cut into", "|".join(cut).replace(" ", "\u2423")]
    lines = tree.splitlines()
    assert lines[0] == f"{entry}  (id {token})".replace(" ", "\u2423", entry.count(" "))
    branches = re.findall(r"^[\u251c\u2514]\u2500\u2500 (.*)  \(id (\d+)\)$", tree, re.MULTILINE)
    assert branches == [(btm.decode([part]).replace(" ", "\u2423"), str(part)) for part in btm.parts[token].tolist()]
    assert len(lines) == 2 * len(entry) - 1, "every merge joins two, down to single bytes"


def test_the_graph_shows_entries_as_they_are(
    tmp_path: Path, story_tokenizers: dict[str, Tokenizer], shown: Callable[..., str]
) -> None:
    """What rich would take for the name of a picture, or for a style, is text."""
    primitive = story_tokenizers["bpe"]
    assert isinstance(primitive, BPETokenizer)
    single_bytes = primitive.cut(257)
    (colon, d, o, g), (opening, b, closing) = single_bytes.encode(":dog"), single_bytes.encode("[b]")
    joined = [(colon, d), (257, o), (258, g), (259, colon), (opening, b), (261, closing)]
    tokenizer = BTMTokenizer(single_bytes, np.array([(*pair, entry, 1) for entry, pair in enumerate(joined, start=257)]))
    ids = tokenizer.encode(":dog:[b]")
    assert [tokenizer.decode([token]) for token in ids] == [":dog:", "[b]"]
    graph = PairGraph()
    graph.add(np.array(ids), np.array([0, 2]))
    for part in ("graphs", "tokenizers"):
        (tmp_path / part / "drawn").mkdir(parents=True)
    graph.save(tmp_path / "graphs" / "drawn")
    tokenizer.save(tmp_path / "tokenizers" / "drawn")
    lines = shown("graph", tmp_path, "--primitive", "drawn").splitlines()
    assert lines[0].strip() == "drawn: 1 edges"
    assert [line for line in lines if "':dog:'" in line and "'[b]'" in line]


@pytest.mark.parametrize("subject", ["tokens", "entry"])
def test_what_is_missing_is_named(trial: Path, tmp_path: Path, subject: str) -> None:
    with pytest.raises(TrialError, match=r"there is no protocol at .*protocol\.toml"):
        commands.execute(["inspect", subject, str(tmp_path), "text"])
    (tmp_path / "protocol.toml").write_bytes((trial / "protocol.toml").read_bytes())
    with pytest.raises(TrialError, match=r"track bpe has no tokenizer in .* yet: `toktrial tokenizers .*` makes it"):
        commands.execute(["inspect", subject, str(tmp_path), "text"])
    with pytest.raises(TrialError, match=r"the text holds the lone surrogate U\+DCFF at character 1"):
        commands.execute(["inspect", subject, str(trial), "a\udcff"])


@pytest.mark.parametrize("arguments", [[], ["tokns"], ["--help"]])
def test_an_unknown_subject_is_answered_with_the_known_ones(arguments: list[str]) -> None:
    with pytest.raises(TrialError, match=r"inspect what\? .*toktrial inspect tokens TRIAL"):
        commands.execute(["inspect", *arguments])
