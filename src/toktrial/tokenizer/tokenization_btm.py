"""BTM's exact ids within `transformers`: loaded by `AutoTokenizer.from_pretrained(folder, trust_remote_code=True)`.

toktrial copies this file, unchanged, into the folder of every BTM tokenizer that it writes. It stands alone: it needs
`transformers` and `tokenizers`, and reads primitive/tokenizer.json and btm_merges.json beside it.
"""

import heapq
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizer

END_OF_TEXT = "<|endoftext|>"
PRIMITIVE_FILE = "primitive/tokenizer.json"
MERGES_FILE = "btm_merges.json"
FLAT_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
SCOPES = ("any", "words", "superbpe")


class ExactBTMTokenizer(PreTrainedTokenizer):
    """BPE-TKN-Merge: text to the ids of a small BPE, then merges of those ids in order of rank, across word boundaries.

    Id 0 is `<|endoftext|>`; text that spells it is text, unless `split_special_tokens=False` is asked for.
    """

    vocab_files_names = {"primitive_file": PRIMITIVE_FILE, "merges_file": MERGES_FILE}  # noqa: RUF012  # as transformers has it
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self,
        primitive_file: str,
        merges_file: str,
        tokenizer_file: str | None = None,
        eos_token: Any = END_OF_TEXT,
        bos_token: Any = END_OF_TEXT,
        split_special_tokens: bool = True,
        clean_up_tokenization_spaces: bool = False,
        **settings: Any,
    ) -> None:
        """Takes paths of files; `tokenizer_file` is the flat form of the same tokenizer, kept only to be saved again.

        Raises ValueError for a scope that this file does not know.
        """
        self._texts = {PRIMITIVE_FILE: _read(primitive_file), MERGES_FILE: _read(merges_file)}
        if tokenizer_file is not None:
            self._texts[FLAT_FILE] = _read(tokenizer_file)
        self._primitive = Tokenizer.from_str(self._texts[PRIMITIVE_FILE])
        content = json.loads(self._texts[MERGES_FILE])
        vocabulary: dict[str, int] = self._primitive.get_vocab(with_added_tokens=False)
        spellings = sorted(vocabulary, key=vocabulary.__getitem__)
        entries = [_bytes_of(spelling) for spelling in spellings]
        self._merges: dict[tuple[int, int], int] = {}
        for left, right in content["merges"]:
            self._merges[left, right] = len(entries)
            entries.append(entries[left] + entries[right])
            spellings.append(spellings[left] + spellings[right])
        # Entries that were given back arise on the way to longer ones; what is left of them is cut into their parts.
        pruned = {token: (left, right) for token, left, right in content.get("pruned", [])}
        self._cut: list[list[str]] = []  # of every id of the merges, the entries that it becomes
        for token, spelling in enumerate(spellings):
            left, right = pruned.get(token, (0, 0))
            self._cut.append([spelling] if token not in pruned else self._cut[left] + self._cut[right])
        self._entries = [entry for token, entry in enumerate(entries) if token not in pruned]
        self._spellings = [spelling for token, spelling in enumerate(spellings) if token not in pruned]
        self._ids = {spelling: token for token, spelling in enumerate(self._spellings)}
        self._scope = _Scope(content["scope"], entries)
        super().__init__(  # type: ignore[no-untyped-call]
            eos_token=eos_token,
            bos_token=bos_token,
            split_special_tokens=split_special_tokens,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            **settings,
        )

    @property
    def vocab_size(self) -> int:
        return len(self._entries)

    def get_vocab(self) -> dict[str, int]:
        return {**self._ids, **self._added_tokens_encoder}

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        self._primitive.encode_special_tokens = True  # a pickled Tokenizer forgets it
        primitives = self._primitive.encode(text, add_special_tokens=False).ids
        return [spelling for token in self._merge(primitives) for spelling in self._cut[token]]

    def _merge(self, primitives: Sequence[int]) -> list[int]:
        """Applies the merges in order of rank, each leftmost first.

        It always takes the merge of lowest rank that any pair allows: a pair that arises from a merge has a higher rank.
        """
        tokens: list[Any] = [None, *primitives, None]  # None: the text begins or ends here, or a token was merged away
        following, previous = list(range(1, len(tokens) + 1)), list(range(-1, len(tokens) - 1))
        waiting: list[tuple[int, int]] = []  # (merged id, place of the left token): lowest rank, then leftmost

        def consider(place: int) -> None:
            right = following[place]
            merged = self._merges.get((tokens[place], tokens[right]))
            if merged is not None and self._scope.may_merge(
                tokens[previous[place]], tokens[place], tokens[right], tokens[following[right]]
            ):
                heapq.heappush(waiting, (merged, place))

        for place in range(1, len(primitives)):
            consider(place)
        while waiting:
            merged, place = heapq.heappop(waiting)
            right = following[place]
            if self._merges.get((tokens[place], tokens[right])) != merged:
                continue  # either token has been merged since
            tokens[place], tokens[right] = merged, None
            following[place] = following[right]
            previous[following[place]] = place
            consider(previous[place])
            consider(place)
        return [token for token in tokens if token is not None]

    def _convert_token_to_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def _convert_id_to_token(self, index: int) -> str:
        if not 0 <= index < len(self._spellings):
            raise IndexError(f"there is no entry {index}: the ids run from 0 to {len(self._spellings) - 1}")
        return self._spellings[index]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Returns the text of tokens; bytes that are not UTF-8 (a cut character) become U+FFFD."""
        known = (self._entries[self._ids[token]] if token in self._ids else token.encode() for token in tokens)
        return b"".join(known).decode(errors="replace")

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Writes the files that this tokenizer was read from. Raises ValueError for a prefix, which no reader would find."""
        if filename_prefix:
            raise ValueError(f"the files of a BTM tokenizer have fixed names, but filename_prefix is {filename_prefix!r}")
        paths = [Path(save_directory) / name for name in self._texts]
        for path, text in zip(paths, self._texts.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tuple(map(str, paths))

    def save_pretrained(self, save_directory: Any, *arguments: Any, **settings: Any) -> tuple[str, ...]:
        """Saves a folder that AutoTokenizer reads like the original: without trust_remote_code, it takes the flat form."""
        written: tuple[str, ...] = super().save_pretrained(save_directory, *arguments, **settings)
        path = Path(save_directory) / CONFIG_FILE
        if FLAT_FILE in self._texts and path.is_file():
            config = json.loads(_read(path)) | {"tokenizer_class": "PreTrainedTokenizerFast"}
            path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return written


class _Scope:
    """Which positions may merge: any in `any` and `superbpe`; in `words`, the parts of a word, and superwords of whole words.

    In `words`, the junction of two tokens is inside a word when the bytes on both its sides are word bytes: ASCII letters
    and digits, and all bytes of 128 and above. A merge there needs each token to lie within one word (a leading space
    aside); any other merge needs no junction inside a word on either of its outer sides.
    """

    def __init__(self, name: str, entries: Sequence[bytes]) -> None:
        if name not in SCOPES:
            raise ValueError(f"{MERGES_FILE} has the scope {name!r}, but this {Path(__file__).name} knows {', '.join(SCOPES)}")
        self._is_words = name == "words"
        if self._is_words:
            self._starts = [_is_word(entry[:1]) for entry in entries]
            self._ends = [_is_word(entry[-1:]) for entry in entries]
            self._within = [_is_word(entry.removeprefix(b" ")) for entry in entries]

    def may_merge(self, before: int | None, left: int, right: int, after: int | None) -> bool:
        """Whether `left` and `right` may merge between `before` and `after`; None: the text begins or ends there."""
        if not self._is_words:
            return True
        if self._is_inside_word(left, right):
            return self._within[left] and self._within[right]
        return not self._is_inside_word(before, left) and not self._is_inside_word(right, after)

    def _is_inside_word(self, left: int | None, right: int | None) -> bool:
        return left is not None and right is not None and self._ends[left] and self._starts[right]


def _is_word(part: bytes) -> bool:
    return bool(part) and all(byte >= 128 or chr(byte).isalnum() for byte in part)


def _read(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def _bytes_of(spelling: str) -> bytes:
    """Returns the bytes that characters of GPT-2's alphabet stand for: printable ones for themselves, others from U+0100 on."""
    return bytes(_BYTE_OF[character] for character in spelling)


_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_BYTE_OF = {chr(byte): byte for byte in _PRINTABLE}
_BYTE_OF |= {chr(256 + i): byte for i, byte in enumerate(byte for byte in range(256) if byte not in _PRINTABLE)}
