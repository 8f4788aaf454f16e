"""`toktrial leaderboard`: one page over published trials, which ranks their tracks by bits per byte of the same text.

Submissions (commands/submit.py) -> blocks -> FOLDER/index.html, which opens without a network. A submission counts only where
its files are whole and its numbers follow from them.
"""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from toktrial import artifact, progress
from toktrial.commands import Call
from toktrial.commands.submit import AUDIT_FILE, KIND, LAYOUT, REPORT, SUBMISSIONS, TRIAL
from toktrial.errors import TrialError
from toktrial.report.blocks import Bullets, CodeBlock, Details, Document, Figure, Heading, Paragraph, Section
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, quantitative
from toktrial.report.result import TrialResult
from toktrial.report.side_by_side_page import Results, effects_table, tracks_table
from toktrial.report.styles import Styles
from toktrial.report.wording import count, decimal, plural

PAGE = "index.html"
TOLERANCE = 1e-6  # relative: another version of numpy or scipy may change the last digits
HOW_TO_READ = (
    "Tracks are ranked by their final bits per byte of the same validation text, as means over seeds; lower is better. A rank "
    "compares tokenizers only between rows with the same model and the same budget: a larger model or a longer training is "
    "ahead for other reasons. Within one trial, its verdict is what counts."
)
WHAT_IS_CHECKED = (
    "Of every submission listed here, all files have the checksums that were noted when it was packed, its byte-count audit "
    "found no fault, and its numbers were computed again from its runs. None of that shows that a trial was run as it says: "
    "the commands below repeat it."
)


@dataclass(frozen=True)
class Submission:
    """A folder that `toktrial submit` wrote, and that holds what it says."""

    name: str
    """Of the folder."""
    result: TrialResult
    text: str
    """SHA-256 of the validation text."""


@dataclass(frozen=True)
class Leaderboard(Call):
    """Writes FOLDER/index.html: a page that ranks the tracks of all submissions in a folder, by validation text."""

    folder: Annotated[Path, tyro.conf.Positional] = SUBMISSIONS
    """Folder of submissions, as `toktrial submit` writes them."""

    def execute(self) -> None:
        """Checks every submission and writes the page. Raises TrialError where there is no whole one."""
        from toktrial.report.page import draw, render_page

        whole, refused = [], []
        for path in sorted(path.parent for path in self.folder.glob(f"*/{artifact.MANIFEST}")):
            try:
                whole.append(read_submission(path))
            except TrialError as error:
                refused.append(str(error))
                progress.print_line(f"left out: {error}")
        if not whole:
            raise TrialError(f"{self.folder} holds no whole submission: `toktrial submit TRIAL {self.folder}/NAME` writes one")
        document = leaderboard(whole, refused)
        drawn = {figure.name: draw(figure) for figure in document.figures()}
        with artifact.publish_file(self.folder / PAGE) as partial:
            partial.write_text(render_page(document, drawn), encoding="utf-8")
        progress.print_line(f"{self.folder / PAGE}: {plural(len(whole), 'published trial')}")


def read_submission(folder: Path) -> Submission:
    """Reads a submission and computes its numbers again.

    Raises TrialError where the folder is no submission, a file is damaged, or its results do not follow from its runs.
    """
    import msgspec

    from toktrial.evaluation.byte_audit import ByteAudit
    from toktrial.report.gather import gather
    from toktrial.report.inputs import read_trial
    from toktrial.report.result import typed

    if artifact.read_manifest(folder).get(KIND) != LAYOUT:
        raise TrialError(f"{folder} is not a submission of layout {LAYOUT}, the one that this version reads")
    if damaged := artifact.damaged_files(folder):
        name, what = next(iter(damaged.items()))
        raise TrialError(f"{folder / name} {what}: pack the trial again with `toktrial submit`")
    results, audited = artifact.read_json(folder / REPORT / "results.json"), artifact.read_json(folder / AUDIT_FILE)
    try:
        result, audit = typed(results), msgspec.convert(audited, ByteAudit)
    except (ValueError, LookupError) as error:
        raise TrialError(f"{folder} cannot be read by this version ({error}): pack it again with `toktrial submit`") from None
    if faults := audit.faults():
        raise TrialError(f"{folder}: {'; '.join(faults)}")
    asked = result.targets.asked_for
    again = gather(read_trial(folder / TRIAL), asked.bits_per_byte if asked else None)
    if differing := [name for name, said, found in _deciding_numbers(result, again) if not _agree(said, found)]:
        raise TrialError(f"{folder}: what its report says of {', '.join(differing)} does not follow from its runs")
    return Submission(folder.name, result, audit.text_sha256["validation"])


def leaderboard(submissions: Sequence[Submission], refused: Sequence[str] = ()) -> Document:
    """Returns the page: a section for each validation text, the text with the most submissions first."""
    texts = dict.fromkeys(each.text for each in submissions)
    groups = sorted(([each for each in submissions if each.text == text] for text in texts), key=len, reverse=True)
    opening = Section(
        id="",
        title="",
        blocks=(
            Paragraph("Leaderboard", "trial"),
            Heading(f"{plural(len(submissions), 'published trial')} of tokenizers", level=1),
            Paragraph(HOW_TO_READ),
            Paragraph(WHAT_IS_CHECKED, "rule"),
        ),
    )
    sections = [_text_section(group, number) for number, group in enumerate(groups, start=1)]
    left_out = [Section(id="left-out", title="Left out", blocks=(Bullets(tuple(refused)),))] if refused else []
    return Document("Leaderboard of tokenizers", (opening,), (*sections, *left_out))


def _text_section(group: Sequence[Submission], number: int) -> Section:
    first = group[0].result
    size = first.corpus.validation
    corpus = first.design.corpus.path
    about = (
        f"Validation text: {plural(size.documents, 'document')}, {count(size.bytes)} bytes of UTF-8, SHA-256 {group[0].text}. "
        f"The protocol of {group[0].name} calls the corpus {corpus}."
    )
    results = {each.name: each.result for each in group}
    blocks = (
        tracks_table(results),
        _figure(results, number),
        effects_table(results, {name: f"{name}/{REPORT}/{PAGE}" for name in results}),
        Details("How to repeat each trial", tuple(_how_to_repeat(group))),
        Paragraph(about, "small"),
    )
    return Section(id=f"text-{number}", title=f"{Path(corpus).name}, {count(size.bytes)} bytes", blocks=blocks)


def _figure(results: Results, number: int) -> Figure:
    """Returns every track as a dot: its bits per byte against what its training cost."""
    rows: list[dict[str, Any]] = [
        {"name": trial, "track": name, "flops": track.final.flops, "value": track.final.bits_per_byte}
        for trial, result in results.items()
        for name, track in result.tracks.items()
    ]
    tracks = list(dict.fromkeys(name for result in results.values() for name in result.tracks))
    encoding = {
        "x": {
            **quantitative("flops", "training FLOPs of a run"),
            "scale": {"type": "log", "nice": False, "padding": 20}, "axis": {"format": "~s", "grid": False},
        },
        "y": {**quantitative("value", "final bits per byte"), "scale": {"zero": False, "padding": 20}},
        "color": Styles(results).encoding("color", list(results)),
        "shape": {**Styles(tracks).encoding("shape", tracks), "field": "track"},
    }  # fmt: skip
    return Figure(
        name=f"text_{number}",
        specification={
            **FRAME,
            "width": WIDTH,
            "height": HEIGHT,
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.9},
            "encoding": encoding,
        },
        description="; ".join(
            f"{trial}: {name} {decimal(track.final.bits_per_byte, 4)}"
            for trial, result in results.items()
            for name, track in result.tracks.items()
        ),
        caption="Each mark is a track: its colour is the trial's. Lower is better, and further left is cheaper.",
        title="Bits per byte by the cost of training",
    )


def _how_to_repeat(group: Sequence[Submission]) -> Iterator[Paragraph | CodeBlock]:
    from toktrial.report.sections.record import repeat_commands

    for each in group:
        yield Paragraph(f"{each.name}, with the corpus at the corpus.path of its protocol:")
        yield CodeBlock(
            "\n".join([f"cp {shlex.quote(each.name)}/{TRIAL}/protocol.toml .", *repeat_commands(each.result)]), "sh"
        )


def _deciding_numbers(said: TrialResult, found: TrialResult) -> Iterator[tuple[str, object, object]]:
    """Yields (what it is, what the report says, what the runs give) of everything that the page shows as a finding."""
    yield "which tracks there are", list(said.tracks), list(found.tracks)
    for name in said.tracks.keys() & found.tracks.keys():
        one, two = said.tracks[name], found.tracks[name]
        for measure in ("bits_per_byte", "tokens_seen", "bytes_seen", "flops"):
            yield f"{name}'s {measure}", getattr(one.final, measure), getattr(two.final, measure)
    for first, second in zip(said.comparisons, found.comparisons, strict=False):
        for measure in ("verdict", "difference", "low", "high"):
            yield f"{first.track}'s {measure}", getattr(first, measure), getattr(second, measure)


def _agree(said: object, found: object) -> bool:
    if isinstance(said, int | float) and isinstance(found, int | float):
        return math.isclose(said, found, rel_tol=TOLERANCE)
    return said == found
