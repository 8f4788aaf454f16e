"""Renders report.md: the page's numbers and sentences, with the charts as pictures, for reading on a code host.

results -> Markdown. Tables and formatting are those of the page.
"""

import json
import re
from typing import Any

from toktrial.report.charts import HOW_TO_READ, LearningCurve
from toktrial.report.tables import (
    Table,
    answers,
    corpus_table,
    environment_table,
    main_table,
    reach_table,
    seconds_table,
    shared_entries_table,
    tokenizer_table,
)


def render_markdown(results: dict[str, Any], charts: list[LearningCurve]) -> str:
    """Returns the report as Markdown. Text of the corpus or of a model stands in code blocks that it cannot leave."""
    sections = [
        f"# Trial {_escaped(results['trial'])}",
        f"**{_escaped(results['verdict']['sentence'])}**",
        results["verdict"]["rule"],
        "\n".join(f"- {_escaped(note)}" for note in results["notes"]),
        _table(main_table(results)),
        "## Learning curves",
        HOW_TO_READ,
        *(_chart(chart) for chart in charts),
        "## Beside the verdict",
        "None of this decides anything.",
        *_beside(results),
        "## Tokenizers",
        _table(tokenizer_table(results)),
        _table(shared_entries_table(results)),
        *_entries(results),
        "## Samples",
        *_samples(results["samples"]),
        "## Protocol",
        _table(corpus_table(results)),
        code_block(json.dumps(results["protocol"], indent=1, ensure_ascii=False), "json"),
        "## Environment",
        _table(environment_table(results)),
        "## Seconds by stage",
        _table(seconds_table(results)),
        "## To repeat it",
        code_block("toktrial run protocol.toml", "sh"),
        "Every number above stands in [results.json](results.json).",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def code_block(text: str, language: str = "") -> str:
    """Returns a fenced code block whose fence is longer than every run of backticks inside it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


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


def _chart(chart: LearningCurve) -> str:
    return f"![{_escaped(chart.description)}]({chart.name}.png)\n\n*{f'{chart.title}. {chart.caption}'.strip()}*"


def _entries(results: dict[str, Any]) -> list[str]:
    sections = []
    for name, track in results["tracks"].items():
        for kind in ("longest", "most_used"):
            entries = track["vocabulary"].get(kind, [])
            listed = "\n".join(f"{entry['count']:>12,}  {json.dumps(entry['text'])}" for entry in entries)
            sections.append(f"{kind.replace('_', ' ').capitalize()} entries of {_escaped(name)}, with their uses:")
            sections.append(code_block(listed))
        never = "\n".join(json.dumps(text) for text in track["vocabulary"].get("never_used", []))
        sections.extend([f"Some entries of {_escaped(name)} that are never used:", code_block(never)] if never else [])
    return sections


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
    return f"{rows}\n\n*{table.caption}*"


def _escaped(text: str) -> str:
    """Returns text that Markdown shows as it stands, on one line."""
    marked = re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
    return marked.replace("\n", " ")
