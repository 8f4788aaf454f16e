"""Measures every continuation of every run, and real validation documents cut to the same length, so that they compare.

All texts of one prompt and seed are cut to the bytes of the shortest, because a longer text repeats itself more for its length
alone. Beside them stands a real document, whose beginning takes the place of the prompt and is as long. The last step of
evaluation: runs and their samples -> evaluation/samples/measures.json.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact, progress
from toktrial.corpus.documents import Documents, flat_buffers
from toktrial.evaluation.account import SAMPLE_MEASURES_FILE, write_account
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.run_files import FINAL_FILE, SAMPLES_FILE
from toktrial.evaluation.text_measures import Passage, count_measures, cut, words_within
from toktrial.evaluation.words import known_words
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenSplit, entry_bytes_of
from toktrial.training.device import resolve_device
from toktrial.training.model import GPT
from toktrial.training.run import Run, load_model

VERSION = 2  # raised when a measure changes its meaning: older files are then made anew

Samples = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class MeasuredText:
    """A passage, and where it comes from."""

    track: str | None
    """None for a real document."""
    seed: int
    prompt: int
    """The prompt's place among the protocol's prompts, from 0 on."""
    passage: Passage


def measure_samples(
    trial_folder: Path,
    runs: Mapping[int, Mapping[str, Run]],
    tokenizer_folders: Mapping[str, Path],
    train: Documents,
    validation: Documents,
) -> None:
    """Writes evaluation/samples/measures.json, unless that is done; `runs` are the evaluated ones, by seed and track.

    The file holds, for every text: its track (null for a real document), seed, prompt, bytes, `measures` (see
    `count_measures`) and `bits` by track: (bits, bytes) under that track's model of the same seed (see `bits_under`).
    """
    evaluated = {f"{track}/{seed}": each.folder / FINAL_FILE for seed, of in runs.items() for track, each in of.items()}
    finals = {name: artifact.read_json(path)["fingerprint"] for name, path in evaluated.items()}

    def account() -> list[dict[str, Any]]:
        samples = {
            seed: {track: artifact.read_json(run.folder / SAMPLES_FILE) for track, run in of_seed.items()}
            for seed, of_seed in runs.items()
        }
        texts = list(texts_of_equal_bytes(samples, validation))
        known = known_words(train, {word for text in texts for word in words_within(text.passage)})
        bits = {
            track: _bits_of_texts({seed: of_seed[track] for seed, of_seed in runs.items()}, folder, texts)
            for track, folder in progress.over(tokenizer_folders.items(), "measuring what the models wrote", "track")
        }
        return [
            {
                "track": text.track,
                "seed": text.seed,
                "prompt": text.prompt,
                "bytes": len(text.passage.text.encode()),
                "measures": count_measures(text.passage, known),
                "bits": {track: bits[track][place] for track in tokenizer_folders},
            }
            for place, text in enumerate(texts)
        ]

    write_account(trial_folder / SAMPLE_MEASURES_FILE, "sample measures", {"version": VERSION, "runs": finals}, account)


def texts_of_equal_bytes(samples: Mapping[int, Samples], documents: Documents) -> Iterator[MeasuredText]:
    """Yields every track's continuation of every prompt and seed, then a real document, all cut to the bytes of the shortest.

    samples: those of samples.json, by seed and track. Documents are taken in order, each the next one that is long enough,
    and from the first again after the last. Where no document is long enough, the continuations stand without one.
    """
    document_bytes = np.concatenate([np.diff(flat_buffers(batch)[0]) for batch in documents.batches()])
    next_document = 0
    for seed, by_track in samples.items():
        for prompt, of_prompt in enumerate(zip(*by_track.values(), strict=True)):
            shared_bytes = min(len(sample["continuation"].encode()) for sample in of_prompt)
            for track, sample in zip(by_track, of_prompt, strict=True):
                text = cut(sample["continuation"], shared_bytes)
                ended = sample["ended"] and text == sample["continuation"]
                yield MeasuredText(track, seed, prompt, Passage(sample["prompt"], text, ended))
            prompt_bytes = len(of_prompt[0]["prompt"].encode())
            enough = np.flatnonzero(document_bytes >= prompt_bytes + shared_bytes)
            if len(enough):
                document = int(enough[np.searchsorted(enough, next_document) % len(enough)])
                yield MeasuredText(None, seed, prompt, document_passage(documents[document], prompt_bytes, shared_bytes))
                next_document = (document + 1) % len(documents)


def document_passage(document: str, prompt_bytes: int, text_bytes: int) -> Passage:
    """Returns a document's text after its beginning, which takes the prompt's place: whole words, at most `prompt_bytes`.

    >>> document_passage("Once upon a time, there was a dog.", 14, 12)
    Passage(prompt='Once upon a', text=' time, there', ended=False)
    """
    beginning = re.sub(r"(?:\A|\s+)\S*\Z", "", cut(document, prompt_bytes))
    text = cut(document[len(beginning) :], text_bytes)
    return Passage(beginning, text, ended=len(beginning) + len(text) == len(document))


def bits_under(model: GPT, tokenizer: Tokenizer, passages: Sequence[Passage]) -> list[tuple[float, int]]:
    """Returns, for each passage, the bits that the model needs for its scored tokens, and the bytes of these tokens.

    Prompt and text are encoded together, as the beginning of a document (the closing id is not scored). The scored tokens are
    those that begin within the text and end before its last word. A token that spans the end of the prompt is context, so that
    no track has to spell a cut that its own tokenizer would not make. Nor does a model pay for half a word: the last one is
    left out of every text unless white space follows it, because all texts but the shortest may have been cut within it.
    Bits and bytes are of the same tokens; (0.0, 0) where there are none.
    """
    if not passages:
        return []
    split = TokenSplit.of_texts([passage.prompt + passage.text for passage in passages], tokenizer)
    entry_bytes = entry_bytes_of(tokenizer)
    nats = DocumentScorer(split, entry_bytes, model.config.context, model.vocab_size).id_nats(model)
    bits: list[tuple[float, int]] = []
    for document, passage in enumerate(passages):
        token_bytes = entry_bytes[split.document(document)[:-1]]
        scored = _are_scored(passage, token_bytes)
        first = int(split.offsets[document])
        token_nats = nats[first : first + len(token_bytes)][scored]
        bits.append((float(token_nats.sum() / np.log(2)), int(token_bytes[scored].sum())))
    return bits


def _are_scored(passage: Passage, token_bytes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which tokens begin within the text and end before its last word, or with it where white space shows that it is whole."""
    ends = np.cumsum(token_bytes, dtype=np.int64)
    whole_words = re.sub(r"\s*\S*\Z", "", passage.prompt + passage.text)
    return (ends - token_bytes >= len(passage.prompt.encode())) & (ends <= len(whole_words.encode()))


def _bits_of_texts(runs: Mapping[int, Run], tokenizer_folder: Path, texts: Sequence[MeasuredText]) -> list[tuple[float, int]]:
    """Returns (bits, bytes) of every text under one track's model of the text's seed; texts stand in the order of the seeds."""
    tokenizer = load_tokenizer(tokenizer_folder)
    bits: list[tuple[float, int]] = []
    for seed, run in runs.items():
        model = load_model(run, tokenizer.vocab_size).to(resolve_device(run.training.device))
        bits += bits_under(model, tokenizer, [text.passage for text in texts if text.seed == seed])
    return bits
