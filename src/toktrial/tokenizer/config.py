"""The recipes of tokenizers: what a track consists of, apart from its name. A protocol is made of these and other configs."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from toktrial.errors import TrialError, check_numbers, nearest_name

TOKENIZERS_FOLDER = "tokenizers"  # of a trial
SCORE_NAMES = ("frequency", "pmi", "npmi", "likelihood", "significance")  # those in merge_rules.py
BPETrainer = Literal["fast", "hf"]
FAST: BPETrainer = "fast"
IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")  # of a user's own score
SMALLEST_VOCAB_SIZE = 257  # `<|endoftext|>` and the 256 single bytes


@dataclass(frozen=True, kw_only=True)
class SizedRecipe:
    """What every recipe has."""

    vocab_size: int = 0
    """Entries of this track's tokenizer, and rows of its model's embedding. 0: the protocol's `vocab_size`."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its tokenizer depends on, beside its size, which stands apart in fingerprints."""
        return {name: value for name, value in asdict(self).items() if name != "vocab_size"}

    @property
    def rule(self) -> dict[str, Any]:
        """How it is learned: arguments of `train` of its class."""
        return self.settings


@dataclass(frozen=True)
class BPERecipe(SizedRecipe):
    """Byte-level BPE, as GPT-2 has it."""

    recipe: ClassVar[str] = "bpe"
    tokenizer_name: ClassVar[str] = "bpe_baseline_tokenizer"

    min_frequency: int = 2
    """Pairs rarer than this are not merged."""

    def __post_init__(self) -> None:
        check_numbers("", self, {"min_frequency": 1})


@dataclass(frozen=True)
class BTMRecipe(SizedRecipe):
    """BPE-TKN-Merge: a small BPE whose tokens are merged further, across word boundaries."""

    recipe: ClassVar[str] = "btm"
    tokenizer_name: ClassVar[str] = "btm_experimental_tokenizer"
    primitive_tokenizer_name: ClassVar[str] = "btm_primitive_tokenizer"

    primitive_vocab_size: int = 4096
    """Entries of the small BPE; the merges of its tokens fill the vocabulary up to `vocab_size`."""
    min_frequency: int = 2
    """Pairs rarer than this are not merged."""
    score: str = "frequency"
    """The pair with the highest score is merged: `frequency`, `pmi`, `npmi`, `likelihood`, `significance`, or
    package.module:function."""
    scope: Literal["any", "words", "superbpe"] = "any"
    """What may merge: `any`; `words`: parts of a word, and superwords of whole words; `superbpe`: no digits, nothing behind a
    newline, no space behind a colon."""
    max_words: int = 0
    """Words that a merged entry may span, counted as the parts between its spaces. 0: any number."""
    prune: int = 0
    """Entries that stand alone fewer times than this in the end are given back, and their places spent on further merges."""
    dropout: float = 0.0
    """How likely a merge is left out where training text is cut. Validation documents and prompts are cut with all merges."""
    dropout_seed: int = 0
    """Another seed leaves other merges out."""

    def __post_init__(self) -> None:
        check_numbers("", self, {"min_frequency": 1, "max_words": 0, "prune": 0, "dropout": 0})
        if self.dropout >= 1:
            raise TrialError(f"dropout must be at least 0 and below 1, but is {self.dropout}")
        if self.score not in SCORE_NAMES and not IMPORT_PATH.fullmatch(self.score):
            hint = nearest_name(self.score, SCORE_NAMES)
            raise TrialError(f"there is no score {self.score!r}: {hint} (or name your own as package.module:function)")
        _check_primitives("primitive_vocab_size", self.primitive_vocab_size)

    @property
    def settings(self) -> dict[str, Any]:
        """What its tokenizer depends on, beside its size. A newer field is left out where it changes nothing."""
        newer = ("max_words", "prune", "dropout", "dropout_seed")
        return {name: value for name, value in super().settings.items() if value or name not in newer}

    @property
    def rule(self) -> dict[str, Any]:
        """Which pairs are merged: also the fields of a MergeRule."""
        return {name: getattr(self, name) for name in ("min_frequency", "score", "scope", "max_words", "prune")}

    @property
    def btm(self) -> "BTMRecipe":
        """The recipe itself, as recipes that come down to BTM have it."""
        return self


@dataclass(frozen=True)
class SuperBPERecipe(SizedRecipe):
    """SuperBPE: a BPE whose last entries span words. It is BTM over `transition` primitives, under its authors' limits."""

    recipe: ClassVar[str] = "superbpe"
    tokenizer_name: ClassVar[str] = "superbpe_tokenizer"
    primitive_tokenizer_name: ClassVar[str] = "superbpe_subword_tokenizer"

    transition: int = 14_746
    """Entries of words and their parts; superwords fill the vocabulary up to `vocab_size`. Its authors advise 80 to 90%."""
    min_frequency: int = 2
    """Pairs rarer than this are not merged."""
    max_words: int = 4
    """Words that an entry may span, counted as the parts between its spaces. 0: any number."""

    def __post_init__(self) -> None:
        check_numbers("", self, {"min_frequency": 1, "max_words": 0})
        _check_primitives("transition", self.transition)

    @property
    def primitive_vocab_size(self) -> int:
        """Entries of the first stage."""
        return self.transition

    @property
    def btm(self) -> BTMRecipe:
        """The same in BTM's fields."""
        limits: dict[str, Any] = {"scope": "superbpe", "max_words": self.max_words}
        return BTMRecipe(self.transition, self.min_frequency, **limits, vocab_size=self.vocab_size)

    @property
    def rule(self) -> dict[str, Any]:
        return self.btm.rule


@dataclass(frozen=True)
class TKNRecipe(SizedRecipe):
    """TknMiner's most frequent sequences of primitives as entries; a text is cut into the longest of them."""

    recipe: ClassVar[str] = "tkn"
    tokenizer_name: ClassVar[str] = "tkn_tokenizer"
    primitive_tokenizer_name: ClassVar[str] = "tkn_primitive_tokenizer"

    primitive_vocab_size: int = 4096
    """Entries of the small BPE; sequences of its tokens fill the vocabulary up to `vocab_size`."""
    min_frequency: int = 2
    """Pairs, and sequences, rarer than this become no entries."""
    max_window: int = 8
    """Primitives that an entry may hold."""
    bank_size: int = 65_536
    """Sequences that the miner remembers; it forgets the one that it met least recently."""

    def __post_init__(self) -> None:
        check_numbers("", self, {"min_frequency": 1, "max_window": 2, "bank_size": 1})
        _check_primitives("primitive_vocab_size", self.primitive_vocab_size)


@dataclass(frozen=True)
class BoundlessBPERecipe(SizedRecipe):
    """Boundless BPE: BPE that may also merge whole words from the start, and deletes entries that a merge has used up."""

    recipe: ClassVar[str] = "boundlessbpe"
    tokenizer_name: ClassVar[str] = "boundlessbpe_tokenizer"

    min_frequency: int = 2
    """Pairs rarer than this are not merged."""
    tau: float = 0.9
    """An entry is deleted where so large a share of its uses goes into one merge; above 1, none is."""

    def __post_init__(self) -> None:
        check_numbers("", self, {"min_frequency": 1})
        if self.tau <= 0:
            raise TrialError(f"tau must be above 0, but is {self.tau}: a share of an entry's uses, or above 1 to delete none")


def _check_primitives(name: str, entries: int) -> None:
    if entries < SMALLEST_VOCAB_SIZE:
        raise TrialError(f"{name} must be at least {SMALLEST_VOCAB_SIZE} (`<|endoftext|>` and every byte), but is {entries}")


@dataclass(frozen=True)
class FileRecipe(SizedRecipe):
    """A tokenizer that exists already, whoever made it: any that gives the corpus back byte for byte."""

    recipe: ClassVar[str] = "file"
    tokenizer_name: ClassVar[str] = "file_tokenizer"

    path: str = ""
    """A tokenizer.json, a SentencePiece model or a .tiktoken file; or for `transformers`: a folder, or hub:OWNER/NAME (with
    @REVISION, if not the latest). A relative path starts in the folder from which the trial is run."""
    pattern: str = ""
    """How a .tiktoken file cuts a text, which it does not say: gpt2, cl100k_base, o200k_base or a regular expression."""

    def __post_init__(self) -> None:
        if not self.path:
            raise TrialError('the recipe `file` needs a path: name the tokenizer.json, as in path = "tokenizer.json"')


@dataclass(frozen=True)
class BytesRecipe(SizedRecipe):
    """No merges at all: every byte is an entry."""

    recipe: ClassVar[str] = "bytes"
    tokenizer_name: ClassVar[str] = "bytes_tokenizer"

    vocab_size: int = SMALLEST_VOCAB_SIZE
    """`<|endoftext|>` and the 256 bytes. There is no other size."""

    def __post_init__(self) -> None:
        if self.vocab_size != SMALLEST_VOCAB_SIZE:
            raise TrialError(
                f"the recipe `bytes` has {SMALLEST_VOCAB_SIZE} entries, not {self.vocab_size}: leave vocab_size out"
            )


@dataclass(frozen=True)
class UnigramRecipe(SizedRecipe):
    """The Unigram language model over bytes: of all cuts of a word, the likeliest. SentencePiece learns it."""

    recipe: ClassVar[str] = "unigram"
    tokenizer_name: ClassVar[str] = "unigram_tokenizer"


PrimitiveRecipe = BTMRecipe | SuperBPERecipe | TKNRecipe  # those that start from a small BPE
Recipe = BPERecipe | PrimitiveRecipe | BoundlessBPERecipe | BytesRecipe | FileRecipe | UnigramRecipe
RECIPES: dict[str, type[Recipe]] = {kind.recipe: kind for kind in get_args(Recipe)}


def with_sizes(tracks: Mapping[str, Recipe], vocab_size: int) -> dict[str, Recipe]:
    """Returns the tracks with the number of entries that each asks for: its own, or else `vocab_size`."""
    return {track: replace(recipe, vocab_size=recipe.vocab_size or vocab_size) for track, recipe in tracks.items()}


def named_code(tracks: Mapping[str, Recipe]) -> dict[str, str]:
    """Returns the import path that a track's recipe names, for each track that names one."""
    scores = {track: recipe.score for track, recipe in tracks.items() if isinstance(recipe, BTMRecipe)}
    return {track: score for track, score in scores.items() if score not in SCORE_NAMES}


def check_code(tracks: Mapping[str, Recipe], allow_code: bool, protocol_file: Path) -> None:
    """Raises TrialError where a track names code and nobody has allowed it. Nothing is imported before this is called."""
    for track, code in named_code(tracks).items():
        if not allow_code:
            raise TrialError(
                f"tracks.{track}.score = {code!r} in {protocol_file} names code: if you trust it, add --allow-code "
                "(in Python: allow_code=True)"
            )


def tokenizer_names(tracks: Mapping[str, Recipe]) -> dict[str, str]:
    """Returns the name of each track's tokenizer; tracks with equal recipes share one."""
    return shared_names({track: (recipe, recipe.tokenizer_name) for track, recipe in tracks.items()})


def primitive_names(tracks: Mapping[str, Recipe]) -> dict[str, str]:
    """Returns the name of the primitive tokenizer of each track that has one; tracks with equal primitives share one."""
    return shared_names(
        {
            track: ((recipe.primitive_vocab_size, recipe.min_frequency), recipe.primitive_tokenizer_name)
            for track, recipe in tracks.items()
            if isinstance(recipe, PrimitiveRecipe)
        }
    )


def shared_names(tracks: Mapping[str, tuple[Hashable, str]]) -> dict[str, str]:
    """Returns a name for each track, given what it names and its plain name; equal things share a name.

    The first thing of a plain name has that name, any others have the track's name added.
    """
    name_of: dict[Hashable, str] = {}
    for track, (thing, name) in tracks.items():
        name_of.setdefault(thing, f"{name}_{track}" if name in name_of.values() else name)
    return {track: name_of[thing] for track, (thing, _) in tracks.items()}
