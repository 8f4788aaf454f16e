"""What lets other programs read a tokenizer's folder: tokenizer.json and its spelling of bytes, and files for `transformers`.

Called as a tokenizer is written, at the end of the flow's second stage; nothing later in the flow reads these files.

BTM has two steps; programs that read tokenizer.json alone get them as one flat BPE over whole documents: the primitives'
merges, then BTM's. By itself, that would let merges of primitives cross borders of pre-tokens. Nearly all such borders lie in
runs of white space (`\\n\\nOnce` is `\\n`, `\\n`, `Once`) and beside contractions (`'re` in `we're`, but not in ` 'repeat'`),
and the characters around tell where they lie. So the BPE does not merge the primitives made of white space alone, nor the
contractions. Instead the normalizer writes each as one character of its own, exactly where GPT-2's pre-tokenizer gives them.

What can still differ: rare contractions that are not a primitive, white space beyond ASCII, a character cut between
pre-tokens; and, in the scope `words`, all merges that the flat form makes within a word that is not whole.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from toktrial import artifact
from toktrial.corpus.documents import utf8_length
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Tokenizer

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
README_FILE = "README.md"
EXACT_CLASS_FILE = "tokenization_btm.py"  # copied from this package into the folder
EXACT_CLASS = "ExactBTMTokenizer"

# GPT-2's alphabet of bytes: printable ones stand for themselves, the others for U+0100 and on.
# Source: `bytes_to_unicode` in GPT-2's encoder.py (openai/gpt-2).
_PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1))
BYTE_OF_CHARACTER = {chr(byte): byte for byte in _PRINTABLE}
BYTE_OF_CHARACTER |= {chr(256 + i): byte for i, byte in enumerate(byte for byte in range(256) if byte not in _PRINTABLE)}
CHARACTER_OF_BYTE = {byte: character for character, byte in BYTE_OF_CHARACTER.items()}

CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")  # as GPT-2's pre-tokenizer has them
FIRST_OWN_CHARACTER = 0xE000  # private use, so beyond the alphabet of bytes
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}  # a decoder

_ASCII_SPACES = b"\t\n\x0b\x0c\r "
# White space beyond ASCII (Unicode's White_Space), which may follow a run of ASCII's.
_OTHER_SPACES = [*"\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B))]


def spell(entry: bytes) -> str:
    """Returns bytes in GPT-2's alphabet, a character for each.

    >>> spell(b" of the")
    'ĠofĠthe'
    """
    return "".join(CHARACTER_OF_BYTE[byte] for byte in entry)


def bytes_of(spelling: str) -> bytes:
    """Returns what `spell` has spelled. Raises KeyError for a character beyond the alphabet."""
    return bytes(BYTE_OF_CHARACTER[character] for character in spelling)


def end_of_text_as_added_token() -> dict[str, Any]:
    """Returns `<|endoftext|>` as tokenizer.json lists it among its added tokens."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": END_OF_TEXT_ID, "content": END_OF_TEXT, **flags, "special": True}


def lossless_tokenizer_json(pre_tokenizer: dict[str, Any], model: dict[str, Any]) -> str:
    """Returns the content of a tokenizer.json: bytes in, bytes out in GPT-2's alphabet, and nothing that changes a text."""
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [end_of_text_as_added_token()],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": BYTE_LEVEL,
        "model": model,
    }
    return json.dumps(content, ensure_ascii=False)


class WrittenTokenizer(Tokenizer):
    """A tokenizer that is all in an HF tokenizer.json, in our ids: any other program gives the same."""

    def __init__(self, tokenizer_json: str) -> None:
        """`tokenizer_json`: the content of the file, whose entry 0 is `<|endoftext|>`, and all others spelled in bytes."""
        self.tokenizer_json = tokenizer_json
        vocabulary: Any = json.loads(tokenizer_json)["model"]["vocab"]  # ids by spelling; of a Unigram, a list with scores
        by_id = sorted(vocabulary, key=vocabulary.__getitem__) if isinstance(vocabulary, dict) else [s for s, _ in vocabulary]
        _, *spellings = by_id
        super().__init__([END_OF_TEXT.encode(), *map(bytes_of, spellings)])

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        super().write_files(folder, held_out)
        (folder / TOKENIZER_FILE).write_text(self.tokenizer_json, encoding="utf-8")
        write_transformers_files(self, folder, held_out)

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        return cls((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))


def flat_tokenizer_json(primitive_json: str, primitives: Sequence[bytes], merges: Sequence[Sequence[int]]) -> str:
    """Returns the content of BTM's flat tokenizer.json.

    primitive_json: the primitives' own tokenizer.json; primitives: their bytes, by id; merges: BTM's, in order of rank, each
    of left id, right id, and whatever follows.
    """
    content: dict[str, Any] = json.loads(primitive_json)
    merges_of_primitives = [(left, right) for left, right in content["model"]["merges"]]
    spellings = [END_OF_TEXT, *map(spell, primitives[1:])]
    spaces = set(spell(_ASCII_SPACES))
    space_merges = [(left, right) for left, right in merges_of_primitives if set(left + right) <= spaces]
    contractions = [contraction for contraction in CONTRACTIONS if contraction in spellings]
    written = dict.fromkeys([*contractions, *(left + right for left, right in space_merges)])
    own = {spelling: chr(FIRST_OWN_CHARACTER + index) for index, spelling in enumerate(written)}

    # What BPE may merge on the way to a contraction is not merged either: `'r` for `'re`.
    not_merged = set(own) | {whole[:length] for whole in contractions for length in range(2, len(whole))}
    flat_merges = [(left, right) for left, right in merges_of_primitives if left + right not in not_merged]
    names = [own.get(spelling, spelling) for spelling in spellings]
    for left, right, *_ in merges:
        flat_merges.append((names[left], names[right]))
        names.append(names[left] + names[right])
    # If one merge were listed twice, HF would go by its last rank.
    assert len(set(names)) == len(names) and len(set(flat_merges)) == len(flat_merges), "an entry or merge twice"

    rules = [(f"{_not_after_punctuation()}{re.escape(whole)}", own[whole]) for whole in contractions]
    followed = _followed_by_space([own[left + right] for left, right in space_merges])
    for left, right in space_merges:  # in order of rank, each leftmost first: that is what BPE does
        left_now, right_now = (re.escape(own.get(part, part)) for part in (left, right))
        rules.append((f"{left_now}{right_now}{followed}", own[left + right]))
    content["added_tokens"] = [end_of_text_as_added_token()]
    content["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "ByteLevel"}, *(_replacement({"Regex": regex}, new) for regex, new in rules)],
    }
    content["pre_tokenizer"] = content["post_processor"] = None
    back = [_replacement({"String": character}, spelling) for spelling, character in own.items()]
    content["decoder"] = {"type": "Sequence", "decoders": [*back, BYTE_LEVEL]}
    content["model"]["vocab"] = {name: token for token, name in enumerate(names)}
    content["model"]["merges"] = flat_merges
    return json.dumps(content, ensure_ascii=False)


def _replacement(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _not_after_punctuation() -> str:
    """A lookbehind: no contraction begins inside a run of punctuation, nor after the space that such a run takes with it.

    Beyond ASCII it takes U+2000 to U+203F (dashes, quotation marks) for punctuation and everything else for letters.
    """
    controls = spell(bytes(byte for byte in (*range(32), 127) if byte not in _ASCII_SPACES))
    dashes_and_quotes = spell("\u2014".encode()[:2])
    return f"(?<![!-/:-@\\[-`{{-~{spell(b' ')}{controls}]|{dashes_and_quotes}.)"


def _followed_by_space(own_characters: Sequence[str]) -> str:
    """A lookahead: GPT-2's pre-tokenizer keeps a run of white space's last character apart, unless the text ends there."""
    one = f"[{spell(_ASCII_SPACES)}{''.join(own_characters)}]"
    return f"(?={one}|{'|'.join(spell(space.encode()) for space in _OTHER_SPACES)}|\\z)"


def write_transformers_files(
    tokenizer: Tokenizer, folder: Path, held_out: Sequence[str], knows_every_text: bool = True
) -> None:
    """Writes tokenizer_config.json and README.md beside a tokenizer.json that always gives this tokenizer's ids.

    knows_every_text: whether the tokenizer gives back every text that UTF-8 can hold; README.md says so.
    """
    _write_config(folder, {})
    documents, differing = measure_difference(tokenizer, folder / TOKENIZER_FILE, held_out)
    how = _EQUAL_ALWAYS
    if documents:
        how += f"Measured on {documents:,} held-out documents: {differing:,} got other ids.\n"
    _write_readme(folder, tokenizer, how, knows_every_text)


def write_transformers_files_of_btm(tokenizer: Tokenizer, scope: str, folder: Path, held_out: Sequence[str]) -> None:
    """Does the same for a flat tokenizer.json, if there is one, whose ids can differ, and for the exact class beside it."""
    shutil.copyfile(Path(__file__).with_name(EXACT_CLASS_FILE), folder / EXACT_CLASS_FILE)
    reference = f"{EXACT_CLASS_FILE.removesuffix('.py')}.{EXACT_CLASS}"
    _write_config(folder, {"auto_map": {"AutoTokenizer": [reference, None]}})
    if not (folder / TOKENIZER_FILE).is_file():
        return _write_readme(folder, tokenizer, _EXACT.format(class_file=EXACT_CLASS_FILE) + _NO_FLAT_FORM)
    documents, differing = measure_difference(tokenizer, folder / TOKENIZER_FILE, held_out)
    if documents:
        share = f"{differing / documents:.2%}"
        measured = f"**Measured on {documents:,} held-out documents: {differing:,} got other ids ({share}).**"
    else:
        measured = "**How often its ids differ was not measured here**: no held-out documents were given when this was saved."
    flat = _FLAT.format(why_ids_differ=_WHY_IDS_DIFFER[scope], measured=measured)
    return _write_readme(folder, tokenizer, "There are two ways. " + _EXACT.format(class_file=EXACT_CLASS_FILE) + flat)


def measure_difference(tokenizer: Tokenizer, tokenizer_json: Path, documents: Sequence[str]) -> tuple[int, int]:
    """Encodes documents by the tokenizer and by its tokenizer.json.

    Returns how many documents there were, and how many of them got at least one other id. Raises ValueError for a lone
    surrogate.
    """
    import tokenizers

    for index, document in enumerate(documents):
        utf8_length(document, f"held-out document {index}")
    flat = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    flat.encode_special_tokens = True
    theirs = flat.encode_batch_fast(documents, add_special_tokens=False)
    ours = tokenizer.encode_batch(documents)
    return len(documents), sum(a.tolist() != b.ids for a, b in zip(ours, theirs, strict=True))


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


def _write_readme(folder: Path, tokenizer: Tokenizer, how_to_load: str, knows_every_text: bool = True) -> None:
    known = _ALL_KNOWN if knows_every_text else _SOME_UNKNOWN
    about = {"recipe": tokenizer.recipe, "entries": tokenizer.vocab_size, "known": known}
    text = _README.format(**about, how_to_load=how_to_load)
    (folder / README_FILE).write_text(text, encoding="utf-8")


_README = """\
# A tokenizer of toktrial: recipe `{recipe}`, {entries:,} entries

{known}
`vocabulary.jsonl` lists the entries: id, bytes in hexadecimal, text. `toktrial.load_tokenizer` reads this folder.

## With transformers

{how_to_load}"""

_ALL_KNOWN = """\
Id 0 is `<|endoftext|>`, which ends a document and precedes the first; text that happens to spell it is ordinary text, and
never becomes id 0. There is no unknown token, for every byte is an entry, and no padding token: name one if you pad."""

_SOME_UNKNOWN = """\
Id 0 is `<|endoftext|>`, which ends a document and precedes the first. There is no padding token: name one if you pad.
This tokenizer does not give every text back. toktrial refuses a text that it would lose, and `transformers` does not: it may
leave out what is unknown, give it the id of an unknown token, or take such a text that spells `<|endoftext|>` for id 0."""

_EQUAL_ALWAYS = """\
```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
```

It gives the same ids as toktrial. Only characters that are new in Unicode can be cut differently, where the libraries that
split the text know different versions of Unicode.
"""

_EXACT = """\
This one gives the same ids as toktrial (except for characters that are new in Unicode, which the libraries
that split the text may not know). It runs `{class_file}` of this folder, which needs only `transformers` and `tokenizers`:

```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
```
"""

_NO_FLAT_FORM = """
There is no tokenizer.json, which would need no code of this folder: it cannot say that entries were given back, which arise on
the way to longer ones and are cut in two at the end.
"""

_FLAT = """
This one is several times as fast and runs no code of this folder. It decodes every id exactly, but its ids can differ:

```python
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
```

It is a flat form of the same tokenizer: one BPE whose merges are the primitives' merges and then BTM's. {why_ids_differ}

{measured}

Use the first where ids must be those that a model was trained on.
"""

_NOW_AND_THEN = """Now
and then a merge of primitives crosses a border of pre-tokens that the two steps never cross: beside a contraction that is
not a primitive, in white space beyond ASCII, or within a character."""
_WHY_IDS_DIFFER = {
    "any": _NOW_AND_THEN,
    "superbpe": _NOW_AND_THEN,
    "words": """It
cannot say that superwords are made of whole words, as this tokenizer's scope `words` demands (it may merge the beginning
of ` of them` as ` of the`), so **ids differ often**.""",
}
