"""What the stages wrote about corpus, tokens, counting models and vocabularies, typed: most of it is in the result as it is.

Shares are shares of 1, uses are those in the training text, and bytes are UTF-8 bytes. Texts are of the corpus and so
untrusted. An account that an older version wrote lacks some fields, which are then None or empty.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PerSplit:
    """A number for each split."""

    train: float | None = None
    validation: float | None = None


@dataclass(frozen=True)
class TextSize:
    """How much text there is."""

    documents: int
    bytes: int


@dataclass(frozen=True)
class Corpus:
    """The text that the trial learns from and measures on. `source`: what was read, as the corpus stage describes it."""

    train: TextSize
    validation: TextSize
    source: dict[str, Any] = field(default_factory=dict)
    validation_source: dict[str, Any] | None = None
    empty_documents_dropped: int = 0
    validation_documents_also_in_training: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class NearDuplicates:
    """Validation documents that share a run of so many words with the training text."""

    words: int
    documents: int


@dataclass(frozen=True)
class Overlap:
    """What is seen twice. `sees_another_document`: by track, the share of targets with an earlier document in their row."""

    near_duplicates: NearDuplicates
    sees_another_document: dict[str, float]


@dataclass(frozen=True)
class SplitSize(TextSize):
    """The size of a split, with one track's tokens of it."""

    tokens: int


@dataclass(frozen=True)
class TrackTokens:
    """Sizes of a track's token files."""

    train: SplitSize
    validation: SplitSize


@dataclass(frozen=True, kw_only=True)
class TokensManifest(TrackTokens):
    """What a track's token files hold, and the name of the tokenizer that made them."""

    tokenizer: str
    entries: int
    seconds: float | None = None


@dataclass(frozen=True)
class CountModel:
    """What a model that only counts a track's ids reaches: on every validation document, and on the curves' subset of them."""

    bits_per_byte: float
    curve_bits_per_byte: float
    loss_per_token: float | None = None


@dataclass(frozen=True, kw_only=True)
class CountFloors:
    """What counting alone reaches for a track: how often each entry occurs (`unigram`), and which entry follows which
    (`bigram`, interpolated Kneser-Ney). `pairs`: distinct pairs of neighbours in the training text.
    """

    unigram: CountModel
    bigram: CountModel
    pairs: int | None = None


@dataclass(frozen=True)
class FloorsAccount:
    """What counting alone reaches, by track: floors.json."""

    tracks: dict[str, CountFloors] = field(default_factory=dict)


@dataclass(frozen=True)
class NgramModel:
    """What an n-gram model of a track's ids reaches on every validation document."""

    bits_per_byte: float
    loss_per_token: float


@dataclass(frozen=True)
class TrackIntrinsics:
    """Measures of one track that need no training. `cuts_per_word`: in how many ways a word is cut, by how often it is used."""

    ngram: NgramModel
    cuts_per_word: float | None


@dataclass(frozen=True)
class IntrinsicAccount:
    """What counting says of the tracks: intrinsic.json. `documents`, `bytes`: the training text that n-grams were counted on.

    `order`: the n of the n-grams. `marked_text`: the training text whose words were looked at.
    """

    order: int
    documents: int
    bytes: int
    marked_text: TextSize
    tracks: dict[str, TrackIntrinsics]


@dataclass(frozen=True)
class Entry:
    """An entry of a vocabulary and its uses (`count`), with what its list adds: its share of all uses, its uses within entries
    that were built from it, or the two entries that it was merged from.
    """

    text: str
    count: int
    id: int | None = None
    bytes: int | None = None
    share: float | None = None
    count_within_larger: int | None = None
    parts: "list[Entry] | None" = None


@dataclass(frozen=True)
class EntryClass:
    """The entries of one class; `examples` are the most used."""

    entries: int
    share_of_use: float
    examples: list[str]
    share_of_entries: float | None = None


@dataclass(frozen=True)
class FrequentWord:
    """How many ways a track cuts a frequent word.

    `cuts`: where token edges lie in the word, and whether a token begins before it or ends after it. `entry_sequences`:
    different sequences of entries that hold it.
    """

    word: str
    uses: int
    cuts: int
    entry_sequences: int
    share_of_commonest_cut: float | None = None


@dataclass(frozen=True)
class CutMeans:
    """Means over all frequent words."""

    cuts: float | None
    entry_sequences: float | None


@dataclass(frozen=True)
class OnTheWay:
    """Learned entries that are parts of others and hardly used; `nearly_never_used`: alone in under 1% of their uses."""

    never_used: int
    nearly_never_used: int
    examples: list[Entry]


@dataclass(frozen=True)
class Vocabulary:
    """One track's entries, and how they cut the corpus.

    `primitives`: the entries of the BPE that it builds on. Entries spanning words touch two or more. `words_per_entry`: number
    of words touched -> entries. `never_used`: some of the entries that the training text does not use. `renyi_efficiency`: of
    the entries' frequencies, at `renyi_order`. `marked_text`: the first training documents, which classify entries and count
    cuts of words. `classes`: by a key of evaluation.entries.CLASSES. Where the tokenizer knows no merges, `entries_on_the_way`
    is None and `trees` are empty.
    """

    entries: int
    entries_requested: int
    longest: list[Entry]
    most_used: list[Entry]
    never_used: list[str]
    primitives: int | None = None
    entries_never_used: int | None = None
    tokens_per_document: PerSplit = PerSplit()
    bytes_per_token: PerSplit = PerSplit()
    renyi_order: float | None = None
    renyi_efficiency: float | None = None
    entries_spanning_words: int | None = None
    share_of_use_spanning_words: float | None = None
    share_of_validation_bytes_spanning_words: float | None = None
    words_per_entry: dict[str, int] = field(default_factory=dict)
    marked_text: TextSize | None = None
    classes: dict[str, EntryClass] = field(default_factory=dict)
    frequent_words: list[FrequentWord] = field(default_factory=list)
    frequent_words_mean: CutMeans | None = None
    entries_on_the_way: OnTheWay | None = None
    trees: list[Entry] | None = None


@dataclass(frozen=True)
class SharedEntries:
    """The entries that two tracks have in common, and their share of the first track's entries and of the second's."""

    count: int
    share_of_a: float
    share_of_b: float


@dataclass(frozen=True)
class CutToken:
    """One token of a cut text, and how many words it touches."""

    text: str
    words: int


@dataclass(frozen=True)
class TrackCut:
    """How one track cuts the text, document by document."""

    tokens: int
    bytes_per_token: float
    documents: list[list[CutToken]]


@dataclass(frozen=True)
class Cuts:
    """One text, and every track's tokens of it."""

    bytes: int
    documents: list[str]
    tracks: dict[str, TrackCut]


@dataclass(frozen=True)
class VocabularyAccount:
    """The evaluation's account of the tokenizers: vocabulary.json."""

    tracks: dict[str, Vocabulary]
    shared_entries: dict[str, SharedEntries] = field(default_factory=dict)
    cuts: Cuts | None = None


@dataclass(frozen=True)
class KnownParadigm:
    """Which pairs of a paradigm hold only known words: one letter a pair, 1 known, 0 not."""

    name: str
    field: str
    known: str


@dataclass(frozen=True)
class KnownPairs:
    """How much of the minimal pairs the corpus knows: known_pairs.json."""

    pairs_fingerprint: str
    words: int
    known_words: int
    paradigms: list[KnownParadigm]
