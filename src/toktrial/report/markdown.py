"""Renders report.md: the page's numbers and sentences, with the charts as pictures, for reading on a code host.

results -> Markdown. Tables and formatting are those of the page.
"""

import json
import re
from typing import Any

from toktrial.report.amendments import describe_amendment
from toktrial.report.charts import COMPARING, HOW_TO_READ, LearningCurve
from toktrial.report.control_section import control_sentences, control_table
from toktrial.report.differences_section import budgets_table
from toktrial.report.dots_chart import NAME, describe_dots, dots_caption
from toktrial.report.minimal_pairs_section import counted_sentences, fields_table, minimal_pairs_sentences, paradigms_table
from toktrial.report.noise_section import noise_sentences
from toktrial.report.ratings_section import ratings_sentences, ratings_tables
from toktrial.report.samples_section import CAVEAT, meanings, measures_table
from toktrial.report.tables import (
    LOSS_PER_TOKEN,
    REPEAT,
    Table,
    answers,
    corpus_table,
    end_tables,
    environment_table,
    facts_table,
    reach_table,
    repeat_commands,
    seconds_table,
)
from toktrial.report.target_section import target_tables
from toktrial.report.tuning_section import NAME as RATES_NAME
from toktrial.report.tuning_section import describe_rates, rates_table, tuned_verdicts_table, tuning_sentences
from toktrial.report.vocabulary_section import (
    NO_MERGES_NOTE,
    TREE_NOTE,
    class_examples_table,
    cut_lines,
    cut_summary,
    knows_no_merges,
    overview_tables,
    tree_lines,
)


def render_markdown(results: dict[str, Any], charts: list[LearningCurve]) -> str:
    """Returns the report as Markdown. Text of the corpus or of a model stands in code blocks that it cannot leave."""
    sections = [
        f"Trial {_escaped(results['trial'])}: which tokenizer made the model learn faster?",
        f"# {_escaped(results['verdict']['outcome'])}",
        *(_escaped(clause) for clause in results["verdict"]["clauses"]),
        _escaped(results["verdict"]["criterion"]),
        f"![{_escaped(describe_dots(results))}]({NAME}.png)\n\n*{_escaped(dots_caption(results))}*",
        *(_escaped(detail) for detail in results["verdict"]["details"]),
        *(_escaped(sentence) for sentence in noise_sentences(results)),
        results["verdict"]["rule"],
        "## Along the training",
        *(_chart(chart) for chart in charts if chart.measure in COMPARING),
        HOW_TO_READ,
        "## The trial in short",
        _table(facts_table(results)),
        "\n".join(f"- {_escaped(note)}" for note in results["notes"]),
        "## The tracks at their end",
        *map(_table, end_tables(results)),
        _table(budgets_table(results)),
        "## Beside the verdict",
        "None of this decides anything.",
        *map(_table, target_tables(results)),
        *_beside(results),
        *_tuning(results),
        *_control(results),
        "## Tokenizers",
        *_cuts(results["cuts"]),
        *(_table(table) for table in overview_tables(results)),
        *_entries(results),
        "## Samples",
        *_sample_measures(results),
        *_samples(results["samples"]),
        *_ratings(results),
        *_minimal_pairs(results),
        "## Loss per token",
        LOSS_PER_TOKEN,
        *(_chart(chart) for chart in charts if chart.measure not in COMPARING),
        *_amendments(results),
        "## Protocol",
        _table(corpus_table(results)),
        code_block(json.dumps(results["protocol"], indent=1, ensure_ascii=False), "json"),
        "## Environment",
        _table(environment_table(results)),
        "## Seconds by stage",
        _table(seconds_table(results)),
        "## To repeat it",
        REPEAT,
        code_block("\n".join(repeat_commands(results)), "sh"),
        "Every number above stands in [results.json](results.json).",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def code_block(text: str, language: str = "") -> str:
    """Returns a fenced code block whose fence is longer than every run of backticks inside it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _amendments(results: dict[str, Any]) -> list[str]:
    if not results["amendments"]:
        return []
    listed = "\n".join(f"- {_escaped(describe_amendment(each))}" for each in results["amendments"])
    return ["## What was changed after the trial had begun", listed]


def _beside(results: dict[str, Any]) -> list[str]:
    confidence = results["verdict"]["confidence"]
    sections = []
    for comparison in results["comparisons"]:
        sections.append(f"### {_escaped(comparison['track'])} against {_escaped(comparison['baseline'])}")
        sections.append(_table(reach_table(comparison)))
        sections.extend(
            f"**{_escaped(answer.question)}** {_escaped(' '.join(answer.answers))} *{answer.meaning}*"
            for answer in answers(comparison, confidence)
        )
    return sections


def _tuning(results: dict[str, Any]) -> list[str]:
    if not results["tuning"]:
        return []
    return [
        "## Learning rates",
        *(_escaped(sentence) for sentence in tuning_sentences(results)),
        f"![{_escaped(describe_rates(results))}]({RATES_NAME}.png)",
        _table(rates_table(results)),
        _table(tuned_verdicts_table(results)),
    ]


def _control(results: dict[str, Any]) -> list[str]:
    if not results["control"]:
        return []
    return [
        "### What nothing looks like: the A/A control",
        _table(control_table(results)),
        *(_escaped(sentence) for sentence in control_sentences(results)),
    ]


def _chart(chart: LearningCurve) -> str:
    return f"![{_escaped(chart.description)}]({chart.name}.png)\n\n*{f'{chart.title}. {chart.caption}'.strip()}*"


def _cuts(cuts: dict[str, Any] | None) -> list[str]:
    if not cuts:
        return []
    sections = [f"The beginning of the validation text, {cuts['bytes']} bytes, cut by every track; a bar parts two tokens."]
    for name, track in cuts["tracks"].items():
        sections += [f"{_escaped(name)}: {cut_summary(track)}", code_block(cut_lines(track))]
    return sections


def _entries(results: dict[str, Any]) -> list[str]:
    sections = []
    for name, track in results["tracks"].items():
        sections.append(_table(class_examples_table(name, track["vocabulary"])))
        for kind in ("longest", "most_used"):
            entries = track["vocabulary"].get(kind, [])
            listed = "\n".join(f"{entry['count']:>12,}  {json.dumps(entry['text'])}" for entry in entries)
            sections.append(f"{kind.replace('_', ' ').capitalize()} entries of {_escaped(name)}, with their uses:")
            sections.append(code_block(listed))
        never = "\n".join(json.dumps(text) for text in track["vocabulary"].get("never_used", []))
        sections.extend([f"Some entries of {_escaped(name)} that are never used:", code_block(never)] if never else [])
        trees = track["vocabulary"].get("trees", [])
        sections += [f"How entries of {_escaped(name)} were built. {TREE_NOTE}"] if trees else []
        sections += [code_block(tree_lines(tree)) for tree in trees]
        sections += [NO_MERGES_NOTE] if knows_no_merges(track["vocabulary"]) else []
    return sections


def _sample_measures(results: dict[str, Any]) -> list[str]:
    if not results["sample_measures"]:
        return []
    said = "\n".join(f"- **{_escaped(name)}**: {_escaped(meaning)}" for name, meaning in meanings(results))
    return [_table(measures_table(results)), CAVEAT, said]


def _minimal_pairs(results: dict[str, Any]) -> list[str]:
    if not results["minimal_pairs"]:
        return []
    sentences = [_escaped(sentence) for sentence in minimal_pairs_sentences(results)]
    names = [_escaped(sentence) for sentence in counted_sentences(results)]
    return ["## Grammar: minimal pairs", _table(fields_table(results)), *sentences, *names, _table(paradigms_table(results))]


def _ratings(results: dict[str, Any]) -> list[str]:
    if not results["ratings"]:
        return []
    sentences = [_escaped(sentence) for sentence in ratings_sentences(results)]
    return ["## What people said of the samples", *sentences, *map(_table, ratings_tables(results))]


def _samples(samples: dict[str, Any]) -> list[str]:
    if not samples["prompts"]:
        return ["There are none."]
    sections = [f"Every track's model of seed {samples['seed']}, one continuation a prompt."]
    for prompt in samples["prompts"]:
        continuations = [
            f"[{track}]{sample['continuation']}{'' if sample['ended'] else ' [...]'}"
            for track, sample in prompt["tracks"].items()
        ]
        sections.append(code_block("\n\n".join([prompt["prompt"], *continuations])))
    return sections


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    rulers = [":---" if kind != "number" else "---:" for kind in table.kinds]
    lines = [[_escaped(header) for header in table.headers], rulers, *([_escaped(cell) for cell in row] for row in table.rows)]
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{rows}\n\n*{_escaped(table.caption)}*"


def _escaped(text: str) -> str:
    """Returns text that Markdown shows as it stands, on one line."""
    marked = re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", text)
    return marked.replace("\n", " ")
