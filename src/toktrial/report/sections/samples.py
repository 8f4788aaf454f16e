"""What the models wrote: continuations side by side, and their measures beside those of real documents."""

from toktrial.evaluation.text_measures import bits_name
from toktrial.report.blocks import Block, Definition, Definitions, Details, Paragraph, Quotation, Quotations, Section, Table
from toktrial.report.result import TrialResult
from toktrial.report.samples import OverSeeds, SampleMeasures
from toktrial.report.wording import count, joined, percent_with_spread, plural, with_spread

# Each measure's name in the table, and what it says.
MEASURES = {
    "repetition": (
        "repeated 4-grams",
        "Runs of four words that stood in the text before. More than in real documents: the model goes in circles.",
    ),
    "distinct_1": (
        "distinct-1: words",
        "Different words, of all words of a text. Less than in real documents: a poorer choice of words.",
    ),
    "distinct_2": ("distinct-2: pairs", "The same of two words in a row."),
    "distinct_3": ("distinct-3: triples", "The same of three words in a row."),
    "sentence_words": (
        "words per sentence",
        "Words, over the ends of sentences. Far from real documents on either side: sentences do not end as people end them.",
    ),
    "known_words": (
        "known words",
        "Words that occur in the training text. The rest are mostly invented: a model spells words from pieces.",
    ),
    "paired_quotation_marks": (
        "paired quotation marks",
        "Double marks, of which one opens and the next one closes. Less than in real documents: the model forgets who speaks.",
    ),
}
BITS_MEANING = (
    "How surprising the texts are to the models of that track (and the same seed): their own, or another's. Counted are the "
    "tokens that begin within the text and end before its last word, which the cut may have shortened. Sampling at a low "
    "temperature makes texts that are easier to predict than real documents, so lower is no better here: the nearer to the "
    "real documents, the more alike."
)
CAVEAT = (
    "These are weak proxies: none of them reads. They depend on the sampling's temperature and top-k, a text that is near to "
    "real documents in all of them may still make no sense, and they decide nothing."
)


def section(result: TrialResult) -> Section:
    """Returns the measures, where there are any, and the continuations of every prompt."""
    return Section(id="samples", title="Samples", blocks=(*_measures(result.sample_measures), *_continuations(result)))


def _measures(found: SampleMeasures | None) -> list[Block]:
    if not found:
        return []
    said = Definitions(tuple(Definition(name, (meaning,)) for name, meaning in meanings(found)))
    return [measures_table(found), Paragraph(CAVEAT, "small"), Details("What each of these measures says", (said,))]


def _continuations(result: TrialResult) -> list[Block]:
    seed, prompts = result.samples.seed, result.samples.prompts
    if not prompts:
        return [Paragraph("There are none.")]
    lead = f"Every track's model of seed {seed} continues the same prompts. One sample each shows style, not quality."
    return [
        Paragraph(lead, "small"),
        *(
            Quotations(
                label=f"Prompt {number} of {len(prompts)}",
                lead=prompt.prompt,
                texts=tuple(
                    Quotation(track if each.ended else f"{track}, cut at the limit", each.continuation)
                    for track, each in prompt.tracks.items()
                ),
            )
            for number, prompt in enumerate(prompts, start=1)
        ),
    ]


def measures_table(found: SampleMeasures) -> Table:
    """Returns every measure of each track's texts, the real documents in the last column."""
    tracks = list(found.texts)
    named = {
        **{name: label for name, (label, _) in MEASURES.items()},
        **{bits_name(track): f"bits per byte by {track}" for track in tracks},
    }
    rows = [
        [label, *(_cell(name, found.measures[name].tracks[track]) for track in tracks),
         _cell(name, found.measures[name].real_documents)]
        for name, label in named.items()
    ]  # fmt: skip
    spread = ", \N{PLUS-MINUS SIGN} their standard deviation" if len(found.seeds) > 1 else ""
    caption = (
        f"What the models wrote, beside real validation documents: means over {plural(len(found.seeds), 'seed')}{spread}; "
        f"{plural(found.prompts, 'prompt')} a seed. The texts of one prompt and seed are cut to the bytes of the shortest, "
        f"and a real document to the same ({count(found.bytes_per_text)} bytes a text on average)."
    )
    return Table(caption, ("", *tracks, "real documents"), rows)


def meanings(found: SampleMeasures) -> list[tuple[str, str]]:
    """Returns each measure's name with one sentence on what it says."""
    tracks = joined(list(found.texts))
    return [*MEASURES.values(), (f"bits per byte by {tracks}", BITS_MEANING)]


def _cell(name: str, measured: OverSeeds) -> str:
    mean, spread = measured.mean, measured.standard_deviation
    if name == "sentence_words":
        return with_spread(mean, spread, 1)
    if name not in MEASURES:
        return with_spread(mean, spread, 3)
    return percent_with_spread(mean, spread)
