"""Minimal pairs: two sentences that differ in one point of grammar, of which a model should find the right one likelier.

They come from a folder of jsonl files in the format of BLiMP (Warstadt et al. 2020, TACL 8) and are copied into the trial
before it begins anything long: errors in the files are found then, and the trial no longer needs the folder.

A sentence is scored as bits_per_byte.py scores a document: byte for byte as the file has it, after id 0, which is not scored,
and with its closing id 0, which is. So its score is the probability of the whole text, end included, and two tokenizers
answer the same question. The pair goes to the sentence of higher probability; nothing is divided by length (BLiMP's files
call this the simple LM method). Equal probabilities are a tie and count one half.
"""

import codecs
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.evaluation.account import KNOWN_PAIRS_FILE, is_made, write_account, write_run_account
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.run_files import RUN_PAIRS_FILE
from toktrial.evaluation.words import known_words, words_of
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenSplit, entry_bytes_of
from toktrial.training.device import resolve_device
from toktrial.training.model import GPT
from toktrial.training.run import Run, load_model

MINIMAL_PAIRS_FOLDER = "evaluation/minimal_pairs"
PAIRS_FILE = "pairs.parquet"
FIELD_NAMES = {"syntax_semantics": "syntax/semantics"}  # BLiMP's files spell that field in both ways, its paper in the second
Text = Annotated[str, msgspec.Meta(min_length=1)]
Nats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paradigm:
    """The pairs of one phenomenon."""

    name: str
    """BLiMP's UID."""
    field: str
    """The part of grammar that it belongs to."""
    good: list[str]
    """(pairs,): the right sentence of each pair, as the file has it."""
    bad: list[str]
    """(pairs,): the wrong one."""


class _Pair(msgspec.Struct):
    """A pair, by the keys of its line; a line may have others."""

    paradigm: Text = msgspec.field(name="UID")
    field: Text
    good: Text = msgspec.field(name="sentence_good")
    bad: Text = msgspec.field(name="sentence_bad")


def prepare_minimal_pairs(source: str, trial_folder: Path) -> None:
    """Copies the pairs of the folder `source` into a trial, unless it holds a copy of these very files.

    Where `source` is gone, an earlier copy of it will do. Raises TrialError where there is neither, where the folder holds no
    jsonl file, and, naming file and line, where a line is not a pair.
    """
    folder = trial_folder / MINIMAL_PAIRS_FOLDER
    if not Path(source).is_dir() and _was_copied_from(source, folder):
        return
    files = _jsonl_files(source)
    checksums = {path.name: artifact.file_sha256(path) for path in files}
    fingerprint = artifact.fingerprint("minimal pairs", {"source": source, "files": checksums})
    if artifact.is_finished(folder, fingerprint):
        return
    paradigms = read_paradigms(files)
    manifest: dict[str, Any] = {
        "source": source,
        "source_files": checksums,
        "paradigms": len(paradigms),
        "pairs": sum(len(paradigm.good) for paradigm in paradigms),
    }
    with artifact.publish(folder, fingerprint, manifest) as partial:
        write_pairs(paradigms, partial / PAIRS_FILE)


def load_minimal_pairs(trial_folder: Path) -> list[Paradigm]:
    """Reads a trial's copy of the pairs. Raises TrialError where it is missing or damaged."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    path = trial_folder / MINIMAL_PAIRS_FOLDER / PAIRS_FILE
    try:
        rows = read_table(path).to_pylist()
    except (OSError, ArrowException) as error:
        raise TrialError(f"{path} is missing or damaged ({error}): delete {path.parent} and run again") from None
    return _grouped(_Pair(**row) for row in rows)


def minimal_pairs_fingerprint(trial_folder: Path) -> str:
    """Returns what identifies a trial's copy of the pairs. Raises TrialError where there is none."""
    fingerprint: str = artifact.read_manifest(trial_folder / MINIMAL_PAIRS_FOLDER)["fingerprint"]
    return fingerprint


def read_paradigms(files: Sequence[Path]) -> list[Paradigm]:
    """Reads jsonl files, one pair a line, in BLiMP's format; the paradigms are in the order in which they first occur.

    Raises TrialError where a line is not JSON or lacks a key, where two lines disagree on a paradigm's field, and where there
    is no line.
    """
    paradigms = _grouped(_read_files(files))
    if not paradigms:
        raise TrialError(f"the jsonl files in {files[0].parent} are empty: evaluation.minimal_pairs must name minimal pairs")
    return paradigms


def pair_nats(
    model: GPT, tokenizer: Tokenizer, paradigms: Sequence[Paradigm], on_progress: Callable[[float], None] | None = None
) -> tuple[Nats, Nats]:
    """Returns the negative log-likelihoods, in nats, of the right and of the wrong sentences: (pairs,) each, in order.

    Each distinct sentence is scored once, so that a pair of equal sentences is an exact tie, however it is batched.
    on_progress: called after each batch with the share that is done.
    """
    good = [sentence for paradigm in paradigms for sentence in paradigm.good]
    bad = [sentence for paradigm in paradigms for sentence in paradigm.bad]
    sentences = list(dict.fromkeys(good + bad))
    split = TokenSplit.of_texts(sentences, tokenizer)
    scorer = DocumentScorer(split, entry_bytes_of(tokenizer), model.config.context, model.vocab_size)
    nats = dict(zip(sentences, scorer.score(model, on_progress).document_nats.tolist(), strict=True))
    return np.array([nats[sentence] for sentence in good]), np.array([nats[sentence] for sentence in bad])


def outcomes(good_nats: Nats, bad_nats: Nats) -> str:
    """Returns one letter for each pair: 1 where the right sentence is likelier, 0 where the wrong one is, = for a tie.

    >>> outcomes(np.array([3.0, 5.0, 4.0]), np.array([4.0, 4.0, 4.0]))
    '10='
    """
    return "".join(np.where(good_nats < bad_nats, "1", np.where(good_nats > bad_nats, "0", "=")).tolist())


def score_run(run: Run, tokenizer_folder: Path, trial_folder: Path, on_progress: Callable[[float], None] | None = None) -> None:
    """Writes a finished run's minimal_pairs.json, unless that is done: the outcome of every pair, paradigm by paradigm.

    on_progress: called after each batch with the share that is done.
    """

    def account() -> dict[str, Any]:
        paradigms, tokenizer = load_minimal_pairs(trial_folder), load_tokenizer(tokenizer_folder)
        model = load_model(run, tokenizer.vocab_size).to(resolve_device(run.training.device))
        started = time.monotonic()
        letters = outcomes(*pair_nats(model, tokenizer, paradigms, on_progress))
        ends = accumulate(len(paradigm.good) for paradigm in paradigms)
        return {
            "pairs_fingerprint": minimal_pairs_fingerprint(trial_folder),
            "pairs": len(letters),
            "seconds": time.monotonic() - started,
            "outcomes": {of.name: letters[end - len(of.good) : end] for of, end in zip(paradigms, ends, strict=True)},
        }

    write_run_account(run.folder / RUN_PAIRS_FILE, _scores_fingerprint(run, trial_folder), account)


def is_scored(run: Run, trial_folder: Path) -> bool:
    """Whether a finished run has judged the trial's pairs."""
    return is_made(run.folder / RUN_PAIRS_FILE, _scores_fingerprint(run, trial_folder))


def _scores_fingerprint(run: Run, trial_folder: Path) -> str:
    run_fingerprint = run.fingerprint(artifact.read_manifest(run.tokens_folder)["fingerprint"])
    inputs = {"run": run_fingerprint, "pairs": minimal_pairs_fingerprint(trial_folder)}
    return artifact.fingerprint("minimal pairs of a run", inputs)


def account_known_pairs(trial_folder: Path, corpus_fingerprint: str, training_documents: Documents) -> None:
    """Writes evaluation/known_pairs/known_pairs.json, unless that is done: which pairs hold only known words.

    A word is known where it occurs anywhere in the training documents, in whatever case; a pair, where every word of both its
    sentences is known. Each pair has one letter: 1 known, 0 not.
    """
    pairs_fingerprint = minimal_pairs_fingerprint(trial_folder)

    def account() -> dict[str, Any]:
        known = describe_known_pairs(load_minimal_pairs(trial_folder), training_documents)
        return {"pairs_fingerprint": pairs_fingerprint, **known}

    inputs = {"corpus": corpus_fingerprint, "pairs": pairs_fingerprint}
    write_account(trial_folder / KNOWN_PAIRS_FILE, "known pairs", inputs, account)


def describe_known_pairs(paradigms: Sequence[Paradigm], training_documents: Documents) -> dict[str, Any]:
    """Returns, ready for JSON, how many distinct words the pairs hold and the corpus knows, and which pairs it knows."""
    words = {
        paradigm.name: [{*words_of(good), *words_of(bad)} for good, bad in zip(paradigm.good, paradigm.bad, strict=True)]
        for paradigm in paradigms
    }
    asked = {word for pairs in words.values() for pair in pairs for word in pair}
    known = known_words(training_documents, asked)
    letters = {name: "".join("1" if pair <= known else "0" for pair in pairs) for name, pairs in words.items()}
    return {
        "words": len(asked),
        "known_words": len(known),
        "paradigms": [{"name": each.name, "field": each.field, "known": letters[each.name]} for each in paradigms],
    }


def _was_copied_from(source: str, folder: Path) -> bool:
    return (folder / artifact.MANIFEST).is_file() and artifact.read_manifest(folder).get("source") == source


def _jsonl_files(source: str) -> list[Path]:
    folder = Path(source)
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        found = "contains none" if folder.is_dir() else "is not a folder"
        raise TrialError(f"evaluation.minimal_pairs must name a folder of BLiMP's jsonl files, but {source} {found}")
    return files


def _read_files(files: Sequence[Path]) -> Iterator[_Pair]:
    fields: dict[str, tuple[str, str]] = {}  # of each paradigm, and the line that names it first
    for place, line in _lines(files):
        pair = _read_line(line, place)
        pair.field = FIELD_NAMES.get(pair.field, pair.field)
        first_field, first_place = fields.setdefault(pair.paradigm, (pair.field, place))
        if pair.field != first_field:
            raise TrialError(
                f"paradigm {pair.paradigm} has two fields, {first_field} and {pair.field}: "
                f"give {first_place} and {place} the same field"
            )
        yield pair


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yields every line that is not empty, and how errors name its place."""
    for path in files:
        for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
            if line.strip():
                yield f"line {number} of {path}", line


def _read_line(line: bytes, place: str) -> _Pair:
    try:
        return msgspec.json.decode(line, type=_Pair)
    except (ValueError, RecursionError) as error:
        keys = ", ".join(key.encode_name for key in msgspec.structs.fields(_Pair))
        raise TrialError(
            f"{place} must be a JSON object with a text for each of {keys}, but is "
            f"{line[:80].decode(errors='replace')} ({error}): mend or remove it"
        ) from None


def _grouped(pairs: Iterable[_Pair]) -> list[Paradigm]:
    paradigms: dict[str, Paradigm] = {}
    for pair in pairs:
        paradigm = paradigms.setdefault(pair.paradigm, Paradigm(pair.paradigm, pair.field, [], []))
        paradigm.good.append(pair.good)
        paradigm.bad.append(pair.bad)
    return list(paradigms.values())


def write_pairs(paradigms: Sequence[Paradigm], path: Path) -> None:
    """Writes pairs as Parquet, a row for each: paradigm, field, good, bad."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = [
        {"paradigm": paradigm.name, "field": paradigm.field, "good": good, "bad": bad}
        for paradigm in paradigms
        for good, bad in zip(paradigm.good, paradigm.bad, strict=True)
    ]
    write_table(pa.Table.from_pylist(rows), path)
