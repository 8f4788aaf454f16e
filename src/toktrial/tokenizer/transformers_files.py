"""What lets `transformers.AutoTokenizer` read a tokenizer's folder, and its README, which says how exactly that works.

Called as a tokenizer is written, at the end of the flow's second stage; nothing later in the flow reads these files.
"""

import itertools
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toktrial import artifact
from toktrial.corpus.documents import utf8_length
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Tokenizer

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
README_FILE = "README.md"
EXACT_CLASS_FILE = "tokenization_btm.py"  # copied from this package into the folder
EXACT_CLASS = "ExactBTMTokenizer"
HELD_OUT_DOCUMENTS = 1000  # measured on at most; a share of 1 in 100 is then known to about a third of itself


@dataclass(frozen=True)
class IdDifference:
    """How many documents get other ids from a folder's tokenizer.json than from the tokenizer that wrote it."""

    documents: int
    """Documents compared."""
    differing: int
    """Documents of these with at least one other id."""

    @property
    def share(self) -> float:
        return self.differing / self.documents if self.documents else 0.0


def measure_difference(tokenizer: Tokenizer, tokenizer_json: Path, held_out: Iterable[str]) -> IdDifference:
    """Encodes at most `HELD_OUT_DOCUMENTS` documents both ways. Raises ValueError for a lone surrogate."""
    import tokenizers

    documents = list(itertools.islice(held_out, HELD_OUT_DOCUMENTS))
    for index, document in enumerate(documents):
        utf8_length(document, f"held-out document {index}")
    flat = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    flat.encode_special_tokens = True
    theirs = flat.encode_batch_fast(documents, add_special_tokens=False)
    ours = tokenizer.encode_batch(documents)
    return IdDifference(len(documents), sum(a.tolist() != b.ids for a, b in zip(ours, theirs, strict=True)))


def write_transformers_files(tokenizer: Tokenizer, folder: Path, held_out: Iterable[str]) -> None:
    """Writes tokenizer_config.json and README.md beside a tokenizer.json that gives this tokenizer's ids always."""
    _write_config(folder, {})
    difference = measure_difference(tokenizer, folder / TOKENIZER_FILE, held_out)
    how = _EQUAL_ALWAYS
    if difference.documents:
        how += f"Measured on {difference.documents:,} held-out documents: {difference.differing:,} got other ids.\n"
    _write_readme(folder, tokenizer, how)


def write_transformers_files_of_btm(tokenizer: Tokenizer, scope: str, folder: Path, held_out: Iterable[str]) -> None:
    """The same for a flat tokenizer.json, whose ids can differ, and for the exact class beside it."""
    shutil.copyfile(Path(__file__).with_name(EXACT_CLASS_FILE), folder / EXACT_CLASS_FILE)
    reference = f"{EXACT_CLASS_FILE.removesuffix('.py')}.{EXACT_CLASS}"
    _write_config(folder, {"auto_map": {"AutoTokenizer": [reference, None]}})
    difference = measure_difference(tokenizer, folder / TOKENIZER_FILE, held_out)
    measured = (
        f"**Measured on {difference.documents:,} held-out documents: {difference.differing:,} got other ids "
        f"({difference.share:.2%}).**"
        if difference.documents
        else "**How often its ids differ was not measured here**: no held-out documents were given when this was saved."
    )
    how = _EXACT_AND_FLAT.format(class_file=EXACT_CLASS_FILE, why_ids_differ=_WHY_IDS_DIFFER[scope], measured=measured)
    _write_readme(folder, tokenizer, how)


def end_of_text_as_added_token() -> dict[str, Any]:
    """Returns `<|endoftext|>` as tokenizer.json lists it among its added tokens."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": END_OF_TEXT_ID, "content": END_OF_TEXT, **flags, "special": True}


def _write_config(folder: Path, further: dict[str, Any]) -> None:
    end_of_text = end_of_text_as_added_token()
    del end_of_text["id"]
    config = {
        # Any class with a pre-tokenizer of its own, such as GPT-2's, would cut ` of the` in two.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "added_tokens_decoder": {str(END_OF_TEXT_ID): end_of_text},
        "split_special_tokens": True,  # text that spells `<|endoftext|>` is text
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    artifact.write_json(folder / CONFIG_FILE, config | further)


def _write_readme(folder: Path, tokenizer: Tokenizer, how_to_load: str) -> None:
    text = _README.format(recipe=tokenizer.recipe, entries=tokenizer.vocab_size, how_to_load=how_to_load)
    (folder / README_FILE).write_text(text, encoding="utf-8")


_README = """\
# A tokenizer of toktrial: recipe `{recipe}`, {entries:,} entries

Id 0 is `<|endoftext|>`, which ends a document and precedes the first; text that happens to spell it is ordinary text, and
never becomes id 0. There is no unknown token, for every byte is an entry, and no padding token: name one if you pad.
`vocabulary.jsonl` lists the entries: id, bytes in hexadecimal, text. `toktrial.load_tokenizer` reads this folder.

## With transformers

{how_to_load}"""

_EQUAL_ALWAYS = """\
```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
```

It gives the same ids as toktrial. Only characters that Unicode gained lately can be cut differently, where the libraries that
split the text know different versions of Unicode.
"""

_EXACT_AND_FLAT = """\
Two ways. This one gives the same ids as toktrial (but for characters that Unicode gained lately, which the libraries that
split the text may know or not); it runs `{class_file}` of this folder, which needs `transformers` and `tokenizers` alone:

```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
```

This one is several times as fast and runs no code of this folder. It decodes every id exactly, but its ids can differ:

```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
```

It is a flat form of the same tokenizer: one BPE whose merges are the primitives' merges and then BTM's. {why_ids_differ}

{measured}

Use the first where ids must be those that a model was trained on.
"""

_WHY_IDS_DIFFER = {
    "any": """Now
and then a merge of primitives crosses a border of pre-tokens that the two steps never cross: beside a contraction that is
no primitive, in white space beyond ASCII, or within a character.""",
    "words": """It
cannot say that superwords are made of whole words, as this tokenizer's scope `words` demands (it may merge the beginning
of ` of them` as ` of the`), so **ids differ often**.""",
}
