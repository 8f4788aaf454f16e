"""What the report says of the tokenizers: their entries, classes, cuts of one text, trees of merges.

Beside tables.py in the flow, results -> tables -> page and Markdown. A trial evaluated by an older version lacks some of it;
then there is less to say.
"""

import json
from collections.abc import Mapping
from typing import Any

from toktrial.evaluation.entry_classes import CLASSES
from toktrial.report.inputs import TrialInputs
from toktrial.report.tables import Kind, Table, text_then_numbers
from toktrial.report.wording import count, decimal, percent, plural, visible

WORDS_IN_TABLE = 12
NO_MERGES_NOTE = "This tokenizer knows no merges, so nothing tells how its entries were built."
SUPERWORD_NOTE = "Entries spanning words touch two or more words, whole or not."
TREE_NOTE = (
    "Each entry with the two that it was merged of, down to single bytes; the numbers are an entry's own uses in the "
    "training text, without those inside larger entries. Shown are the most used entries that span words, and the longest; "
    "where a track has none that span words, the longest ones."
)


def gather_cuts(inputs: TrialInputs) -> dict[str, Any] | None:
    """Returns results["cuts"]: one text and every track's tokens of it; None where an older version evaluated the trial."""
    cuts: dict[str, Any] | None = inputs.vocabulary.get("cuts")
    return cuts


def tokenizer_table(results: dict[str, Any]) -> Table:
    """Returns what each tokenizer learned and how it cuts the text; one column a track."""
    tracks = results["tracks"]
    vocabularies = {name: track["vocabulary"] for name, track in tracks.items()}
    words = sorted({int(words) for v in vocabularies.values() for words in v.get("words_per_entry", {})})
    rows = [
        ["entries", *(count(track["entries"]) for track in tracks.values())],
        ["entries asked for", *(count(track["entries_requested"]) for track in tracks.values())],
        ["bytes per token, training text", *(decimal(track["bytes_per_token"]["train"], 2) for track in tracks.values())],
        ["bytes per token, validation text",
         *(decimal(track["bytes_per_token"]["validation"], 2) for track in tracks.values())],
        ["tokens per validation document",
         *(decimal(v.get("tokens_per_document", {}).get("validation"), 1) for v in vocabularies.values())],
        *_efficiency_row(vocabularies),
        ["entries spanning words", *(count(v.get("entries_spanning_words")) for v in vocabularies.values())],
        ["share of use spanning words", *(percent(v.get("share_of_use_spanning_words")) for v in vocabularies.values())],
        ["share of the validation text's bytes that they cover",
         *(percent(v.get("share_of_validation_bytes_spanning_words")) for v in vocabularies.values())],
        *([f"entries of {plural(number, 'word')}",
           *(count(v.get("words_per_entry", {}).get(str(number), 0)) for v in vocabularies.values())]
          for number in words),
        ["entries never used", *(count(v.get("entries_never_used")) for v in vocabularies.values())],
        ["of these, learned and parts of others",
         *(count((v.get("entries_on_the_way") or {}).get("never_used")) for v in vocabularies.values())],
        ["learned and parts of others, used alone in under 1% of their uses",
         *(count((v.get("entries_on_the_way") or {}).get("nearly_never_used")) for v in vocabularies.values())],
        ["parameters of the model", *(count(track["parameters"]) for track in tracks.values())],
        ["parameters without embeddings", *(count(track["parameters_without_embeddings"]) for track in tracks.values())],
        ["FLOPs per token", *(count(track["flops_per_token"]) for track in tracks.values())],
    ]  # fmt: skip
    caption = f"What each tokenizer learned. {SUPERWORD_NOTE}"
    return Table(caption, ("", *tracks), rows, text_then_numbers(len(tracks)))


def _efficiency_row(vocabularies: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    orders = {v["renyi_order"] for v in vocabularies.values() if "renyi_order" in v}
    efficiencies = [decimal(v.get("renyi_efficiency"), 3) for v in vocabularies.values()]
    return [[f"R\N{LATIN SMALL LETTER E WITH ACUTE}nyi efficiency, order {order:g}", *efficiencies] for order in orders]


def class_table(results: dict[str, Any]) -> Table:
    """Returns how many entries of each class a track has, and what share of its uses they are."""
    classes = {name: track["vocabulary"].get("classes", {}) for name, track in results["tracks"].items()}
    rows = [
        [name, *(cell for track in classes.values() for cell in _class_cells(track.get(name, {})))]
        for name in CLASSES
        if any(name in track for track in classes.values())
    ]
    headers = ("class", *(header for track in classes for header in (f"{track}: entries", f"{track}: share of use")))
    caption = f"Classes of entries. {_marked_text_sentence(results)}"
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _class_cells(found: Mapping[str, Any]) -> list[str]:
    return [count(found.get("entries")), percent(found.get("share_of_use"))]


def _marked_text_sentence(results: dict[str, Any]) -> str:
    looked_at = next((v for t in results["tracks"].values() if (v := t["vocabulary"].get("marked_text"))), None)
    if looked_at is None:
        return ""
    return (
        f"By the first {plural(looked_at['documents'], 'training document')} ({count(looked_at['bytes'])} bytes); "
        "the shares of use are of the whole training text."
    )


def class_examples_table(name: str, vocabulary: Mapping[str, Any]) -> Table:
    """Returns the most used entries of each class of one track."""
    rows = [
        [kind, "   ".join(visible(text) for text in found["examples"])]
        for kind, found in vocabulary.get("classes", {}).items()
        if found["examples"]
    ]
    return Table(f"Most used entries of each class, {name}", ("class", "entries"), rows, ("text", "code"))


def frequent_words_table(results: dict[str, Any]) -> Table:
    """Returns in how many ways each track cuts the most frequent words, and the means over all that were looked at."""
    vocabularies = {name: track["vocabulary"] for name, track in results["tracks"].items()}
    known = {name: v for name, v in vocabularies.items() if v.get("frequent_words")}
    of_first: list[dict[str, Any]] = next((v["frequent_words"] for v in known.values()), [])
    rows = [
        [word["word"], count(word["uses"]), *(cell for v in known.values() for cell in _word_cells(v["frequent_words"][place]))]
        for place, word in enumerate(of_first[:WORDS_IN_TABLE])
    ]
    means = [v["frequent_words_mean"] for v in known.values()]
    mean_cells = [cell for mean in means for cell in (decimal(mean["cuts"], 2), decimal(mean["entry_sequences"], 2))]
    rows += [[f"mean of the {len(of_first)} most frequent", "", *mean_cells]] if rows else []
    headers = ("word", "uses", *(header for track in known for header in (f"{track}: cuts", f"{track}: entries")))
    caption = (
        "In how many ways a frequent word is cut. Cuts: where token edges lie in the word, and whether a token begins before "
        "it or ends after it. Entries: how many different entries, or sequences of them, hold the word."
    )
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _word_cells(word: Mapping[str, Any]) -> list[str]:
    return [count(word["cuts"]), count(word["entry_sequences"])]


def shared_entries_table(results: dict[str, Any]) -> Table:
    """Returns how many entries every two tracks have in common."""
    rows = [
        [" and ".join(names), count(shared["count"]), percent(shared["share_of_a"]), percent(shared["share_of_b"])]
        for pair, shared in results["shared_entries"].items()
        if (names := pair.split("|"))
    ]
    headers = ("tracks", "shared entries", "share of the first", "share of the second")
    return Table("Entries that two tokenizers share", headers, rows, ("text", "number", "number", "number"))


def entry_tables(name: str, vocabulary: Mapping[str, Any]) -> list[Table]:
    """Returns the longest and the most used entries of one track, and those that are mostly parts of others.

    A space is shown as an open box.
    """
    kinds: tuple[Kind, ...] = ("code", "number", "number")
    longest = [[visible(entry["text"]), count(entry["bytes"]), count(entry["count"])] for entry in vocabulary["longest"]]
    used = [[visible(entry["text"]), count(entry["count"]), percent(entry["share"])] for entry in vocabulary["most_used"]]
    on_the_way = [
        [visible(entry["text"]), count(entry["count"]), count(entry["count_within_larger"])]
        for entry in (vocabulary.get("entries_on_the_way") or {}).get("examples", [])
    ]
    tables = [
        Table(f"Longest entries of {name}", ("entry", "bytes", "uses"), longest, kinds),
        Table(f"Most used entries of {name}", ("entry", "uses", "share"), used, kinds),
        Table(f"Entries of {name} that serve as parts of others", ("entry", "uses alone", "uses inside"), on_the_way, kinds),
    ]
    return [table for table in tables if table.rows]


def overview_tables(results: dict[str, Any]) -> list[Table]:
    """Returns the tables of all tracks together, those that hold something."""
    tables = (tokenizer_table, class_table, frequent_words_table, shared_entries_table)
    return [table for make in tables if (table := make(results)).rows]


def vocabulary_content(results: dict[str, Any]) -> dict[str, Any]:
    """Returns all that the page's section on tokenizers shows."""
    return {
        "tables": overview_tables(results),
        "classes": CLASSES,
        "cuts": _cuts_in_place(results["cuts"]) if results["cuts"] else None,
        "tree_note": TREE_NOTE,
        "no_merges_note": NO_MERGES_NOTE,
        "tracks": {name: _track_content(name, track["vocabulary"]) for name, track in results["tracks"].items()},
    }


def _track_content(name: str, vocabulary: Mapping[str, Any]) -> dict[str, Any]:
    if not vocabulary:
        return {"tables": [], "examples": None, "trees": [], "without_merges": False, "never_used": []}
    examples = class_examples_table(name, vocabulary)
    return {
        "tables": entry_tables(name, vocabulary),
        "examples": examples if examples.rows else None,
        "trees": vocabulary.get("trees", []),
        "without_merges": knows_no_merges(vocabulary),
        "never_used": vocabulary["never_used"],
    }


def knows_no_merges(vocabulary: Mapping[str, Any]) -> bool:
    """Whether a track's tokenizer could not say of any entry what it was merged of."""
    return "entries_on_the_way" in vocabulary and vocabulary["entries_on_the_way"] is None


def _cuts_in_place(cuts: Mapping[str, Any]) -> dict[str, Any]:
    """The cuts with every token as it is set on the page: a line's end shown, other unprintable characters as escapes."""
    tracks = {
        name: {
            "summary": cut_summary(track),
            "documents": [
                [{"text": _in_place(token["text"]), "spans_words": token["words"] > 1} for token in document]
                for document in track["documents"]
            ],
        }
        for name, track in cuts["tracks"].items()
    }
    return {"bytes": count(cuts["bytes"]), "text": "\n".join(cuts["documents"]), "tracks": tracks}


def _in_place(text: str) -> str:
    return "".join("\u21b5\n" if letter == "\n" else letter if letter == " " else visible(letter) for letter in text)


def cut_summary(track: Mapping[str, Any]) -> str:
    """Returns how many tokens a track makes of the text, in words."""
    return f"{plural(track['tokens'], 'token')}, {decimal(track['bytes_per_token'], 2)} bytes per token"


def cut_lines(track: Mapping[str, Any]) -> str:
    """Returns the text with a bar between tokens; a bar of the text has a backslash before it, and so has the end of a line."""
    return "\n".join("|".join(_barred(token["text"]) for token in document) for document in track["documents"])


def _barred(text: str) -> str:
    return "".join({"\n": "\\n\n", "|": "\\|"}.get(letter, visible(letter)) for letter in text)


def tree_lines(tree: Mapping[str, Any]) -> str:
    """Returns a tree of merges as lines, each part two spaces further in than what it is a part of."""
    lines, left = [], [(tree, 0)]
    while left:
        node, depth = left.pop()
        lines.append(f"{'  ' * depth}{json.dumps(node['text'], ensure_ascii=False)}  {count(node['count'])}")
        left.extend((part, depth + 1) for part in reversed(node["parts"]))
    return "\n".join(lines)
