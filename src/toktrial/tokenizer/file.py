"""A tokenizer.json that somebody else made, as a track: any byte-level BPE, in the ids that a trial needs.

The tokenizers stage makes it from a local file; from there on the flow treats it as it does BPE.

A trial needs `<|endoftext|>` at id 0, so the ids are not the file's: 0 is `<|endoftext|>`, then come the file's entries in
the order of their ids. Special tokens are left out, because text never becomes one, and so is what the file adds around a
text (a token at its beginning, say). Text does become an added token that is not special, before any merge sees it: a file
with one is refused here, and sources.py has `tokenizers` itself run it.
"""

import json
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID
from toktrial.tokenizer.bpe import CHECKED_TEXTS, ByteLevelTokenizer
from toktrial.tokenizer.transformers_files import BYTE_OF_CHARACTER, lossless_tokenizer_json

# Pre-tokenizers that cut a text without changing it; ByteLevel, which maps it to bytes, comes last.
CUTTING_PRE_TOKENIZERS = ("Split", "Digits", "Punctuation", "UnicodeScripts")


class FileTokenizer(ByteLevelTokenizer):
    """A byte-level BPE that somebody else learned; its ids run from 0 in the order of the file's."""

    recipe = "file"

    @classmethod
    def from_file(cls, path: Path | str) -> "FileTokenizer":
        """Reads a tokenizer.json of HF `tokenizers`.

        Raises TrialError if there is no such file, or if its tokenizer does not give every text back byte for byte.
        The message says why: a model other than BPE, entries other than byte strings, a normalizer, a prefixed space, an added
        token that text may become.
        """
        return cls.from_content(read_tokenizer_json(Path(path)), Path(path))

    @classmethod
    def from_content(cls, content: dict[str, Any], path: Path) -> "FileTokenizer":
        """Reads the content of the tokenizer.json at `path`, as HF `tokenizers` writes it. Raises TrialError as `from_file`."""
        tokenizer = cls(_with_our_ids(content, path))
        tokenizer._check_bytes_come_back(path)
        return tokenizer

    def _check_bytes_come_back(self, path: Path) -> None:
        # Every character up to the symbols, and one in 37 of those beyond: does a pattern that keeps its matches cover all?
        characters = [*range(0x3000), *range(0x3000, 0xD800, 37), *range(0xE000, 0x110000, 37)]
        for text in [*CHECKED_TEXTS, "".join(map(chr, characters)), " ".join(map(chr, characters))]:
            ids = self.encode(text)
            if END_OF_TEXT_ID in ids:
                raise _refused(path, f"it takes a text that spells {END_OF_TEXT} for one entry, which ends documents here")
            if self.decode_bytes(ids) != text.encode():
                raise TrialError(
                    f"{path} does not give every text back: {text[:60]!r} became {self.decode(ids)[:60]!r}. "
                    "A track needs a byte-level BPE that loses nothing"
                )


def read_tokenizer_json(path: Path) -> dict[str, Any]:
    """Reads the file as `tokenizers` does, so that old and new spellings of it become the same."""
    import tokenizers

    if not path.is_file():
        raise TrialError(f"there is no tokenizer at {path}: name a tokenizer.json of HF tokenizers")
    try:
        text = path.read_text(encoding="utf-8")
        if not isinstance(json.loads(text), dict):
            raise ValueError("it does not hold a JSON object")
        content: dict[str, Any] = json.loads(tokenizers.Tokenizer.from_str(text).to_str())
    except Exception as error:  # tokenizers raises a bare Exception
        raise TrialError(f"{path} is not a tokenizer.json that HF tokenizers can read: {error}") from None
    return content


def _with_our_ids(content: dict[str, Any], path: Path) -> str:
    """Returns the file's tokenizer as a tokenizer.json of our own: bytes in, bytes out, and nothing else."""
    model = content["model"]
    _check_added_tokens(content["added_tokens"], path)
    _check_model(model, path)
    _check_pipeline(content, path)
    added = {token["content"] for token in content["added_tokens"]}
    merges: list[list[str]] = model["merges"]
    merged = {part for left, right in merges for part in (left, right, left + right)}
    # A special token may be in the vocabulary too, out of reach of the merges; what merges reach is an entry like any other.
    left_out = (added | {END_OF_TEXT}) - merged
    vocabulary: dict[str, int] = model["vocab"]
    kept = [entry for entry in sorted(vocabulary, key=vocabulary.__getitem__) if entry not in left_out]
    _check_entries(kept, path)
    ours = model | {"unk_token": None, "vocab": {entry: token for token, entry in enumerate([END_OF_TEXT, *kept])}}
    return lossless_tokenizer_json(content["pre_tokenizer"], ours)


def _check_added_tokens(added: list[dict[str, Any]], path: Path) -> None:
    in_text = next((token["content"] for token in added if not token["special"]), None)
    if in_text is not None:
        raise _refused(path, f"its added token {in_text!r} is not special, so that it cuts a text before the merges do")


def _check_model(model: dict[str, Any], path: Path) -> None:
    if model["type"] != "BPE":
        raise _refused(path, f"its model is {model['type']}")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise _refused(path, f"its model has {name} = {model[name]!r}")
    if model.get("byte_fallback"):
        raise _refused(path, "its model has byte_fallback = true: its entries are characters, as in SentencePiece")


def _check_pipeline(content: dict[str, Any], path: Path) -> None:
    """Raises TrialError if something changes the text on its way to the BPE, other than from bytes to their characters."""
    normalizers = parts_of(content["normalizer"], "normalizers")
    if normalizers:
        raise _refused(path, f"its normalizer ({_types(normalizers)}) may change the text")
    cutting = parts_of(content["pre_tokenizer"], "pretokenizers")
    if not cutting or cutting[-1]["type"] != "ByteLevel":
        raise _refused(path, f"its pre-tokenizer is {_types(cutting) or 'none'}, and does not end with ByteLevel")
    if cutting[-1].get("add_prefix_space"):
        raise _refused(path, "its ByteLevel pre-tokenizer has add_prefix_space = true, which adds a space to a text")
    for part in cutting[:-1]:
        # Inverted, Removed keeps what the pattern matches. GPT-4's is often written this way, and matches everything.
        removes = part.get("behavior") == "Removed" and not part.get("invert")
        if removes or part["type"] not in CUTTING_PRE_TOKENIZERS:
            what = part["type"] + " with the behavior Removed" * removes
            raise _refused(path, f"its pre-tokenizer holds {what}, which may change the text")
    decoding = parts_of(content["decoder"], "decoders")
    if any(part["type"] != "ByteLevel" for part in decoding):
        raise _refused(path, f"its decoder is {_types(decoding)}, other than ByteLevel")


def _check_entries(entries: list[str], path: Path) -> None:
    foreign = next((entry for entry in entries if not entry or not set(entry) <= BYTE_OF_CHARACTER.keys()), None)
    if foreign is not None:
        raise _refused(path, f"its entry {foreign!r} is not spelled in GPT-2's alphabet of bytes")
    known = set(entries)
    missing = sorted(byte for character, byte in BYTE_OF_CHARACTER.items() if character not in known)
    if missing:
        listed = ", ".join(f"0x{byte:02X}" for byte in missing[:8])
        raise _refused(path, f"{len(missing)} of the 256 bytes are not entries ({listed}{', ...' * (len(missing) > 8)})")
    if END_OF_TEXT in known:
        raise TrialError(f"{path} has two entries of the same bytes: its merges make {END_OF_TEXT!r}, which is entry 0 here")


def parts_of(section: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Returns the steps of a section of tokenizer.json: none, one, or those of a Sequence, however deep."""
    if section is None:
        return []
    if section["type"] != "Sequence":
        return [section]
    return [part for inner in section[name] for part in parts_of(inner, name)]


def _types(parts: list[dict[str, Any]]) -> str:
    return ", ".join(part["type"] for part in parts)


def _refused(path: Path, what: str) -> TrialError:
    return TrialError(
        f"{path} cannot be a track: {what}. A track takes a byte-level BPE that gives text back byte for byte, "
        "such as those of GPT-2, GPT-4 and Llama 3"
    )
