"""`toktrial leaderboard`: one page over published trials, which ranks their tracks by bits per byte of the same text.

Submissions (commands/submit.py) -> blocks -> FOLDER/index.html, which opens without a network. A submission counts only where
its files are whole and the numbers of its report follow from them; what is shown is computed from them.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from toktrial.report.tracks import Track
from toktrial.report.wording import count, decimal, plural

if TYPE_CHECKING:
    from toktrial.evaluation.byte_audit import ByteAudit

PAGE = "index.html"
TOLERANCE = 1e-6  # relative: another version of numpy or scipy may change the last digits
NEGLIGIBLE = 1e-9  # absolute: of differences near 0, such versions may change all digits; the page shows none this small
HOW_TO_READ = (
    "Tracks are ranked by their final bits per byte of the same validation text, as means over seeds; lower is better. A rank "
    "compares tokenizers only between rows with the same model and the same budget: a larger model or a longer training is "
    "ahead for other reasons. Within one trial, its verdict is what counts. A trial that still misses seeds is listed too: it "
    'has, say, 3 of 20 seeds, and "so far" stands before a verdict that seeds still to come may change.'
)
WHAT_IS_CHECKED = (
    "Of every submission listed here, the files have the checksums that its manifest notes, and the byte-count audit packed "
    "with it reports no fault. What this page shows comes from its protocol and the files of its runs, not from its report, "
    "which must say the same. The final bits per byte of every run follow from the nats of each document."
)
WHAT_IS_NOT_CHECKED = (
    "What takes the corpus or the training to compute is taken as these files state it: those nats, the curves, bits per byte "
    "at equal bytes of text, the floors, the sizes of texts, vocabularies and models, the audit and its checksum of the text. "
    "So are dates, and the list of what was changed later. The linked reports are shown as they were packed. None of this "
    "shows that a trial was run as it says: the commands below repeat it."
)


@dataclass(frozen=True)
class Submission:
    """A folder that `toktrial submit` wrote, and that holds what it says."""

    name: str
    """Of the folder."""
    result: TrialResult
    """Computed from its files, not the one that its report states."""
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
    """Reads a submission and computes its result from its files.

    Raises TrialError where the folder is no submission, a file is damaged, the audit found a fault, or its report states
    anything that the page shows and that does not follow from its files.
    """
    from toktrial.report.gather import gather
    from toktrial.report.inputs import read_trial

    if artifact.read_manifest(folder).get(KIND) != LAYOUT:
        raise TrialError(f"{folder} is not a submission of layout {LAYOUT}, the one that this version reads")
    if damaged := artifact.damaged_files(folder):
        name, what = next(iter(damaged.items()))
        raise TrialError(f"{folder / name} {what}: pack the trial again with `toktrial submit`")
    stated, audit = _stated(folder)
    result = gather(read_trial(folder / TRIAL))
    if faults := [*audit.faults(), *_run_faults(folder / TRIAL, result)]:
        raise TrialError(f"{folder}: {'; '.join(faults)}")
    if differing := _differing(dict(_shown(stated)), dict(_shown(result))):
        raise TrialError(f"{folder}: what its report says of {', '.join(differing)} does not follow from its files")
    return Submission(folder.name, result, audit.text_sha256["validation"])


def _stated(folder: Path) -> "tuple[TrialResult, ByteAudit]":
    """Returns what a submission's report says, and its audit. Raises TrialError where this version cannot read them."""
    import msgspec

    from toktrial.evaluation.byte_audit import ByteAudit
    from toktrial.report.result import typed

    results, audited = artifact.read_json(folder / REPORT / "results.json"), artifact.read_json(folder / AUDIT_FILE)
    try:
        audit = msgspec.convert(audited, ByteAudit)
        audit.text_sha256["validation"]  # which tells what it may stand beside
        return typed(results), audit
    except (ValueError, LookupError) as error:
        raise TrialError(f"{folder} cannot be read by this version ({error}): pack it again with `toktrial submit`") from None


def _run_faults(trial: Path, result: TrialResult) -> list[str]:
    """Returns, in words, which of the runs that are shown have bits per byte that their documents' nats do not give."""
    from toktrial.evaluation.byte_audit import ByteAudit, audit_runs

    names = [f"runs/{track}/seed-{run.seed}" for track, of in result.tracks.items() for run in of.runs]
    runs = audit_runs({name: trial / name for name in names}, result.corpus.validation.bytes)
    return ByteAudit(text_sha256={}, tracks={}, runs=runs).faults()


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
            Paragraph(WHAT_IS_NOT_CHECKED, "rule"),
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


def _shown(result: TrialResult) -> Iterator[tuple[str, object]]:
    """Yields (what it is, its value) of everything that the page shows of a result."""
    yield "the protocol", result.protocol
    yield "the validation text", (result.corpus.validation.documents, result.corpus.validation.bytes)
    yield "changes of the protocol", result.amendments
    for name in ("first run started", "git commit"):
        if name in result.environment:  # an earlier version may not have listed it
            yield name, result.environment[name]
    yield "which tracks there are", list(result.tracks)
    for name, track in result.tracks.items():
        yield from ((f"{name}'s {measure}", value) for measure, value in _shown_of_track(track))
    yield "which tracks are compared", [(each.track, each.baseline) for each in result.comparisons]
    for each in result.comparisons:
        for measure in ("verdict", "difference", "low", "high", "relative_difference", "paired_seeds", "budget"):
            yield f"{each.track}'s {measure}", getattr(each, measure)
        yield f"{each.track}'s seeds to come", bool(each.look and each.look.is_open)


def _shown_of_track(track: Track) -> Iterator[tuple[str, object]]:
    for measure in ("bits_per_byte", "tokens_seen", "bytes_seen", "flops"):
        yield measure, getattr(track.final, measure)
    for measure in ("entries", "parameters", "steps", "seeds_in_protocol"):
        yield measure, getattr(track, measure)
    yield "spread of bits per byte", track.standard_deviation.bits_per_byte
    yield "runs", [run.seed for run in track.runs]
    yield "bytes per token", track.bytes_per_token.validation
    yield "place below its bigram floor", track.floors and track.floors.below_bigram > 0


def _differing(stated: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """Returns the names of what is in both and not equal. A track that is in one alone makes the lists of tracks unequal."""
    return [name for name in stated if name in found and not _agree(stated[name], found[name])]


def _agree(stated: object, found: object) -> bool:
    if isinstance(stated, int | float) and isinstance(found, int | float):
        return math.isclose(stated, found, rel_tol=TOLERANCE, abs_tol=NEGLIGIBLE)
    return stated == found
