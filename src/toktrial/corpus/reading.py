"""What reading a source comes across: files and their kinds, what divides them, documents that repeat.

The readers in files.py and the stage fill a `Reading` as they go; the stage prints what a user should know of it.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toktrial.corpus.config import CorpusConfig

TEXT, JSON_LINES, CSV, PARQUET = "text", "JSON lines", "CSV", "Parquet"
MANY_REPEATS = 0.1  # from this share of the documents on, repeats get a warning
FILES_NAMED = 5


@dataclass
class Reading:
    """What reading one source has come across so far. Memory: 8 bytes for each document."""

    source: str = ""
    """The file, folder or name that `corpus.path` or `corpus.validation_path` holds."""
    files: Counter[str] = field(default_factory=Counter)
    """How many files of each kind were opened."""
    byte_order_marks: int = 0
    """How many files began with a byte order mark, which was dropped."""
    is_divided: bool = False
    """Whether a text file held something that divides documents under `corpus.split`."""
    is_cut_short: bool = False
    """Whether `corpus.max_megabytes` ended the reading."""
    hashes: "defaultdict[str, array[int]]" = field(default_factory=lambda: defaultdict(lambda: array("Q")))
    """Hashes of the documents, by the kind of file that they are in; the kind is empty for the storybook and the hub."""

    def __post_init__(self) -> None:
        self.hashes_here = self.hashes[""]  # those of the kind that is read now

    def open_file(self, kind: str) -> None:
        """Notes that a file of that kind is read from here on."""
        self.files[kind] += 1
        self.hashes_here = self.hashes[kind]

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return sum(map(len, self.hashes.values()))

    def count_in(self, other: "Reading") -> int:
        """Returns how many of the documents are among the other's too."""
        ours, theirs = (np.sort(np.concatenate([np.zeros(0, np.uint64), *each.hashes.values()])) for each in (self, other))
        return int((np.searchsorted(theirs, ours, "right") > np.searchsorted(theirs, ours, "left")).sum())

    def distinct(self) -> tuple[int, int]:
        """Returns how many different documents there are, and how many of these are in files of more than one kind."""
        # with counts, because np.unique without them is fifty times slower on hashes
        of_each_kind = [np.unique(hashes, return_counts=True)[0] for hashes in self.hashes.values()]
        hashes, kinds = np.unique(np.concatenate([np.zeros(0, np.uint64), *of_each_kind]), return_counts=True)
        return len(hashes), int((kinds > 1).sum())

    def describe_files(self, ignored: Sequence[Path]) -> str:
        """Says how many files of the folder were read, and which ones were not."""
        kinds = ", ".join(counted(n, f"{kind} file") for kind, n in self.files.items())
        line = f"{self.source}: read {' and '.join(kinds.rsplit(', ', 1))}"
        if ignored:
            line += f"; ignored {counted(len(ignored), 'file')} of other kinds ({some(ignored, Path(self.source))})"
        return line

    def describe_division(self, config: CorpusConfig) -> str:
        """Says that nothing divides the text files, and what to do about it; empty where something does."""
        if self.is_divided or not self.files[TEXT]:
            return ""
        if config.split == "blank-lines":
            return "there are no blank lines, so each text file is one document. Try --corpus.split separator or lines"
        return (
            f"the separator line `{config.separator}` never occurs, so each text file is one document. If a file holds "
            "several, name the line between them with --corpus.separator, or set --corpus.split to blank-lines (for "
            "paragraphs) or lines"
        )

    def describe_repeats(self) -> str:
        """Says how many documents repeat an earlier one, as a warning where many do; empty where none does."""
        distinct, in_several_kinds = self.distinct()
        repeats = self.documents - distinct
        line = f"{repeats:,} of {self.documents:,} documents ({repeats / self.documents:.1%}) repeat an earlier one"
        if repeats < MANY_REPEATS * self.documents:
            return line if repeats else ""
        if in_several_kinds:
            return (
                f"WARNING: {line}. {in_several_kinds:,} are in files of several kinds ({', '.join(self.files)}): if these hold "
                "one corpus in several forms, keep one of them"
            )
        return f"WARNING: {line}: remove the repeats, unless the models are meant to read them so often"


def counted(count: int, noun: str) -> str:
    """Returns a number and its noun.

    >>> counted(1, "document"), counted(1200, "document")
    ('1 document', '1,200 documents')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def some(paths: Sequence[Path], folder: Path) -> str:
    """Names the first few of the paths, relative to their folder, and says how many more there are."""
    names = ", ".join(path.relative_to(folder).as_posix() for path in paths[:FILES_NAMED])
    return names + (f" and {len(paths) - FILES_NAMED} more" if len(paths) > FILES_NAMED else "")
