"""How long does a trial take from raw text to token files, how much memory, where does it go, and what is the least possible?

    python benchmarks/pipeline_speed.py --megabytes 400 [--corpus FILE] [--trainer hf]
    TMPDIR=/disk python benchmarks/pipeline_speed.py --bytes 1.9e9 --no-floor
    python benchmarks/pipeline_speed.py --text FILE --no-floor

The text is first written to a file in a temporary folder, which is not timed. The stages of a trial then run on that file in
this process, with the settings of the `tinystories` preset, after a trial on a little text that compiles and loads everything.
They are called as `toktrial run` calls them: the tokens first make the tokenizers, and these the corpus.

CPU is user and system time of all threads: on a machine with other work, judge by that. Memory is sampled every 20 ms, and each
row shows its highest: `own` is what the process has written (RssAnon), which the machine must have; `in all` adds the pages of
mapped files (VmRSS), which the system takes back when it needs them. Both need Linux.

Each row is a watched function, listed below its caller. `the rest` is the part of the caller's time that no watched
function took, or that was too short to show (less than --smallest-share of the total). The corpus stage handles one
document after another, too fast to be watched, so its parts are measured separately afterwards.

The floor is the least that the work takes on this machine, and is measured in the same run: read and hash the file once,
train BPE (the trial's own call, which does nothing else), encode with `gigatoken` alone (once for each vocabulary), and write
as many bytes to disk as the trial did. The graph, the merges and BTM's own part of encoding count as free.
"""

import argparse
import functools
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import awkward as ak
import gigatoken
import xxhash

from toktrial import artifact, presets
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents, DocumentWriter, flat_buffers
from toktrial.corpus.source import read_documents
from toktrial.corpus.stage import document_hash, open_documents
from toktrial.tokenizer import bpe, btm, load, stage, transformers_files
from toktrial.tokenizer.bpe import BPETokenizer, ByteLevelTokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import FAST, TOKENIZERS_FOLDER, BPETrainer
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner
from toktrial.tokens import store
from toktrial.trial import Trial
from workload import SEPARATOR, add_corpus_option, seconds_of, texts

CHUNK_BYTES = 8_000_000
WARM_UP_MEGABYTES = 0.5

SAMPLE_SECONDS = 0.02

TRAINING = "training BPE"
WATCHED: list[tuple[Any, str, str]] = [
    (artifact, "file_sha256", "checksums (SHA-256)"),
    (BPETokenizer, "train", TRAINING),
    (bpe, "count_words", "counting words"),
    (bpe, "learn_bpe", "learning BPE's merges"),
    (BPETokenizer, "cut", "cutting the primitives"),
    (ByteLevelTokenizer, "encode_arrow", "text to BPE ids"),
    (btm, "encode_stream", "primitives to BTM ids"),
    (TknMiner, "mine", "TknMiner"),
    (SyncStream, "feed", "counting pairs for the graph"),
    (PairGraph, "save", "writing the graph"),
    (stage, "encode_documents", "all primitives"),
    (stage, "learn_merges_of_stream", "learning the merges"),
    (stage, "spool", "setting the tokens of btm aside"),
    (stage, "load_tokenizer", "loading a tokenizer"),
    (load, "load_tokenizer", "loading a tokenizer"),
    (ByteLevelTokenizer, "write_files", "writing a BPE folder"),
    (BTMTokenizer, "write_files", "writing the BTM folder"),
    (transformers_files, "measure_difference", "counting documents that differ"),
]


@dataclass
class Cost:
    """What a function took, with all that it called."""

    seconds: float = 0.0
    cpu: float = 0.0
    own: int = 0
    """Bytes: the most memory that the process had written, as sampled."""
    in_all: int = 0
    """The same with pages of mapped files."""

    def __sub__(self, others: "list[Cost]") -> "Cost":
        """Returns the time that the others leave, with no memory of its own."""
        return Cost(self.seconds - sum(other.seconds for other in others), self.cpu - sum(other.cpu for other in others))


def memory() -> tuple[int, int]:
    """Returns the bytes that this process has written, and those with pages of mapped files."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    own, in_all = (int(lines[name].split()[0]) * 1024 for name in ("RssAnon", "VmRSS"))
    return own, in_all


class Stopwatch:
    """What watched functions took, by the path of calls that led to them."""

    def __init__(self) -> None:
        self.costs: dict[tuple[str, ...], Cost] = {}
        self._path: tuple[str, ...] = ()
        threading.Thread(target=self._sample_memory, daemon=True).start()

    def _sample_memory(self) -> None:
        while True:
            path, (own, in_all) = self._path, memory()
            for depth in range(1, len(path) + 1):
                cost = self.costs[path[:depth]]
                cost.own, cost.in_all = max(cost.own, own), max(cost.in_all, in_all)
            time.sleep(SAMPLE_SECONDS)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time of the block to `name`, below whatever is being measured already."""
        outer, path = self._path, (*self._path, name)
        cost = self.costs.setdefault(path, Cost())
        self._path = path
        started, cpu_started = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            cost.seconds += time.perf_counter() - started
            cost.cpu += time.process_time() - cpu_started
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

    def rows(self, smallest: float, above: tuple[str, ...] = ()) -> Iterator[tuple[int, str, Cost]]:
        """Yields (depth, name, cost): each caller, then what it called, then the rest of the caller's time.

        Below the first level, rows of less than `smallest` seconds are left out; they count towards the rest.
        """
        below = {path: cost for path, cost in self.costs.items() if path[:-1] == above}
        shown = {path: cost for path, cost in below.items() if not above or cost.seconds >= smallest}
        for path, cost in shown.items():
            yield len(above), path[-1], cost
            yield from self.rows(smallest, path)
        rest = self.costs.get(above, Cost()) - list(shown.values())
        if shown and rest.seconds >= smallest:
            yield len(above), "the rest", rest


def write_text(path: Path, megabytes: float, corpus: Path | None) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for document in texts(megabytes, corpus):
            file.write(document + SEPARATOR)


def new_trial(folder: Path, text: Path, trainer: BPETrainer) -> Trial:
    """Returns a new trial of the `tinystories` preset on a text file."""
    return Trial(folder, replace(presets.tinystories(), corpus=CorpusConfig(path=str(text)), bpe_trainer=trainer))


def watch_stages(stopwatch: Stopwatch) -> None:
    """Watches the functions in WATCHED, the stages that the last one calls, and the encoding of each track."""
    stopwatch.watch(Trial, "make_corpus", "corpus")
    stopwatch.watch(Trial, "make_tokenizers", "tokenizers")
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
    """Returns the seconds of each part of the floor. BPE's training took `training_seconds`."""
    os.sync()  # else what the stages have not written to disk yet would be counted here
    splits = [open_documents(trial.corpus_folder, split) for split in ("train", "validation")]
    baseline, experimental = (load.load_tokenizer(trial.tokenizer_folder(track)) for track in ("bpe", "btm"))
    assert isinstance(baseline, BPETokenizer)
    assert isinstance(experimental, BTMTokenizer)
    corpus_bytes, token_bytes = folder_bytes(trial.corpus_folder), folder_bytes(trial.folder / "tokens")
    return {
        "reading the text file once, xxh3 and SHA-256": seconds_of(lambda: read_and_hash(text)),
        TRAINING: training_seconds,
        f"gigatoken alone, {baseline.vocab_size:,} entries": gigatoken_encoding(baseline, splits),
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


def print_row(name: str, cost: Cost, megabytes: float, total: float, depth: int = 0) -> None:
    speed = f"{megabytes / cost.seconds:9.1f}" if cost.seconds > 0 else " " * 9
    used = f"{cost.own / 1e9:6.2f} {cost.in_all / 1e9:6.2f} GB" if cost.in_all else ""
    cpu = f"{cost.cpu:8.2f} s" if cost.cpu else " " * 10
    name = "  " * depth + name
    print(f"{name:52} {cost.seconds:8.2f} s {cpu} {speed} MB/s {cost.seconds / total:7.1%} {used}".rstrip(), flush=True)


def measure(folder: Path, given: argparse.Namespace) -> None:
    """Runs the stages and the parts of the floor in an empty folder, and prints both."""
    text, little_text = given.text or folder / "text.txt", folder / "little.txt"
    megabytes = given.bytes / 1e6 if given.bytes else given.megabytes
    if not given.text:
        write_text(text, megabytes, given.corpus)
    write_text(little_text, min(megabytes, WARM_UP_MEGABYTES), given.corpus)
    new_trial(folder / "warm-up", little_text, given.trainer).make_tokens()
    trial = new_trial(folder / "trial", text, given.trainer)
    stopwatch = Stopwatch()
    watch_stages(stopwatch)
    with stopwatch.measure("from text to tokens"):
        trial.make_tokens()
    size, total = text.stat().st_size / 1e6, stopwatch.costs["from text to tokens",].seconds
    print(f"{size:.1f} MB of text, {os.cpu_count()} cores; MB/s over the whole text, shares of the total")
    print(f"{'':52} {'wall':>10} {'CPU':>10} {'':25} {'own':>4} {'in all':>6}")
    for depth, name, cost in stopwatch.rows(given.smallest_share * total):
        print_row(name, cost, size, total, depth)
    print("\nseconds in the manifests (not counting checksums, nor the folder's files for tokenizers):")
    print("; ".join(f"{name} {seconds:.2f}" for name, seconds in manifest_seconds(trial.folder)))
    if given.floor:
        print_floor(trial, text, folder, stopwatch, total)


def print_floor(trial: Trial, text: Path, folder: Path, stopwatch: Stopwatch, total: float) -> None:
    size = text.stat().st_size / 1e6
    print("\nparts of the corpus stage, each on its own")
    for name, seconds in parts_of_corpus_stage(trial.protocol.corpus, folder).items():
        print_row(name, Cost(seconds), size, total)
    print("\nthe floor")
    training_seconds = sum(cost.seconds for path, cost in stopwatch.costs.items() if path[-1] == TRAINING)
    floor = floor_of(trial, text, folder / "scratch", training_seconds)
    for name, seconds in floor.items():
        print_row(name, Cost(seconds), size, total)
    print_row("floor", Cost(sum(floor.values())), size, total)
    print(f"total / floor: {total / sum(floor.values()):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100, help="of text, 10^6 bytes")
    parser.add_argument("--bytes", type=float, help="of text; instead of --megabytes")
    parser.add_argument("--trainer", choices=get_args(BPETrainer), default=FAST, help="who learns BPE's merges")
    parser.add_argument("--floor", action=argparse.BooleanOptionalAction, default=True, help="whether to measure the floor too")
    add_corpus_option(parser)
    parser.add_argument("--text", type=Path, help="a text file of that kind, taken as it is")
    parser.add_argument("--smallest-share", type=float, default=0.002, help="smallest share of the total that is shown")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given)


if __name__ == "__main__":
    main()
