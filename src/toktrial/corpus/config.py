"""What a corpus is made from and how it is split: the config of the flow's first stage."""

from dataclasses import dataclass
from typing import Literal

from toktrial.errors import TrialError, check_numbers

STORYBOOK = "storybook"
HUB_PREFIX = "hub:"


@dataclass(frozen=True)
class CorpusConfig:
    """Where the documents come from, and which of them are for validation."""

    path: str = f"{HUB_PREFIX}roneneldan/TinyStories"
    """`storybook` (the built-in generator), `hub:OWNER/NAME` (a data set of the Hugging Face hub), or a .txt, .jsonl,
    .csv or .parquet file, or a folder of these. All but .parquet may be compressed (.gz, .zst)."""
    validation_path: str = ""
    """A separate source for the validation documents, in the same forms except `storybook`, which has no end.
    Empty: they are split off `path`."""
    validation_share: float = 0.01
    """Share of the documents that are for validation, chosen by the hash of their content."""
    max_megabytes: float = 0.0
    """Stop reading after so much text (millions of UTF-8 bytes). 0: read all. The storybook needs a number."""
    text_field: str = "text"
    """Field (jsonl) or column (csv, parquet, hub) that holds the text."""
    split: Literal["separator", "blank-lines", "lines"] = "separator"
    """What divides a .txt file into documents: `separator` lines, blank lines (each paragraph is a document), or line ends
    (each line is one)."""
    separator: str = "<|endoftext|>"
    """The line that separates the documents of a .txt file under `split` separator."""
    hub_config: str = ""
    """Configuration of the hub's data set, where it has several."""
    hub_split: str = "train"
    """Split of the hub's data set that is read."""
    storybook_seed: int = 0
    """Seed of the storybook's stories."""

    def __post_init__(self) -> None:
        if not self.path:
            raise TrialError("corpus.path is empty: name a file, a folder, hub:OWNER/NAME or storybook")
        if not 0 < self.validation_share < 1:
            raise TrialError(f"corpus.validation_share must lie between 0 and 1, but is {self.validation_share}")
        check_numbers("corpus", self, {"max_megabytes": 0})
        if self.is_storybook and self.max_megabytes == 0:
            raise TrialError("corpus.path is storybook, which has no end: set corpus.max_megabytes, for example to 10")
        if self.validation_path == STORYBOOK:
            raise TrialError(
                "corpus.validation_path cannot be storybook, which has no end: leave it empty, and validation documents "
                "are split off corpus.path"
            )
        if not self.separator.strip() or "\n" in self.separator:
            raise TrialError(f"corpus.separator must be one line of text, but is {self.separator!r}")

    @property
    def is_storybook(self) -> bool:
        return self.path == STORYBOOK
