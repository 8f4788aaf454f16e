"""What the tokenizers learned: their entries and classes, how they cut one text, trees of merges.

A trial that an older version evaluated lacks some of it, and then the section says less.
"""

from toktrial.evaluation.entries import CLASSES
from toktrial.report import blocks
from toktrial.report.accounts import EntryClass, Vocabulary
from toktrial.report.result import TrialResult
from toktrial.report.wording import OPEN_BOX, count, decimal, percent, plural, visible

WORDS_IN_TABLE = 12
Vocabularies = dict[str, Vocabulary]
NOTHING_KNOWN = Vocabulary(0, 0, [], [], [])  # stands in for the account of a track that has none
NO_MERGES_NOTE = "This tokenizer has no merges, so there is no record of how its entries were built."
SUPERWORD_NOTE = "Entries spanning words touch two or more words, in whole or in part."
TREE_NOTE = (
    "Each entry is shown with the two that it was merged from, down to single bytes. The number is how often the training text "
    "uses the entry itself, without its uses inside larger entries. Shown are the most used entries that span words, and the "
    "longest; for a track with none that span words, only the longest."
)


def tokenizers_section(result: TrialResult) -> blocks.Section:
    """Returns how every track cuts one text, the tables of all tracks together, and each track's entries."""
    classes = blocks.Definitions(tuple(blocks.Definition(name, meaning) for name, meaning in CLASSES.items()))
    parts: list[blocks.Block] = []
    if result.cuts:
        lead = f"The first {count(result.cuts.bytes)} bytes of the validation text."
        cut = blocks.CutText(lead, result.cuts)
        title = "The same text, tokenized by every track"
        parts += blocks.folded(True, title, [cut]) if result.has_many_tracks else (blocks.Heading(title), cut)
    parts += [*overview_tables(result), blocks.Details("What the classes mean", (classes,))]
    if result.has_many_tracks:
        parts += blocks.folded(True, "Entries that two tokenizers share", [shared_entries_table(result)])
    for name, vocabulary in _vocabularies(result).items():
        parts += blocks.folded(result.has_many_tracks, f"Entries and classes of {name}", _track(name, vocabulary))
    return blocks.Section(id="tokenizers", title="Tokenizers", blocks=tuple(parts))


def overview_tables(result: TrialResult) -> list[blocks.Table]:
    """Returns the tables of all tracks together."""
    vocabularies = _vocabularies(result)
    return [
        tokenizer_table(result),
        class_table(vocabularies),
        frequent_words_table(vocabularies),
        *([] if result.has_many_tracks else [shared_entries_table(result)]),
    ]


def tokenizer_table(result: TrialResult) -> blocks.Table:
    """Returns what each tokenizer learned and how it cuts the text; one column a track."""
    tracks, vocabularies = result.tracks.values(), [track.vocabulary or NOTHING_KNOWN for track in result.tracks.values()]
    words = sorted({int(words) for v in vocabularies for words in v.words_per_entry})
    on_the_way = [v.entries_on_the_way for v in vocabularies]
    rows = [
        ["entries", *(count(track.entries) for track in tracks)],
        ["entries requested", *(count(track.entries_requested) for track in tracks)],
        *([["of its entries, primitives", *(count(v.primitives) for v in vocabularies)]]
          if any(v.primitives for v in vocabularies) else []),
        ["bytes per token, training text", *(decimal(track.bytes_per_token.train, 2) for track in tracks)],
        ["bytes per token, validation text", *(decimal(track.bytes_per_token.validation, 2) for track in tracks)],
        ["tokens per validation document", *(decimal(v.tokens_per_document.validation, 1) for v in vocabularies)],
        *_efficiency_row(vocabularies),
        ["entries spanning words", *(count(v.entries_spanning_words) for v in vocabularies)],
        ["share of uses that span words", *(percent(v.share_of_use_spanning_words) for v in vocabularies)],
        ["share of the validation text's bytes that they cover",
         *(percent(v.share_of_validation_bytes_spanning_words) for v in vocabularies)],
        *([f"entries of {plural(number, 'word')}", *(count(v.words_per_entry.get(str(number), 0)) for v in vocabularies)]
          for number in words),
        ["entries never used", *(count(v.entries_never_used) for v in vocabularies)],
        ["of these, learned and parts of other entries", *(count(each.never_used if each else None) for each in on_the_way)],
        ["learned and parts of other entries, on their own in under 1% of their uses",
         *(count(each.nearly_never_used if each else None) for each in on_the_way)],
        ["parameters of the model", *(count(track.parameters) for track in tracks)],
        ["parameters without embeddings", *(count(track.parameters_without_embeddings) for track in tracks)],
        ["FLOPs per token", *(count(track.flops_per_token) for track in tracks)],
    ]  # fmt: skip
    return blocks.Table(f"What each tokenizer learned. {SUPERWORD_NOTE}", ("", *result.tracks), rows)


def class_table(vocabularies: Vocabularies) -> blocks.Table:
    """Returns how many entries of each class a track has, and what share of its uses they are."""
    rows = [
        [name, *(cell for v in vocabularies.values() for cell in _class_cells(v.classes.get(name)))]
        for name in CLASSES
        if any(name in v.classes for v in vocabularies.values())
    ]
    headers = ("class", *(header for track in vocabularies for header in (f"{track}: entries", f"{track}: share of use")))
    return blocks.Table(f"Classes of entries. {_marked_text_sentence(vocabularies)}", headers, rows)


def frequent_words_table(vocabularies: Vocabularies) -> blocks.Table:
    """Returns in how many ways each track cuts the most frequent words, and the means over all that were looked at."""
    known = {name: v for name, v in vocabularies.items() if v.frequent_words}
    of_first = next((v.frequent_words for v in known.values()), [])
    rows = [
        [word.word, count(word.uses),
         *(count(ways) for v in known.values()
           for ways in (v.frequent_words[place].cuts, v.frequent_words[place].entry_sequences))]
        for place, word in enumerate(of_first[:WORDS_IN_TABLE])
    ]  # fmt: skip
    means = [v.frequent_words_mean for v in known.values() if v.frequent_words_mean]
    mean_cells = [cell for mean in means for cell in (decimal(mean.cuts, 2), decimal(mean.entry_sequences, 2))]
    rows += [[f"mean of the {len(of_first)} most frequent", "", *mean_cells]] if rows else []
    headers = ("word", "uses", *(header for track in known for header in (f"{track}: cuts", f"{track}: entries")))
    caption = (
        "In how many ways each track cuts a frequent word. Cuts: different places of token edges in the word, and whether a "
        "token begins before it or ends after it. Entries: different entries, or sequences of entries, that hold the word."
    )
    return blocks.Table(caption, headers, rows)


def shared_entries_table(result: TrialResult) -> blocks.Table:
    """Returns how many entries every two tracks have in common."""
    rows = [
        [" and ".join(pair.split("|")), count(shared.count), percent(shared.share_of_a), percent(shared.share_of_b)]
        for pair, shared in result.shared_entries.items()
    ]
    headers = ("tracks", "shared entries", "share of the first", "share of the second")
    return blocks.Table("Entries that two tokenizers share", headers, rows)


def class_examples_table(name: str, vocabulary: Vocabulary) -> blocks.Table:
    """Returns the most used entries of each class of one track."""
    rows = [[kind, "   ".join(map(visible, found.examples))] for kind, found in vocabulary.classes.items() if found.examples]
    return blocks.Table(f"Most used entries of each class, {name}", ("class", "entries"), rows, ("text", "code"))


def entry_tables(name: str, vocabulary: Vocabulary) -> list[blocks.Table]:
    """Returns the longest and the most used entries of one track, and those that are mostly parts of others.

    A space is shown as an open box.
    """
    kinds: tuple[blocks.Kind, ...] = ("code", "number", "number")
    longest = [[visible(entry.text), count(entry.bytes), count(entry.count)] for entry in vocabulary.longest]
    used = [[visible(entry.text), count(entry.count), percent(entry.share)] for entry in vocabulary.most_used]
    examples = vocabulary.entries_on_the_way.examples if vocabulary.entries_on_the_way else []
    on_the_way = [[visible(entry.text), count(entry.count), count(entry.count_within_larger)] for entry in examples]
    tables = [
        blocks.Table(f"Longest entries of {name}", ("entry", "bytes", "uses"), longest, kinds),
        blocks.Table(f"Most used entries of {name}", ("entry", "uses", "share"), used, kinds),
        blocks.Table(
            f"Entries of {name} that serve as parts of others", ("entry", "uses alone", "uses inside"), on_the_way, kinds
        ),
    ]
    return [table for table in tables if table.rows]


def _vocabularies(result: TrialResult) -> Vocabularies:
    return {name: track.vocabulary for name, track in result.tracks.items() if track.vocabulary}


def _track(name: str, vocabulary: Vocabulary) -> list[blocks.Block]:
    parts: list[blocks.Block] = [
        blocks.Paragraph(f"A space is shown as {OPEN_BOX}.", "small"),
        blocks.Group("pair", tuple(entry_tables(name, vocabulary))),
    ]
    if vocabulary.trees:
        parts += [
            blocks.Heading(f"How entries of {name} were built", level=4),
            blocks.Paragraph(TREE_NOTE, "small"),
            blocks.Trees(tuple(vocabulary.trees)),
        ]
    elif vocabulary.trees is not None and vocabulary.entries_on_the_way is None:
        parts.append(blocks.Paragraph(NO_MERGES_NOTE, "small"))
    if vocabulary.never_used:
        parts.append(blocks.Paragraph("Never used, among others:", "small", quoted=tuple(map(visible, vocabulary.never_used))))
    details = blocks.Details(f"Entries of {name}: the longest, the most used, and how they were built", tuple(parts))
    return [blocks.Heading(name), class_examples_table(name, vocabulary), details]


def _efficiency_row(vocabularies: list[Vocabulary]) -> list[list[str]]:
    orders = {v.renyi_order for v in vocabularies if v.renyi_order is not None}
    efficiencies = [decimal(v.renyi_efficiency, 3) for v in vocabularies]
    return [[f"R\N{LATIN SMALL LETTER E WITH ACUTE}nyi efficiency, order {order:g}", *efficiencies] for order in orders]


def _class_cells(found: EntryClass | None) -> list[str]:
    return [count(found.entries if found else None), percent(found.share_of_use if found else None)]


def _marked_text_sentence(vocabularies: Vocabularies) -> str:
    looked_at = next((v.marked_text for v in vocabularies.values() if v.marked_text), None)
    if looked_at is None:
        return ""
    return (
        f"Judged by the first {plural(looked_at.documents, 'training document')} ({count(looked_at.bytes)} bytes); "
        "shares of use are of the whole training text."
    )
