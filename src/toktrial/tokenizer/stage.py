"""Makes every tokenizer that a trial's tracks need, on disk: each once, however many tracks share it.

corpus -> tokenizers/<name>/ and graphs/<primitive name>/ -> tokens
"""

import itertools
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toktrial import artifact, progress
from toktrial.corpus.documents import Documents, flat_buffers
from toktrial.tokenizer.base import Offsets
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, check_room_for_merges, encode_documents_to_file
from toktrial.tokenizer.config import TOKENIZERS_FOLDER, BPERecipe, BTMRecipe, FileRecipe, Recipe, tokenizer_names
from toktrial.tokenizer.file import file_fingerprint, load_file_track
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import LearnedMerges, learn_merges_of_stream
from toktrial.tokenizer.merge_checkpoint import MergeCheckpoint
from toktrial.tokenizer.tkn import IntArray, PairGraph, SyncStream, TknMiner
from toktrial.tokenizer.transformers_files import HELD_OUT_DOCUMENTS

GRAPHS_FOLDER = "graphs"


@dataclass(frozen=True)
class BPEJob:
    """A byte-level BPE to be made: its size and settings, whichever tracks use it."""

    vocab_size: int
    min_frequency: int

    def fingerprint(self, corpus_fingerprint: str) -> str:
        inputs = {"corpus": corpus_fingerprint, "vocab_size": self.vocab_size, "min_frequency": self.min_frequency}
        return artifact.fingerprint("bpe tokenizer", inputs)


def primitive_names(tracks: Mapping[str, Recipe]) -> dict[str, str]:
    """Returns the name of the primitive tokenizer of each track that has one; equal primitives are shared."""
    names: dict[str, str] = {}
    name_of: dict[BPEJob, str] = {}
    for track, recipe in tracks.items():
        if isinstance(recipe, BTMRecipe):
            job = BPEJob(recipe.primitive_vocab_size, recipe.min_frequency)
            own = recipe.primitive_tokenizer_name
            name_of.setdefault(job, f"{own}_{track}" if own in name_of.values() else own)
            names[track] = name_of[job]
    return names


def prepare_tokenizers(
    tracks: Mapping[str, Recipe],
    vocab_size: int,
    documents: Documents,
    corpus_fingerprint: str,
    trial_folder: Path,
    held_out: Iterable[str] = (),
) -> dict[str, str]:
    """Makes what is missing of the tracks' tokenizers and pair graphs. Returns each track's tokenizer fingerprint.

    held_out: the validation documents; what a tokenizer's folder says of itself for other programs is measured on them.
    """
    folder = trial_folder / TOKENIZERS_FOLDER
    names, primitives = tokenizer_names(tracks), primitive_names(tracks)
    jobs: dict[str, BPEJob] = {}
    for track, recipe in tracks.items():
        if isinstance(recipe, BPERecipe):
            jobs[names[track]] = BPEJob(vocab_size, recipe.min_frequency)
        elif isinstance(recipe, BTMRecipe):
            jobs[primitives[track]] = BPEJob(recipe.primitive_vocab_size, recipe.min_frequency)
    held_out = list(itertools.islice(held_out, HELD_OUT_DOCUMENTS))
    _prepare_bpe(jobs, documents, corpus_fingerprint, folder, held_out)
    fingerprints: dict[str, str] = {}
    for track, recipe in tracks.items():
        if isinstance(recipe, BPERecipe):
            fingerprints[track] = jobs[names[track]].fingerprint(corpus_fingerprint)
            continue
        if isinstance(recipe, FileRecipe):
            fingerprints[track] = _prepare_file(folder / names[track], recipe, vocab_size, held_out)
            continue
        primitive_fingerprint = jobs[primitives[track]].fingerprint(corpus_fingerprint)
        primitive_folder = folder / primitives[track]
        graph_folder = trial_folder / GRAPHS_FOLDER / primitives[track]
        _prepare_graph(graph_folder, primitive_folder, primitive_fingerprint, documents)
        fingerprints[track] = _prepare_btm(
            folder / names[track], recipe, vocab_size, primitive_folder, primitive_fingerprint, documents, held_out
        )
    return fingerprints


def _prepare_bpe(
    jobs: Mapping[str, BPEJob],
    documents: Documents,
    corpus_fingerprint: str,
    tokenizers_folder: Path,
    held_out: Sequence[str],
) -> None:
    """Trains the largest tokenizer of each min_frequency and cuts the smaller ones from it."""
    larger: dict[int, Path] = {}
    for name, job in sorted(jobs.items(), key=lambda item: -item[1].vocab_size):
        folder = tokenizers_folder / name
        fingerprint = job.fingerprint(corpus_fingerprint)
        if not artifact.is_finished(folder, fingerprint):
            started = time.monotonic()
            tokenizer = _make_bpe(job, documents, larger.get(job.min_frequency))
            manifest = tokenizer.manifest() | {"requested": job.vocab_size, "seconds": time.monotonic() - started}
            with artifact.publish(folder, fingerprint, manifest) as partial:
                tokenizer.write_files(partial, held_out)
            _say_what_was_learned(name, tokenizer.vocab_size, job.vocab_size)
        larger.setdefault(job.min_frequency, folder)


def _make_bpe(job: BPEJob, documents: Documents, larger: Path | None) -> BPETokenizer:
    if larger is not None:
        tokenizer = load_tokenizer(larger)
        assert isinstance(tokenizer, BPETokenizer)
        return tokenizer.cut(job.vocab_size)
    with progress.progress("training BPE", documents.bytes, "B") as shown:
        return BPETokenizer.train(documents, job.vocab_size, job.min_frequency, on_progress=shown)


def _prepare_graph(folder: Path, primitive_folder: Path, primitive_fingerprint: str, documents: Documents) -> None:
    """Reads the corpus's primitives through TknMiner and SyncStream into the pair graph, in chunks."""
    fingerprint = artifact.fingerprint("pair graph", {"primitive": primitive_fingerprint})
    if artifact.is_finished(folder, fingerprint):
        return
    started = time.monotonic()
    primitive = load_tokenizer(primitive_folder)
    miner = TknMiner(first_free_id=primitive.vocab_size)
    stream = SyncStream(PairGraph())
    with progress.progress("building the pair graph", documents.bytes, "B") as shown:
        bytes_read = 0
        for batch in documents.batches():
            stream.feed(*miner.mine(*primitive.encode_arrow(batch)))
            offsets, _ = flat_buffers(batch)
            bytes_read += int(offsets[-1] - offsets[0])
            shown.update(bytes_read)
    manifest: dict[str, Any] = {"pairs": len(stream.graph), "documents": stream.documents, "tokens": stream.tokens}
    with artifact.publish(folder, fingerprint, manifest) as partial:
        stream.graph.save(partial)
        manifest["seconds"] = time.monotonic() - started


def _prepare_btm(
    folder: Path,
    recipe: BTMRecipe,
    vocab_size: int,
    primitive_folder: Path,
    primitive_fingerprint: str,
    documents: Documents,
    held_out: Sequence[str],
) -> str:
    inputs = {"primitive": primitive_fingerprint, "vocab_size": vocab_size, "recipe": asdict(recipe)}
    fingerprint = artifact.fingerprint("btm tokenizer", inputs)
    if artifact.is_finished(folder, fingerprint):
        return fingerprint
    started = time.monotonic()
    primitive = load_tokenizer(primitive_folder)
    assert isinstance(primitive, BPETokenizer)
    checkpoint = MergeCheckpoint(folder.with_name(f".{folder.name}.merges.npz"), fingerprint)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as stream_folder:
        ids, offsets = encode_documents_to_file(primitive, documents, Path(stream_folder) / "primitives.bin")
        learned = _learn_merges(primitive, ids, offsets, vocab_size, recipe, checkpoint)
    tokenizer = BTMTokenizer(primitive, learned.merges, recipe.scope)
    manifest = tokenizer.manifest() | {
        "requested": vocab_size,
        "passed_over": len(learned.passed_over),
        "recounts": learned.recounts,
        "seconds": time.monotonic() - started,
    }
    with artifact.publish(folder, fingerprint, manifest) as partial:
        tokenizer.write_files(partial, held_out)
    checkpoint.remove()
    _say_what_was_learned(folder.name, tokenizer.vocab_size, vocab_size)
    return fingerprint


def _prepare_file(folder: Path, recipe: FileRecipe, vocab_size: int, held_out: Sequence[str]) -> str:
    finished = artifact.read_manifest(folder) if (folder / artifact.MANIFEST).is_file() else {}
    if not Path(recipe.path).is_file() and (finished.get("source"), finished.get("requested")) == (recipe.path, vocab_size):
        return str(finished["fingerprint"])  # what a trial has taken over, it needs no more
    fingerprint = file_fingerprint(recipe.path, vocab_size)
    if not artifact.is_finished(folder, fingerprint):
        tokenizer = load_file_track(recipe.path, vocab_size)
        manifest = tokenizer.manifest() | {"requested": vocab_size, "source": recipe.path}
        with artifact.publish(folder, fingerprint, manifest) as partial:
            tokenizer.write_files(partial, held_out)
        if tokenizer.vocab_size < vocab_size:
            progress.print_line(f"{folder.name}: {tokenizer.vocab_size:,} entries; the model's other rows stay unused")
    return fingerprint


def _learn_merges(
    primitive: BPETokenizer,
    ids: IntArray,
    offsets: Offsets,
    vocab_size: int,
    recipe: BTMRecipe,
    checkpoint: MergeCheckpoint,
) -> LearnedMerges:
    """Learns the merges with progress, and says how many pairs were passed over."""
    check_room_for_merges(primitive, vocab_size)
    first = primitive.vocab_size
    with progress.progress("merging tokens", vocab_size - first, "merge") as shown:
        learned = learn_merges_of_stream(
            ids,
            offsets,
            primitive.token_bytes,
            vocab_size,
            recipe.min_frequency,
            on_merge=lambda entries, count: shown.update(entries - first, f"count {count:,}"),
            score=recipe.score,
            scope=recipe.scope,
            checkpoint=checkpoint,
        )
    if learned.passed_over:
        progress.print_line(f"{len(learned.passed_over)} pairs passed over: joined, they spell an entry that exists")
    return learned


def _say_what_was_learned(name: str, entries: int, requested: int) -> None:
    if entries < requested:
        progress.print_line(
            f"{name}: {entries:,} entries of the {requested:,} asked for; the corpus is too small for more. "
            "The trial goes on with these; the model's other rows stay unused."
        )
