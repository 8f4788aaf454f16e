"""What a trial's result says of vocabularies, samples, votes and minimal pairs, typed: parts of result.TrialResult.

Shares are shares of 1. Texts are of the corpus or of a model, and so untrusted. An older account of a vocabulary lacks some
fields; they are then None or empty.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PartialSizes:
    """A number for each split, where it was measured."""

    train: float | None = None
    validation: float | None = None


@dataclass(frozen=True)
class MarkedText:
    """The first training documents, by which entries are classed and cuts of words are counted."""

    documents: int
    bytes: int
    """UTF-8 bytes."""


@dataclass(frozen=True)
class EntryClass:
    """The entries of one class."""

    entries: int
    share_of_use: float
    """Of the uses in the whole training text."""
    examples: list[str]
    """The most used ones."""
    share_of_entries: float | None = None


@dataclass(frozen=True)
class FrequentWord:
    """In how many ways a track cuts a frequent word."""

    word: str
    uses: int
    cuts: int
    """Where token edges lie in the word, and whether a token begins before it or ends after it."""
    entry_sequences: int
    """Different sequences of entries that hold the word."""
    share_of_commonest_cut: float | None = None


@dataclass(frozen=True)
class CutMeans:
    """Means over all frequent words; None where there were none."""

    cuts: float | None
    entry_sequences: float | None


@dataclass(frozen=True)
class PartEntry:
    """An entry that serves mostly as a part of others."""

    text: str
    count: int
    """Uses of its own."""
    count_within_larger: int
    """Uses inside entries that were built of it."""
    id: int | None = None


@dataclass(frozen=True)
class OnTheWay:
    """Learned entries that are parts of others and hardly used."""

    never_used: int
    nearly_never_used: int
    """Those of which less than 1% of all uses are their own."""
    examples: list[PartEntry]


@dataclass(frozen=True)
class TreeNode:
    """An entry and the two that it was merged of."""

    text: str
    count: int
    """Uses of its own."""
    parts: "list[TreeNode]"
    id: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class LongEntry:
    """One of the longest entries."""

    text: str
    bytes: int
    count: int
    """Uses in the training text."""
    id: int | None = None


@dataclass(frozen=True)
class UsedEntry:
    """One of the most used entries."""

    text: str
    count: int
    """Uses in the training text."""
    share: float
    """Of all uses."""
    id: int | None = None


@dataclass(frozen=True)
class Vocabulary:
    """One track's entries, and how they cut the corpus."""

    entries: int
    entries_requested: int
    longest: list[LongEntry]
    most_used: list[UsedEntry]
    never_used: list[str]
    """Some of the entries that the training text does not use."""
    entries_never_used: int | None = None
    tokens_per_document: PartialSizes = PartialSizes()
    bytes_per_token: PartialSizes = PartialSizes()
    renyi_order: float | None = None
    renyi_efficiency: float | None = None
    """Of the entries' frequencies, at that order."""
    entries_spanning_words: int | None = None
    """Entries that touch two or more words."""
    share_of_use_spanning_words: float | None = None
    share_of_validation_bytes_spanning_words: float | None = None
    words_per_entry: dict[str, int] = field(default_factory=dict)
    """Number of words touched -> entries."""
    marked_text: MarkedText | None = None
    classes: dict[str, EntryClass] = field(default_factory=dict)
    """By name: a key of evaluation.entry_classes.CLASSES."""
    frequent_words: list[FrequentWord] = field(default_factory=list)
    frequent_words_mean: CutMeans | None = None
    entries_on_the_way: OnTheWay | None = None
    """None where the tokenizer knows no merges."""
    trees: list[TreeNode] | None = None
    """Entries with how they were built; empty where the tokenizer knows no merges, None where nobody asked."""


@dataclass(frozen=True)
class SharedEntries:
    """The entries that two tracks have in common."""

    count: int
    share_of_a: float
    """Share of the first track's entries."""
    share_of_b: float


@dataclass(frozen=True)
class CutToken:
    """One token of a cut text."""

    text: str
    words: int
    """Words that it touches."""


@dataclass(frozen=True)
class TrackCut:
    """How one track cuts the text."""

    tokens: int
    bytes_per_token: float
    documents: list[list[CutToken]]


@dataclass(frozen=True)
class Cuts:
    """One text, and every track's tokens of it."""

    bytes: int
    """UTF-8 bytes of the text."""
    documents: list[str]
    tracks: dict[str, TrackCut]


@dataclass(frozen=True)
class Continuation:
    """What one model made of a prompt."""

    continuation: str
    ended: bool
    """Whether the model ended the document; if not, the limit cut it."""


@dataclass(frozen=True)
class Prompt:
    """A prompt and every track's continuation of it."""

    prompt: str
    tracks: dict[str, Continuation]


@dataclass(frozen=True)
class Samples:
    """The continuations by the models of one seed."""

    seed: int | None
    """The first that all tracks finished; None without one."""
    prompts: list[Prompt]


@dataclass(frozen=True)
class OverSeeds:
    """A measure seed by seed."""

    by_seed: list[float | None]
    mean: float | None
    standard_deviation: float | None


@dataclass(frozen=True)
class SampleMeasure:
    """One measure of the tracks' texts and of real documents."""

    tracks: dict[str, OverSeeds]
    real_documents: OverSeeds


@dataclass(frozen=True)
class SampleMeasures:
    """Measures of what the models wrote, beside those of real documents."""

    seeds: list[int]
    prompts: int
    """Prompts a seed."""
    bytes_per_text: float
    """UTF-8 bytes, on average."""
    texts: dict[str, int]
    """Texts of each track."""
    real_documents: int
    measures: dict[str, SampleMeasure]
    """By name; bits per byte under a track's model are named by `text_measures.bits_name`."""


@dataclass(frozen=True)
class Votes:
    """The votes on one comparison by one criterion."""

    track: int
    """Votes that found the other track's text better."""
    baseline: int
    """Votes that found the baseline's better."""
    equal: int
    share: float | None
    """Of the votes for one of the two that went to the track; None without any."""
    low: float | None
    """Lower end of Clopper and Pearson's interval of the share."""
    high: float | None


@dataclass(frozen=True)
class RatedComparison:
    """What people said of one other track and the baseline."""

    track: str
    baseline: str
    votes: int
    raters: int
    pairs: int
    """Pairs of texts that were shown."""
    criteria: dict[str, Votes]


@dataclass(frozen=True)
class Ratings:
    """What people said of the samples."""

    votes: int
    raters: int
    votes_on_other_texts: int
    """Left out: the samples were made anew since."""
    confidence: float
    """Of the intervals."""
    comparisons: list[RatedComparison]


@dataclass(frozen=True)
class Accuracy:
    """A share of pairs whose right sentence was found likelier, as a mean over seeds; None where there was nothing to judge."""

    accuracy: float | None
    low: float | None
    """Lower end of its interval."""
    high: float | None
    standard_deviation: float | None
    """Over seeds; None with one."""


@dataclass(frozen=True)
class AccuracyDifference:
    """Other minus baseline, paired by seed and paradigm."""

    seeds: list[int]
    """Those that both have."""
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GrammarField:
    """The accuracies in one field of grammar: means over its paradigms that count."""

    field: str
    paradigms: int
    known_pairs: int
    tracks: dict[str, Accuracy]
    differences: dict[str, AccuracyDifference]
    """By other track."""


@dataclass(frozen=True)
class GrammarParadigm:
    """The accuracies in one paradigm, over its known pairs."""

    name: str
    field: str
    pairs: int
    known_pairs: int
    counted: bool
    """Whether it has enough known pairs to count."""
    tracks: dict[str, Accuracy]


@dataclass(frozen=True)
class AllPairs:
    """A track's answers to every pair, unknown words among them."""

    seeds: list[int]
    accuracy_of_all_pairs: float
    """Mean over paradigms and seeds."""
    ties: int
    """Pairs of equal probability."""
    seconds: float


@dataclass(frozen=True)
class MinimalPairs:
    """How often the models find the right sentence likelier."""

    source: str
    """Where the pairs came from."""
    confidence: float
    """Of the intervals."""
    words: int
    """Distinct words of the pairs."""
    known_words: int
    """Those that occur in the training text."""
    pairs: int
    known_pairs: int
    """Pairs of known words alone."""
    share_of_known_pairs: float
    least_known_pairs: int
    """A paradigm counts from so many known pairs on."""
    counted: list[str]
    """Paradigms that count."""
    not_counted: list[str]
    tracks: dict[str, AllPairs]
    fields: list[GrammarField]
    """By name, and `all` last."""
    paradigms: list[GrammarParadigm]
