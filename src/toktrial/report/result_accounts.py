"""What a trial's result says of vocabularies, samples, votes and minimal pairs, typed: parts of result.TrialResult.

Wherever nothing else is said: shares are shares of 1; uses are those in the training text; bytes are UTF-8 bytes; `low` and
`high` are the ends of an interval; texts are of the corpus or of a model, and so untrusted. An older account of a vocabulary
lacks some fields; they are then None or empty.
"""

from dataclasses import dataclass, field


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
class Entry:
    """An entry of a vocabulary, its uses (`count`), and what its list says of it.

    That may be its share of all uses, its uses within entries that were built of it, or the two that it was merged of.
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
    """In how many ways a track cuts a frequent word.

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
    """Learned entries that are parts of others and hardly used; `nearly_never_used`: in under 1% of their uses alone."""

    never_used: int
    nearly_never_used: int
    examples: list[Entry]


@dataclass(frozen=True)
class Vocabulary:
    """One track's entries, and how they cut the corpus.

    Entries spanning words touch two or more; `words_per_entry`: number of words touched -> entries. `never_used` are some of
    the entries that the training text does not use. `renyi_efficiency` is that of the entries' frequencies, at `renyi_order`.
    `marked_text`: the first training documents, by which entries are classed and cuts of words are counted. `classes`, by
    name: a key of evaluation.entries.CLASSES. `entries_on_the_way` is None where the tokenizer knows no
    merges; `trees` are then empty.
    """

    entries: int
    entries_requested: int
    longest: list[Entry]
    most_used: list[Entry]
    never_used: list[str]
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
class Continuation:
    """What one model made of a prompt; `ended`: whether the model ended it, or else the limit."""

    continuation: str
    ended: bool


@dataclass(frozen=True)
class Prompt:
    """A prompt and every track's continuation of it."""

    prompt: str
    tracks: dict[str, Continuation]


@dataclass(frozen=True)
class Samples:
    """The continuations by the models of one seed, the first that all tracks finished; None without one."""

    seed: int | None
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
    """Measures of what the models wrote, beside those of real documents.

    `prompts`: of each seed. `bytes_per_text`: on average. `texts`: of each track. `measures`, by name; bits per byte under a
    track's model are named by `text_measures.bits_name`.
    """

    seeds: list[int]
    prompts: int
    bytes_per_text: float
    texts: dict[str, int]
    real_documents: int
    measures: dict[str, SampleMeasure]


@dataclass(frozen=True)
class Votes:
    """The votes by one criterion: for the other track, for the baseline, for neither.

    `share`: of the votes for one of the two that went to the track, with Clopper and Pearson's interval; None without any.
    """

    track: int
    baseline: int
    equal: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RatedComparison:
    """What people said of one other track and the baseline, shown as so many pairs of texts."""

    track: str
    baseline: str
    votes: int
    raters: int
    pairs: int
    criteria: dict[str, Votes]


@dataclass(frozen=True)
class Ratings:
    """What people said of the samples. `votes_on_other_texts` are left out: the samples were made anew since."""

    votes: int
    raters: int
    votes_on_other_texts: int
    confidence: float
    comparisons: list[RatedComparison]


@dataclass(frozen=True)
class Accuracy:
    """A share of pairs whose right sentence was found likelier: mean and standard deviation over seeds; None of no pairs."""

    accuracy: float | None
    low: float | None
    high: float | None
    standard_deviation: float | None


@dataclass(frozen=True)
class AccuracyDifference:
    """Other minus baseline, paired by paradigm and by the seeds that both have."""

    seeds: list[int]
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GrammarField:
    """The accuracies in one field of grammar: means over its paradigms that count. `differences`: by other track."""

    field: str
    paradigms: int
    known_pairs: int
    tracks: dict[str, Accuracy]
    differences: dict[str, AccuracyDifference]


@dataclass(frozen=True)
class GrammarParadigm:
    """The accuracies in one paradigm, over its known pairs; `counted`: whether these are enough."""

    name: str
    field: str
    pairs: int
    known_pairs: int
    counted: bool
    tracks: dict[str, Accuracy]


@dataclass(frozen=True)
class AllPairs:
    """A track's answers to every pair, unknown words among them: mean over paradigms and seeds. `ties`: equal probabilities."""

    seeds: list[int]
    accuracy_of_all_pairs: float
    ties: int
    seconds: float


@dataclass(frozen=True)
class MinimalPairs:
    """How often the models find the right sentence likelier.

    `source`: where the pairs came from. `words`: distinct ones of the pairs, and `known_words` those that occur in the training
    text; `known_pairs` hold known words alone. A paradigm is `counted` from `least_known_pairs` on. `fields`: by name, and
    `all` last.
    """

    source: str
    confidence: float
    words: int
    known_words: int
    pairs: int
    known_pairs: int
    share_of_known_pairs: float
    least_known_pairs: int
    counted: list[str]
    not_counted: list[str]
    tracks: dict[str, AllPairs]
    fields: list[GrammarField]
    paradigms: list[GrammarParadigm]
