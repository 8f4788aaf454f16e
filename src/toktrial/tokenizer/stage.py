"""Makes every tokenizer that a trial's tracks need, on disk: each once, however many tracks share it.

corpus -> tokenizers/<name>/ and graphs/<primitive name>/ -> tokens
"""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from toktrial import artifact, progress
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.base import HELD_OUT_DOCUMENTS, IdStream, Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, SuperBPETokenizer, encode_documents, spool
from toktrial.tokenizer.config import (
    FAST,
    SMALLEST_VOCAB_SIZE,
    TOKENIZERS_FOLDER,
    BPERecipe,
    BPETrainer,
    BTMRecipe,
    BytesRecipe,
    FileRecipe,
    PrimitiveRecipe,
    Recipe,
    SuperBPERecipe,
    TKNRecipe,
    check_code,
    primitive_names,
    tokenizer_names,
    with_sizes,
)
from toktrial.tokenizer.dropout import Dropout
from toktrial.tokenizer.encoders import allow_code_in
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokenizer.foreign import SOURCE_FOLDER, ForeignTokenizer
from toktrial.tokenizer.load import load_tokenizer, train
from toktrial.tokenizer.merge import LearnedMerges, MergeCheckpoint, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import MergeRule
from toktrial.tokenizer.single_bytes import BytesTokenizer
from toktrial.tokenizer.sources import file_fingerprint, is_elsewhere, load_file_track
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner

GRAPHS_FOLDER = "graphs"


def prepare_tokenizers(
    tracks: Mapping[str, Recipe],
    vocab_size: int,
    documents: Documents,
    corpus_fingerprint: str,
    trial_folder: Path,
    held_out: Iterable[str] = (),
    allow_code: bool = False,
    bpe_trainer: BPETrainer = FAST,
    train_ids: dict[str, IdStream] | None = None,
) -> dict[str, str]:
    """Makes what is missing of the tracks' tokenizers and pair graphs. Returns each track's tokenizer fingerprint.

    vocab_size: of every track without a `vocab_size` of its own.
    held_out: the validation documents; each tokenizer's README.md says for how many of them other programs get other ids.
    allow_code: whether a score may be imported; otherwise raises TrialError where that is necessary.
    bpe_trainer: who learns BPE's merges; see `BPETokenizer.train`.
    train_ids: if given, takes the ids of all documents where making a tokenizer has left them, by its fingerprint. They are
    memory-mapped from files without a name.
    """
    held_out = list(itertools.islice(held_out, HELD_OUT_DOCUMENTS))
    tracks = with_sizes(tracks, vocab_size)
    names, primitives = tokenizer_names(tracks), primitive_names(tracks)
    stage = _Stage(
        documents,
        corpus_fingerprint,
        trial_folder,
        held_out,
        allow_code,
        bpe_trainer,
        train_ids,
        frozenset(primitives.values()),
    )
    jobs: dict[str, BPEJob] = {}
    for track, recipe in tracks.items():
        if isinstance(recipe, BPERecipe):
            jobs[names[track]] = BPEJob(recipe.vocab_size, recipe.min_frequency)
        elif isinstance(recipe, PrimitiveRecipe):
            jobs[primitives[track]] = BPEJob(recipe.primitive_vocab_size, recipe.min_frequency)
    bpe_fingerprints = stage.prepare_bpe(jobs)
    fingerprints: dict[str, str] = {}
    for track, recipe in tracks.items():
        if isinstance(recipe, BPERecipe):
            fingerprints[track] = bpe_fingerprints[names[track]]
        elif isinstance(recipe, BytesRecipe):
            fingerprints[track] = stage.prepare_bytes(names[track])
        elif isinstance(recipe, FileRecipe):
            fingerprints[track] = stage.prepare_file(names[track], recipe)
        elif isinstance(recipe, PrimitiveRecipe):
            primitive = primitives[track], bpe_fingerprints[primitives[track]]
            if isinstance(recipe, TKNRecipe):
                fingerprints[track] = stage.prepare_learned(names[track], recipe, *primitive)
            else:
                stage.prepare_graph(*primitive)
                fingerprints[track] = stage.prepare_btm(track, names[track], recipe, *primitive)
        else:
            fingerprints[track] = stage.prepare_learned(names[track], recipe)
    return fingerprints


@dataclass(frozen=True)
class BPEJob:
    """A byte-level BPE to be made: its size and settings, whichever tracks use it."""

    vocab_size: int
    min_frequency: int


@dataclass(frozen=True)
class _Stage:
    """What all tokenizers of a trial are made from. Each method makes one folder, unless that is finished."""

    documents: Documents
    corpus_fingerprint: str
    trial_folder: Path
    held_out: Sequence[str]
    allow_code: bool
    bpe_trainer: BPETrainer
    train_ids: dict[str, IdStream] | None
    primitive_names: frozenset[str]
    """Of the tokenizers whose entries others merge further."""
    _primitive_ids: dict[str, IdStream] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        return self.trial_folder / TOKENIZERS_FOLDER / name

    def prepare_bpe(self, jobs: Mapping[str, BPEJob]) -> dict[str, str]:
        """Trains the largest tokenizer of each min_frequency and cuts the smaller ones from it; returns fingerprints."""
        larger: dict[int, str] = {}
        fingerprints: dict[str, str] = {}
        for name, job in sorted(jobs.items(), key=lambda item: -item[1].vocab_size):
            by_hf = {} if self.bpe_trainer == FAST else {"trainer": self.bpe_trainer}
            fingerprint = artifact.fingerprint("bpe tokenizer", {"corpus": self.corpus_fingerprint, **asdict(job), **by_hf})
            if not artifact.is_finished(self.folder(name), fingerprint):
                started = time.monotonic()
                tokenizer = self._make_bpe(job, larger.get(job.min_frequency))
                self._publish(name, fingerprint, tokenizer, job.vocab_size, seconds=time.monotonic() - started)
            larger.setdefault(job.min_frequency, name)
            fingerprints[name] = fingerprint
        return fingerprints

    def _make_bpe(self, job: BPEJob, larger: str | None) -> BPETokenizer:
        if larger is not None:
            return self._load_bpe(larger).cut(job.vocab_size)
        with progress.progress(f"training BPE of {job.vocab_size:,} entries", self.documents.bytes, "B") as shown:
            return BPETokenizer.train(self.documents, job.vocab_size, job.min_frequency, shown, self.bpe_trainer)

    def _load_bpe(self, name: str) -> BPETokenizer:
        tokenizer = load_tokenizer(self.folder(name))
        assert isinstance(tokenizer, BPETokenizer)
        return tokenizer

    def _ids_of_primitive(self, name: str) -> IdStream:
        """Encodes all documents once for the graph and the merges; remembers the last primitive tokenizer's ids alone."""
        if name not in self._primitive_ids:
            self._primitive_ids.clear()
            with progress.progress("encoding primitives", self.documents.bytes, "B") as shown:
                self._primitive_ids[name] = encode_documents(self._load_bpe(name), self.documents, self.trial_folder, shown)
        return self._primitive_ids[name]

    def prepare_graph(self, primitive_name: str, primitive_fingerprint: str) -> None:
        """Reads the corpus's primitives through TknMiner and SyncStream into the pair graph, in chunks."""
        folder = self.trial_folder / GRAPHS_FOLDER / primitive_name
        fingerprint = artifact.fingerprint("pair graph", {"primitive": primitive_fingerprint})
        if artifact.is_finished(folder, fingerprint):
            return
        started = time.monotonic()
        miner = TknMiner(first_free_id=self._load_bpe(primitive_name).vocab_size)
        stream = SyncStream(PairGraph())
        ids, offsets = self._ids_of_primitive(primitive_name)
        with progress.progress("building the pair graph", ids.size, "token") as shown:
            for chunk in miner.mine_in_parts(ids, offsets, shown):
                stream.feed(*chunk)
        manifest: dict[str, Any] = {"pairs": len(stream.graph), "documents": stream.documents, "tokens": stream.tokens}
        with artifact.publish(folder, fingerprint, manifest) as partial:
            stream.graph.save(partial)
            manifest["seconds"] = time.monotonic() - started

    def prepare_btm(
        self, track: str, name: str, recipe: BTMRecipe | SuperBPERecipe, primitive_name: str, primitive_fingerprint: str
    ) -> str:
        kind = BTMTokenizer if isinstance(recipe, BTMRecipe) else SuperBPETokenizer
        inputs = {"primitive": primitive_fingerprint, "vocab_size": recipe.vocab_size, "recipe": recipe.btm.settings}
        fingerprint = artifact.fingerprint(f"{kind.recipe} tokenizer", inputs)
        folder = self.folder(name)
        checkpoint = MergeCheckpoint(folder.with_name(f".{folder.name}.merges.npz"), fingerprint)
        if artifact.is_finished(folder, fingerprint):
            checkpoint.remove()  # which is there still if the process ended right after the folder had been published
            return fingerprint
        check_code({track: recipe}, self.allow_code, self.trial_folder / "protocol.toml")
        started = time.monotonic()
        primitive = self._load_bpe(primitive_name)
        learned = self._learn_merges(track, primitive, primitive_name, recipe.btm, checkpoint)
        dropout = Dropout(recipe.btm.dropout, recipe.btm.dropout_seed) if recipe.btm.dropout else None
        if self.train_ids is not None and not dropout and not learned.pruned.size:
            self.train_ids[fingerprint] = spool([learned.ids], learned.ids.dtype, self.trial_folder), learned.offsets
        tokenizer = kind(primitive, learned.merges, recipe.btm.scope, learned.pruned, dropout)
        about = {"passed_over": len(learned.passed_over), "recounts": learned.recounts, "seconds": time.monotonic() - started}
        self._publish(name, fingerprint, tokenizer, recipe.vocab_size, **about)
        checkpoint.remove()
        return fingerprint

    def _learn_merges(
        self, track: str, primitive: BPETokenizer, primitive_name: str, recipe: BTMRecipe, checkpoint: MergeCheckpoint
    ) -> LearnedMerges:
        """Learns the merges with progress, and says how many pairs were passed over."""
        ids, offsets = self._ids_of_primitive(primitive_name)
        first = primitive.vocab_size
        with progress.progress(f"merging tokens for {track}", recipe.vocab_size - first, "merge") as shown:
            learned = learn_merges_of_stream(
                ids,
                offsets,
                primitive.token_bytes,
                recipe.vocab_size,
                MergeRule(**recipe.rule),
                on_merge=lambda entries, count: shown.update(min(entries, recipe.vocab_size) - first, f"count {count:,}"),
                prunable=primitive.parts[:, 0] >= 0,
                checkpoint=checkpoint,
            )
        if learned.passed_over:
            progress.print_line(f"{len(learned.passed_over)} pairs passed over: joined, they spell an entry that exists")
        return learned

    def prepare_learned(self, name: str, recipe: Recipe, primitive_name: str = "", primitive_fingerprint: str = "") -> str:
        """Has the recipe's class learn, from the documents or from the primitives that they are made of."""
        source = {"primitive": primitive_fingerprint} if primitive_name else {"corpus": self.corpus_fingerprint}
        settings = {"recipe": recipe.settings} if recipe.settings else {}
        inputs = source | {"vocab_size": recipe.vocab_size} | settings
        fingerprint = artifact.fingerprint(f"{recipe.recipe} tokenizer", inputs)
        if artifact.is_finished(self.folder(name), fingerprint):
            return fingerprint
        started, given = time.monotonic(), dict[str, Any](show=progress.progress)
        if primitive_name:
            given |= {"primitive": self._load_bpe(primitive_name), "ids": self._ids_of_primitive(primitive_name)}
        tokenizer = train(recipe, self.documents, **given)
        self._publish(name, fingerprint, tokenizer, recipe.vocab_size, seconds=time.monotonic() - started)
        return fingerprint

    def prepare_bytes(self, name: str) -> str:
        fingerprint = artifact.fingerprint("bytes tokenizer", {})
        if not artifact.is_finished(self.folder(name), fingerprint):
            self._publish(name, fingerprint, BytesTokenizer(), SMALLEST_VOCAB_SIZE)
        return fingerprint

    def prepare_file(self, name: str, recipe: FileRecipe) -> str:
        folder = self.folder(name)
        finished = artifact.read_manifest(folder) if artifact.is_finished(folder) else {}
        taken_over = (finished.get("source"), finished.get("requested")) == (recipe.path, recipe.vocab_size)
        if self.allow_code:
            allow_code_in(folder / SOURCE_FOLDER)
        if taken_over and is_elsewhere(recipe.path):
            return str(finished["fingerprint"])  # a trial no longer needs the file once it has taken it over
        fingerprint = file_fingerprint(recipe)
        if not artifact.is_finished(folder, fingerprint):
            tokenizer = load_file_track(recipe, self.documents, self.allow_code, progress.print_line)
            self._publish(name, fingerprint, tokenizer, recipe.vocab_size, source=recipe.path)
        return fingerprint

    def _publish(self, name: str, fingerprint: str, tokenizer: Tokenizer, requested: int, **about: Any) -> None:
        """Writes a tokenizer's folder, and says so if it has fewer entries than were requested."""
        manifest = tokenizer.manifest() | {"requested": requested} | about
        with artifact.publish(self.folder(name), fingerprint, manifest) as partial:
            tokenizer.write_files(partial, self.held_out)
        if tokenizer.vocab_size < requested:
            is_ready_made = isinstance(tokenizer, FileTokenizer | ForeignTokenizer)
            why = "" if is_ready_made else "; the corpus is too small for more"
            then = "others build on them" if name in self.primitive_names else "the model's other rows stay unused"
            progress.print_line(
                f"{name}: {tokenizer.vocab_size:,} entries of the {requested:,} asked for{why}. "
                f"The trial goes on with these; {then}."
            )
