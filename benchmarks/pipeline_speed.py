"""How long does a trial take from raw text to token files, where does the time go, and what is the least possible?

    python benchmarks/pipeline_speed.py --megabytes 400 [--corpus FILE]

The text is first written to a file, which is not timed. The stages of a trial then run on that file in this process,
with the settings of the `tinystories` preset, after a trial on a little text that compiles and loads everything.

Each row is a watched function, listed below its caller. `the rest` is the part of the caller's time that no watched
function took, or that was too short to show (less than --smallest-share of the total). In the tokenizers stage,
primitives that are encoded on their own are those for the graph, not those for merging. The corpus stage handles one
document after another, too fast to be watched, so its parts are measured separately afterwards.

The floor is the least that the work takes on this machine, whoever does it, and is measured in the same run: read and
hash the file once, train with HF `tokenizers` (the trial's own call, which does nothing else), encode with `gigatoken`
alone (once for each vocabulary), and write as many bytes to disk as the trial did. The graph, the merges and BTM's own
part of encoding count as free.
"""

import argparse
import functools
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import gigatoken
import xxhash

from toktrial import artifact, presets
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents, DocumentWriter, flat_buffers
from toktrial.corpus.source import read_documents
from toktrial.corpus.stage import document_hash, open_documents
from toktrial.tokenizer import btm, load, stage, transformers_files
from toktrial.tokenizer.bpe import BPETokenizer, ByteLevelTokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import TOKENIZERS_FOLDER
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner
from toktrial.tokens import store
from toktrial.trial import Trial
from workload import SEPARATOR, add_corpus_option, seconds_of, texts

CHUNK_BYTES = 8_000_000
WARM_UP_MEGABYTES = 0.5

TRAINING = "training BPE (HF)"
WATCHED: list[tuple[Any, str, str]] = [
    (artifact, "file_sha256", "checksums (SHA-256)"),
    (BPETokenizer, "train", TRAINING),
    (BPETokenizer, "cut", "cutting the primitives"),
    (ByteLevelTokenizer, "encode_arrow", "text to BPE ids"),
    (btm, "encode_stream", "primitives to BTM ids"),
    (TknMiner, "mine", "TknMiner"),
    (SyncStream, "feed", "counting pairs for the graph"),
    (PairGraph, "save", "writing the graph"),
    (stage, "encode_documents", "all primitives, for merging"),
    (stage, "learn_merges_of_stream", "learning the merges"),
    (stage, "load_tokenizer", "loading a tokenizer"),
    (load, "load_tokenizer", "loading a tokenizer"),
    (ByteLevelTokenizer, "write_files", "writing a BPE folder"),
    (BTMTokenizer, "write_files", "writing the BTM folder"),
    (transformers_files, "measure_difference", "counting documents that differ"),
]


class Stopwatch:
    """The seconds that watched functions took, by the path of calls that led to them."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, ...], float] = {}
        self._path: tuple[str, ...] = ()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time of the block to `name`, below whatever is being measured already."""
        outer, path = self._path, (*self._path, name)
        self.seconds.setdefault(path, 0.0)
        self._path = path
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[path] += time.perf_counter() - started
            self._path = outer

    def watch(self, owner: Any, name: str, label: str | Callable[..., str]) -> None:
        """Measures every later call of a module's function or a class's method. A label may be made from the arguments."""
        found = vars(owner)[name]
        if isinstance(found, classmethod):
            setattr(owner, name, classmethod(self._measured(found.__func__, label)))
        else:
            setattr(owner, name, self._measured(found, label))

    def _measured(self, function: Callable[..., Any], label: str | Callable[..., str]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            with self.measure(label if isinstance(label, str) else label(*arguments)):
                return function(*arguments, **named)

        return measured

    def rows(self, smallest: float, above: tuple[str, ...] = ()) -> Iterator[tuple[int, str, float]]:
        """Yields (depth, name, seconds): each caller, then what it called, then the rest of the caller's time.

        Below the first level, rows of less than `smallest` seconds are left out; they count towards the rest.
        """
        below = {path: seconds for path, seconds in self.seconds.items() if path[:-1] == above}
        shown = {path: seconds for path, seconds in below.items() if not above or seconds >= smallest}
        for path, seconds in shown.items():
            yield len(above), path[-1], seconds
            yield from self.rows(smallest, path)
        rest = self.seconds.get(above, 0.0) - sum(shown.values())
        if shown and rest >= smallest:
            yield len(above), "the rest", rest


def write_text(path: Path, megabytes: float, corpus: Path | None) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for document in texts(megabytes, corpus):
            file.write(document + SEPARATOR)


def new_trial(folder: Path, text: Path) -> Trial:
    """Returns a new trial of the `tinystories` preset on a text file."""
    return Trial(folder, replace(presets.tinystories(), corpus=CorpusConfig(path=str(text))))


def run_stages(trial: Trial, stopwatch: Stopwatch) -> None:
    """Runs the stages from raw text to token ids."""
    with stopwatch.measure("corpus"):
        trial.make_corpus()
    with stopwatch.measure("tokenizers"):
        trial.make_tokenizers()
    with stopwatch.measure("tokens"):
        trial.make_tokens()


def watch_stages(stopwatch: Stopwatch) -> None:
    """Watches the functions in WATCHED, and the encoding of each track."""
    for owner, name, label in WATCHED:
        stopwatch.watch(owner, name, label)
    stopwatch.watch(store, "write_tokens", lambda folder, *_: f"track {folder.name}")


def parts_of_corpus_stage(config: CorpusConfig, folder: Path) -> dict[str, float]:
    """Returns the seconds that reading, hashing and writing all documents of a source take, each on its own."""
    documents: list[str] = []

    def write() -> None:
        with DocumentWriter(folder / "alone.arrow") as writer:
            for document in documents:
                writer.add(document)

    return {
        "reading and decoding documents": seconds_of(lambda: documents.extend(read_documents(config))),
        "hashing documents (xxh3)": seconds_of(lambda: [document_hash(document) for document in documents]),
        "writing documents (Arrow)": seconds_of(write),
    }


def read_and_hash(path: Path) -> None:
    """Reads a file once and computes the two hashes that a trial needs: xxh3 (for the split) and SHA-256 (for the manifest)."""
    xxh3, sha256 = xxhash.xxh3_64(), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            xxh3.update(chunk)
            sha256.update(chunk)


def gigatoken_encoding(tokenizer: BPETokenizer, splits: list[Documents]) -> float:
    """Returns the seconds that gigatoken alone takes. Its ids are thrown away."""
    content = json.loads(tokenizer.tokenizer_json) | {"added_tokens": []}
    fast = gigatoken.Tokenizer.from_json(json.dumps(content, ensure_ascii=False))
    started = time.perf_counter()
    for documents in splits:
        for batch in documents.batches():
            offsets, data = flat_buffers(batch)
            characters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
            layout = ak.contents.ListOffsetArray(ak.index.Index64(offsets), characters, parameters={"__array__": "string"})
            fast.encode_batch(ak.Array(layout))
    return time.perf_counter() - started


def write_bytes(path: Path, n_bytes: int) -> None:
    """Writes `n_bytes` random bytes and waits until they are on disk."""
    chunk = os.urandom(CHUNK_BYTES)
    with path.open("wb") as file:
        for start in range(0, n_bytes, CHUNK_BYTES):
            file.write(chunk[: n_bytes - start])
        file.flush()
        os.fsync(file.fileno())


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def floor_of(trial: Trial, text: Path, scratch: Path, training_seconds: float) -> dict[str, float]:
    """Returns the seconds of each part of the floor. HF's training took `training_seconds`."""
    os.sync()  # else what the stages have not written to disk yet would be counted here
    splits = [open_documents(trial.corpus_folder, split) for split in ("train", "validation")]
    bpe, experimental = load.load_tokenizer(trial.tokenizer_folder("bpe")), load.load_tokenizer(trial.tokenizer_folder("btm"))
    assert isinstance(bpe, BPETokenizer)
    assert isinstance(experimental, BTMTokenizer)
    corpus_bytes, token_bytes = folder_bytes(trial.corpus_folder), folder_bytes(trial.folder / "tokens")
    return {
        "reading the text file once, xxh3 and SHA-256": seconds_of(lambda: read_and_hash(text)),
        TRAINING: training_seconds,
        f"gigatoken alone, {bpe.vocab_size:,} entries": gigatoken_encoding(bpe, splits),
        f"gigatoken alone, {experimental.primitive.vocab_size:,} entries": gigatoken_encoding(experimental.primitive, splits),
        f"writing {corpus_bytes / 1e6:.0f} MB as the corpus, fsync": seconds_of(lambda: write_bytes(scratch, corpus_bytes)),
        f"writing {token_bytes / 1e6:.0f} MB as the token files, fsync": seconds_of(lambda: write_bytes(scratch, token_bytes)),
    }


def manifest_seconds(folder: Path) -> Iterator[tuple[str, float]]:
    """Yields each finished stage of a trial and the seconds in its manifest."""
    places = [folder / "corpus"]
    for parent in (TOKENIZERS_FOLDER, stage.GRAPHS_FOLDER, "tokens"):
        places += sorted(path for path in (folder / parent).iterdir() if path.is_dir())
    for place in places:
        yield place.relative_to(folder).as_posix(), artifact.read_manifest(place)["seconds"]


def print_row(name: str, seconds: float, megabytes: float, total: float, depth: int = 0) -> None:
    speed = f"{megabytes / seconds:9.1f}" if seconds > 0 else " " * 9
    print(f"{'  ' * depth + name:56} {seconds:8.2f} s {speed} MB/s {seconds / total:7.1%}", flush=True)


def measure(folder: Path, megabytes: float, corpus: Path | None, smallest_share: float) -> None:
    """Runs the stages and the parts of the floor in an empty folder, and prints both."""
    text, little_text = folder / "text.txt", folder / "little.txt"
    write_text(text, megabytes, corpus)
    write_text(little_text, min(megabytes, WARM_UP_MEGABYTES), corpus)
    run_stages(new_trial(folder / "warm-up", little_text), Stopwatch())
    stopwatch = Stopwatch()
    watch_stages(stopwatch)
    trial = new_trial(folder / "trial", text)
    run_stages(trial, stopwatch)
    total = sum(stopwatch.seconds[stage_name,] for stage_name in ("corpus", "tokenizers", "tokens"))
    size = text.stat().st_size / 1e6
    print(f"{size:.1f} MB of text, {os.cpu_count()} cores; MB/s over the whole text, shares of the total")
    for depth, name, seconds in stopwatch.rows(smallest_share * total):
        print_row(name, seconds, size, total, depth)
    print_row("total", total, size, total)
    print("\nseconds in the manifests (not counting checksums, nor the folder's files for tokenizers):")
    print("; ".join(f"{name} {seconds:.2f}" for name, seconds in manifest_seconds(trial.folder)))
    print("\nparts of the corpus stage, each on its own")
    for name, seconds in parts_of_corpus_stage(trial.protocol.corpus, folder).items():
        print_row(name, seconds, size, total)
    print("\nthe floor")
    training_seconds = sum(seconds for path, seconds in stopwatch.seconds.items() if path[-1] == TRAINING)
    floor = floor_of(trial, text, folder / "scratch", training_seconds)
    for name, seconds in floor.items():
        print_row(name, seconds, size, total)
    print_row("floor", sum(floor.values()), size, total)
    print(f"total / floor: {total / sum(floor.values()):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    add_corpus_option(parser)
    parser.add_argument("--smallest-share", type=float, default=0.002, help="smallest share of the total that is shown")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.megabytes, given.corpus, given.smallest_share)


if __name__ == "__main__":
    main()
