"""What the models wrote: continuations side by side, and their measures beside those of real documents."""

from toktrial.evaluation.text_measures import bits_name
from toktrial.report.blocks import Block, Definition, Definitions, Details, Paragraph, Quotations, Section, Table
from toktrial.report.result import TrialResult
from toktrial.report.samples import OverSeeds, SampleMeasures
from toktrial.report.wording import PLUS_MINUS, count, joined, percent_with_spread, plural, with_spread

# Each measure's name in the table, and what it says.
MEASURES = {
    "repetition": (
        "repeated 4-grams",
        "Runs of four words that already occurred in the text. More than in real documents: the model goes in circles.",
    ),
    "distinct_1": (
        "distinct-1: words",
        "Different words, as a share of all words of a text. Less than in real documents: a poorer choice of words.",
    ),
    "distinct_2": ("distinct-2: pairs", "The same for two words in a row."),
    "distinct_3": ("distinct-3: triples", "The same for three words in a row."),
    "sentence_words": (
        "words per sentence",
        "Words per end of a sentence. Far from real documents in either direction: sentences do not end where people end them.",
    ),
    "known_words": (
        "known words",
        "Words that occur in the training text. The rest are mostly invented: the model spells words from pieces.",
    ),
    "paired_quotation_marks": (
        "paired quotation marks",
        "Double marks of which one opens and the next closes. Less than in real documents: the model forgets who is speaking.",
    ),
}
BITS_MEANING = (
    "How surprising the texts are to that track's model of the same seed, be they its own or another's. Only tokens that begin "
    "within the text and end before its last word count, because the cut may have shortened that word. Sampling at a low "
    "temperature makes texts that are easier to predict than real documents, so lower is not better here: the closer to real "
    "documents, the more alike."
)
PROMPTS_SHOWN = 3  # the others are there for a reader who asks for them
CAVEAT = (
    "These are weak proxies: none of them understands a text. They depend on the sampling temperature and top-k. A "
    "text that is close to real documents in all of them may still make no sense. They decide nothing."
)


def samples_section(result: TrialResult) -> Section:
    """Returns the measures, where there are any, and the continuations of every prompt."""
    return Section(id="samples", title="Samples", blocks=(*_measures(result.sample_measures), *_continuations(result)))


def _measures(found: SampleMeasures | None) -> list[Block]:
    if not found:
        return []
    said = Definitions(tuple(Definition(name, meaning) for name, meaning in meanings(found)))
    return [measures_table(found), Paragraph(CAVEAT, "small"), Details("What each measure means", (said,))]


def _continuations(result: TrialResult) -> list[Block]:
    seed, prompts = result.samples.seed, result.samples.prompts
    if not prompts:
        return [Paragraph("There are no samples.")]
    lead = f"Every track's model of seed {seed} continues the same prompts. A single sample shows style, not quality."
    continuations = [
        Quotations(
            label=f"Prompt {number} of {len(prompts)}",
            lead=prompt.prompt,
            texts={
                track if each.ended else f"{track}, cut at the limit": each.continuation
                for track, each in prompt.tracks.items()
            },
        )
        for number, prompt in enumerate(prompts, start=1)
    ]
    n_shown = 0 if result.has_many_tracks else PROMPTS_SHOWN
    shown, further = continuations[:n_shown], continuations[n_shown:]
    what = "further prompt" if shown else "prompt"
    return [Paragraph(lead, "small"), *shown, *([Details(plural(len(further), what), tuple(further))] if further else [])]


def measures_table(found: SampleMeasures) -> Table:
    """Returns every measure of each track's texts, the real documents in the last column."""
    tracks = list(found.texts)
    named = {
        **{name: label for name, (label, _) in MEASURES.items()},
        **{bits_name(track): f"bits per byte under {track}" for track in tracks},
    }
    rows = [
        [label, *(_cell(name, found.measures[name].tracks[track]) for track in tracks),
         _cell(name, found.measures[name].real_documents)]
        for name, label in named.items()
    ]  # fmt: skip
    spread = f", {PLUS_MINUS} their standard deviation" if len(found.seeds) > 1 else ""
    caption = (
        f"What the models wrote, beside real validation documents: means over {plural(len(found.seeds), 'seed')}{spread}; "
        f"{plural(found.prompts, 'prompt')} per seed. The texts of one prompt and seed are cut to the bytes of the shortest, "
        f"and so is a real document ({count(found.bytes_per_text)} bytes per text on average)."
    )
    return Table(caption, ("", *tracks, "real documents"), rows)


def meanings(found: SampleMeasures) -> list[tuple[str, str]]:
    """Returns each measure's name with what it says."""
    tracks = joined(list(found.texts))
    return [*MEASURES.values(), (f"bits per byte under {tracks}", BITS_MEANING)]


def _cell(name: str, measured: OverSeeds) -> str:
    mean, spread = measured.mean, measured.standard_deviation
    if name == "sentence_words":
        return with_spread(mean, spread, 1)
    if name not in MEASURES:
        return with_spread(mean, spread, 3)
    return percent_with_spread(mean, spread)
