"""Trial folders with known answers (simulated curves, written as the stages before the report write them), and one that ran."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from toktrial.presets import demo
from toktrial.protocol import Protocol, save
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, Recipe
from toktrial.training.config import TuningConfig

if TYPE_CHECKING:
    from tests.conftest import MadeOnce

DOCUMENTS = 120
STEPS = 300
LOG_EVERY = 20
TOKENS_PER_STEP = 16 * 128
HOSTILE = "and then </script><script>alert(1)</script> <img src=x onerror=alert(2)> `| the *end* |`"
TOKENIZERS = {"bpe": "bpe_baseline_tokenizer", "btm": "btm_experimental_tokenizer"}


@dataclass(frozen=True)
class SimulatedTrack:
    """What is planted for a track: its final bits per byte for every seed (and of a control), and how its tokens are."""

    final_bits_per_byte: Sequence[float]
    bytes_per_token: float = 4.0
    entries: int = 2048
    seconds_per_step: float = 0.2
    shared_device_seeds: frozenset[int] = field(default_factory=frozenset)
    decay_steps: float = 60.0
    control_bits_per_byte: Sequence[float] = ()
    training_loss_share: float = 0.98  # of the validation loss
    bigram_floor: float = 2.5  # bits per byte: above every final value, so that all have learned


NOUNS = ("bear", "bird", "boy", "dog", "friend", "frog", "girl", "horse", "mother", "rabbit", "tree")
ADJECTIVES = ("big", "brave", "happy", "kind", "little", "new", "old", "red", "small", "soft", "warm", "wet")
BPE: dict[str, Any] = {"final_bits_per_byte": [1.500, 1.510, 1.490]}
BTM: dict[str, Any] = {"final_bits_per_byte": [1.800, 1.815, 1.795], "bytes_per_token": 6.0, "seconds_per_step": 0.21}
TrialWriter = Callable[..., Path]


@pytest.fixture
def write_trial(tmp_path: Path) -> TrialWriter:
    """`write_trial({"bpe": {...}, "btm": {...}}, seeds=3, schedule="cosine")` writes a trial folder, returns its path.

    The dicts hold fields of SimulatedTrack; without them, BPE wins by 0.3 bits per byte over three seeds.
    """

    def write(tracks: dict[str, dict[str, Any]] | None = None, seeds: int = 3, **training: Any) -> Path:
        simulated = {name: SimulatedTrack(**fields) for name, fields in (tracks or {"bpe": BPE, "btm": BTM}).items()}
        control = any(track.control_bits_per_byte for track in simulated.values())
        return write_trial_folder(tmp_path / "trial", simulated, protocol_with(list(simulated), seeds, control, **training))

    return write


@pytest.fixture(scope="session")
def reported_trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial with its report, made once: the storybook, btm and the control with two of three seeds, too few entries."""
    from toktrial.report.page import write_report

    two_seeds = {**BTM, "final_bits_per_byte": [1.800, 1.815], "entries": 1990}
    tracks = {"bpe": SimulatedTrack(**BPE, control_bits_per_byte=[1.507, 1.4985]), "btm": SimulatedTrack(**two_seeds)}
    folder = write_trial_folder(
        tmp_path_factory.mktemp("reported") / "trial", tracks, protocol_with(["bpe", "btm"], 3, control=True)
    )
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def whole_trial(made_once: "MadeOnce", shared_data: Path, tiny_protocol: Protocol) -> Path:
    """A trial that ran, with all that a report may hold: a control, tuned rates, minimal pairs, votes, a target."""

    def make(folder: Path) -> None:
        make_whole_trial(folder, shared_data, tiny_protocol)

    return made_once("whole", make) / "trial"


def make_whole_trial(folder: Path, shared_data: Path, tiny_protocol: Protocol) -> None:
    """Makes that trial as `folder`/trial, and its minimal pairs beside it."""
    from toktrial.blind_pairs import ANSWERS, Questionnaire
    from toktrial.trial import Trial

    (folder / "pairs").mkdir()
    of_unknown_words = (shared_data / "blimp/adjunct_island.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (folder / "pairs/adjunct_island.jsonl").write_text("\n".join(of_unknown_words), encoding="utf-8")
    of_known_words = [json.dumps(pair) for pair in word_order_pairs()]
    (folder / "pairs/word_order.jsonl").write_text("\n".join(of_known_words), encoding="utf-8")
    plan = replace(
        tiny_protocol,
        control=True,
        training=replace(tiny_protocol.training, steps=30, log_every=5),
        tuning=TuningConfig(rates=(1e-3, 3e-3), steps=10, documents=9),
        evaluation=replace(
            tiny_protocol.evaluation,
            prompts=("Once upon a time",),
            max_new_bytes=60,
            minimal_pairs=str(folder / "pairs"),
            marginal=2,
        ),
    )
    trial = Trial(folder / "trial", plan)
    trial.evaluate()
    questionnaire = Questionnaire(trial, "somebody")
    for number in range(len(questionnaire)):
        questionnaire.vote(number, ANSWERS[number % len(ANSWERS)])
    trial.report(target=7.5)


def word_order_pairs() -> Iterator[dict[str, Any]]:
    """Yields minimal pairs as BLiMP's files have them, of words that stand in any storybook: 132 of each of two paradigms.

    Both sentences of a pair hold the same words, so that no model finds all of them out by counting.
    """
    for verb in ("was", "is"):
        for number, (noun, adjective) in enumerate(itertools.product(NOUNS, ADJECTIVES)):
            yield {
                "sentence_good": f"The {adjective} {noun} {verb} there.",
                "sentence_bad": f"The {noun} {adjective} {verb} there.",
                "field": "syntax", "linguistics_term": "word_order", "UID": f"word_order_{verb}", "pairID": str(number),
            }  # fmt: skip


def protocol_with(tracks: Sequence[str], seeds: int, control: bool = False, **training: Any) -> Protocol:
    """Returns the demo's protocol with these tracks (the first is the baseline), seeds, control and training settings."""
    recipes: dict[str, Recipe] = {
        name: BPERecipe() if name == "bpe" else BTMRecipe(primitive_vocab_size=1024) for name in tracks
    }
    plan = replace(demo(), vocab_size=2048)
    return replace(plan, seeds=seeds, control=control, tracks=recipes, training=replace(plan.training, **training))


def write_trial_folder(folder: Path, tracks: dict[str, SimulatedTrack], protocol: Protocol) -> Path:
    """Writes all that the report reads. Every seed that has a final value is a finished run."""
    random = np.random.default_rng(7)
    document_bytes = random.integers(300, 900, DOCUMENTS).astype("<u4")
    folder.mkdir(parents=True)
    save(replace(protocol, training=replace(protocol.training, steps=STEPS)), folder / "protocol.toml")
    _write(folder / "corpus/manifest.json", _corpus_manifest(document_bytes))
    for name, track in tracks.items():
        tokenizer = TOKENIZERS.get(name, f"{name}_tokenizer")
        _write(folder / f"tokenizers/{tokenizer}/manifest.json", {"entries": track.entries, "seconds": 1.25})
        _write_tokens(folder / "tokens" / name, tokenizer, track, document_bytes)
        control = enumerate(track.control_bits_per_byte, protocol.seeds + 1)
        for seed, final in [*enumerate(track.final_bits_per_byte, 1), *control]:
            _write_run(folder / f"runs/{name}/seed-{seed}", name, seed, track, final, document_bytes)
    _write(folder / "evaluation/vocabulary/vocabulary.json", _vocabulary(tracks))
    _write(folder / "evaluation/floors/floors.json", {"tracks": {name: _floors(track) for name, track in tracks.items()}})
    return folder


def _corpus_manifest(document_bytes: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {
        "source": {"path": "storybook"},
        "train": {"documents": 7000, "bytes": 3_900_000},
        "validation": {"documents": len(document_bytes), "bytes": int(document_bytes.sum())},
        "empty_documents_dropped": 0,
        "validation_documents_also_in_training": 0,
        "seconds": 2.5,
        "fingerprint": "0" * 64,
        "files": {},
    }


def _write_tokens(folder: Path, tokenizer: str, track: SimulatedTrack, document_bytes: np.ndarray[Any, Any]) -> None:
    parts = {"train": (7000, 3_900_000), "validation": (len(document_bytes), int(document_bytes.sum()))}
    manifest: dict[str, Any] = {"tokenizer": tokenizer, "entries": track.entries, "dtype": "uint16", "seconds": 0.5}
    for part, (documents, size) in parts.items():
        manifest[part] = {"documents": documents, "tokens": round(size / track.bytes_per_token), "bytes": size}
    _write(folder / "manifest.json", manifest)
    (folder / "val_bytes.bin").write_bytes(document_bytes.tobytes())


def _write_run(
    folder: Path, name: str, seed: int, track: SimulatedTrack, final: float, document_bytes: np.ndarray[Any, Any]
) -> None:
    random = np.random.default_rng(seed)  # the same for every track, as the order of the documents is
    stream_tokens = round(3_900_000 / track.bytes_per_token) + 7000
    _write(folder / "record.json", _record(name, seed, track, stream_tokens))
    rows = _evaluations(track, final, random)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    nats_of_documents = document_bytes * final * np.log(2) * random.uniform(0.9, 1.1, len(document_bytes))
    nats_of_documents *= float(document_bytes.sum()) * final * np.log(2) / nats_of_documents.sum()
    np.save(folder / "document_nats.npy", nats_of_documents)
    loss = final * np.log(2) * track.bytes_per_token
    tokens = round(document_bytes.sum() / track.bytes_per_token) + len(document_bytes)
    final_values = {
        "step": STEPS, "bits_per_byte": final, "validation_loss": loss, "nats": float(nats_of_documents.sum()),
        "documents": len(document_bytes), "tokens": tokens, "bytes": int(document_bytes.sum()), "seconds": 0.8,
        "training_seconds": rows[-1]["training_seconds"], "training_loss": rows[-1]["training_loss"],
    }  # fmt: skip
    _write(folder / "final.json", final_values)
    prompts = ["Once upon a time", "The recipe is as follows:"]
    samples = [{"prompt": prompt, "continuation": f" there was a {name}, {HOSTILE}", "ended": True} for prompt in prompts]
    _write(folder / "samples.json", samples)


def _evaluations(track: SimulatedTrack, final: float, random: np.random.Generator) -> list[dict[str, Any]]:
    """Returns rows whose bits per byte fall from about 6 to `final` exactly, with a little noise on the way."""
    steps = np.arange(LOG_EVERY, STEPS + 1, LOG_EVERY)
    fall = np.exp(-steps / track.decay_steps) - np.exp(-STEPS / track.decay_steps)
    bits = final + 4.2 * fall + np.append(random.normal(0, 0.004, len(steps) - 1), 0.0)
    return [_evaluation(track, int(step), float(value)) for step, value in zip(steps, bits, strict=True)]


def _evaluation(track: SimulatedTrack, step: int, bits_per_byte: float) -> dict[str, Any]:
    loss = bits_per_byte * float(np.log(2)) * track.bytes_per_token
    tokens = step * TOKENS_PER_STEP
    return {
        "step": step, "training_loss": loss * track.training_loss_share, "validation_loss": loss,
        "bits_per_byte": bits_per_byte, "learning_rate": 3e-3, "timestamp": 1.76e9 + step,
        "training_seconds": step * track.seconds_per_step, "evaluation_seconds": step * 0.01, "tokens": tokens,
        "bytes_seen": round(tokens * track.bytes_per_token), "flops": tokens * 6.5e6,
    }  # fmt: skip


def _record(name: str, seed: int, track: SimulatedTrack, stream_tokens: int) -> dict[str, Any]:
    return {
        "track": name, "seed": seed, "steps": STEPS, "device": "cpu", "device_name": "a processor with 2 cores",
        "precision": "bfloat16", "threads": 2, "parameters": 1_072_000, "parameters_without_embeddings": 793_000,
        "parameters_of_embeddings": 279_000, "flops_per_token": 6_500_000, "tokens_per_step": TOKENS_PER_STEP,
        "stream_tokens": stream_tokens, "warm_up_seconds": 3.5, "shared_device": seed in track.shared_device_seeds,
        "versions": {"toktrial": "0.1.0", "python": "3.11.9", "torch": "2.9.0", "numpy": "2.4.6"}, "started": 1.76e9,
    }  # fmt: skip


def _floors(track: SimulatedTrack) -> dict[str, Any]:
    return {
        name: {"bits_per_byte": floor, "curve_bits_per_byte": floor - 0.02, "loss_per_token": floor * track.bytes_per_token}
        for name, floor in (("unigram", track.bigram_floor + 0.9), ("bigram", track.bigram_floor))
    }


def _vocabulary(tracks: dict[str, SimulatedTrack]) -> dict[str, Any]:
    entries = [" the", " of the", "once upon a time", " dragon", "\n\n", " said </script>", "| `tick`", "\u00e9"]
    described = {
        name: {
            "entries": track.entries, "entries_requested": 2048,
            "tokens_per_document": {"train": 140.2, "validation": 139.8},
            "bytes_per_token": {"train": track.bytes_per_token, "validation": track.bytes_per_token},
            "entries_spanning_words": 0 if name == "bpe" else 655,
            "share_of_use_spanning_words": 0.0 if name == "bpe" else 0.31,
            "words_per_entry": {"1": track.entries} if name == "bpe" else {"1": 1393, "2": 480, "3": 130, "4": 45},
            "entries_never_used": 2, "never_used": [" zebra</script>", "\u0000"],
            "longest": [
                {"id": 300 + index, "text": text, "bytes": len(text.encode()), "count": 90 - index}
                for index, text in enumerate(sorted(entries, key=len, reverse=True))
            ],
            "most_used": [
                {"id": 400 + index, "text": text, "count": 9000 - index, "share": 0.05 - index / 1000}
                for index, text in enumerate(entries)
            ],
        }
        for name, track in tracks.items()
    }  # fmt: skip
    names = list(tracks)
    shared = {f"{a}|{b}": {"count": 1100, "share_of_a": 0.537, "share_of_b": 0.55} for a in names for b in names if a < b}
    return {"tracks": described, "shared_entries": shared}


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
