"""Three ways to run somebody else's tokenizer, in its own ids: by `tokenizers`, by SentencePiece, in Python by `transformers`.

sources.py chooses one; foreign.py makes a track of it.
"""

import itertools
import json
import re
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, Self

from toktrial.errors import TrialError
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID
from toktrial.tokenizer.file import parts_of
from toktrial.tokenizer.transformers_files import end_of_text_as_added_token

MODEL_FILE = "tokenizer.model"
CONTENT_FILE = "tokenizer.json"
BYTE_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
# Of a ModelProto in protobuf's wire format: normalizer_spec { add_dummy_prefix: false }. What is appended wins.
WITHOUT_PREFIX = b"\x1a\x02\x18\x00"
NEVER = 1000.0  # nats below the rarest piece: no text is cut so

Spelling = str | bytes | None
"""How a tokenizer writes an entry: bytes where they are known, None for what text never becomes."""
_code_is_allowed: set[Path] = set()  # folders whose tokenizer may run code of its own, as long as this process lasts


class Encoder(Protocol):
    """Somebody's tokenizer, which gives its own ids."""

    kind: str

    def spellings(self) -> Sequence[Spelling]:
        """Returns how each entry is written, by id."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of every text, without any that are put around it."""

    def write(self, folder: Path) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote."""

    def tokenizer_json(self, our_ids: Sequence[int], entries: int) -> str | None:
        """Returns the content of a tokenizer.json that gives our ids, or None where there is none.

        our_ids: ours for each of its own, 0 for what is left out; several of its own may have one of ours. entries: how many
        ids of ours there are. There is none where text may become two of its own that have one of ours, for each spelling
        has one id in a tokenizer.json.
        """


class TokenizersEncoder:
    """A tokenizer.json of any kind, by HF `tokenizers`."""

    kind = "tokenizers"

    def __init__(self, tokenizer_json: str) -> None:
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json)
        self._tokenizer.encode_special_tokens = True

    def spellings(self) -> Sequence[Spelling]:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        added = self._tokenizer.get_added_tokens_decoder()
        found: list[Spelling] = [None] * (1 + max([*vocabulary.values(), *added]))
        for spelling, token in vocabulary.items():
            found[token] = spelling
        for token, about in added.items():
            if not about.special:
                # A piece may be listed again here, as Gemma's runs of U+2581 are: it goes on being spelled as pieces are.
                if vocabulary.get(about.content) != token:
                    found[token] = about.content.encode()
            elif self._tokenizer.model.__class__.__name__ != "Unigram":  # there, text may spell one
                found[token] = None
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def write(self, folder: Path) -> None:
        (folder / CONTENT_FILE).write_text(self._tokenizer.to_str(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls((folder / CONTENT_FILE).read_text(encoding="utf-8"))

    def tokenizer_json(self, our_ids: Sequence[int], entries: int) -> str | None:
        content = json.loads(self._tokenizer.to_str())
        model, added = content["model"], [token for token in content["added_tokens"] if not token["special"]]
        is_list = isinstance(model["vocab"], list)  # of a Unigram, where the place is the id
        listed = [piece for piece, _ in model["vocab"]] if is_list else []
        vocabulary = {piece: token for token, piece in enumerate(listed)} if is_list else dict(model["vocab"])
        vocabulary |= {token["content"]: token["id"] for token in added}
        # A byte to fall back to: the same character as a piece of its own is what text becomes.
        unused = {piece for piece in vocabulary if BYTE_FALLBACK.fullmatch(piece)}
        if _replaces_spaces(content):
            unused |= {piece for piece in vocabulary if " " in piece}.difference(token["content"] for token in added)
        if _shares_ids(vocabulary.keys() - unused, vocabulary, our_ids):
            return None
        moved = _moved(vocabulary, unused, our_ids, entries)
        if is_list:
            scores = dict(model["vocab"]) | {END_OF_TEXT: min(score for _, score in model["vocab"]) - NEVER}
            if moved.keys() != scores.keys() or model["unk_id"] is None:
                return None
            model["unk_id"] = moved[listed[model["unk_id"]]]
            model["vocab"] = [(piece, scores[piece]) for piece in sorted(moved, key=moved.__getitem__)]
        else:
            model["vocab"] = moved
        content["added_tokens"] = [end_of_text_as_added_token(), *(token | {"id": moved[token["content"]]} for token in added)]
        return json.dumps(content, ensure_ascii=False)


class SentencePieceEncoder:
    """A SentencePiece model, by its own library; without the space that it would put before every text."""

    kind = "sentencepiece"

    def __init__(self, model: bytes, name: str) -> None:
        """`name`: what errors call it. Raises TrialError where sentencepiece is missing or cannot read the model."""
        try:
            import sentencepiece
        except ImportError:
            raise TrialError(f"{name} needs sentencepiece: pip install 'toktrial[sentencepiece]'") from None
        self._model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model + WITHOUT_PREFIX)
        except RuntimeError as error:
            raise TrialError(
                f"{name} is no tokenizer.json, .tiktoken file or SentencePiece model that can be read ({error})"
            ) from None

    def spellings(self) -> Sequence[Spelling]:
        processor = self._processor
        return [
            None if processor.is_control(token) or processor.is_unknown(token) else processor.id_to_piece(token)
            for token in range(processor.vocab_size())
        ]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._processor.encode(list(texts), out_type=int)
        return encoded

    def write(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls((folder / MODEL_FILE).read_bytes(), str(folder / MODEL_FILE))

    def tokenizer_json(self, our_ids: Sequence[int], entries: int) -> str | None:  # noqa: ARG002
        return None


class TransformersEncoder:
    """A tokenizer in Python, as `transformers.AutoTokenizer` loads it."""

    kind = "transformers"

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def spellings(self) -> Sequence[Spelling]:
        found: list[Spelling] = list(self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer)))))
        for token, about in self._tokenizer.added_tokens_decoder.items():
            found[token] = None if about.special else about.content.encode()
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) for text in texts]

    def write(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(auto_tokenizer(str(folder), allow_code=folder.resolve() in _code_is_allowed))

    def tokenizer_json(self, our_ids: Sequence[int], entries: int) -> str | None:  # noqa: ARG002
        return None


ENCODERS: dict[str, type[Encoder]] = {
    kind.kind: kind for kind in (TokenizersEncoder, SentencePieceEncoder, TransformersEncoder)
}


def _replaces_spaces(content: dict[str, Any]) -> bool:
    """Whether the model of a tokenizer.json never sees a space, because another character takes its place (SentencePiece's)."""
    if any(part["type"] == "Metaspace" for part in parts_of(content["pre_tokenizer"], "pretokenizers")):
        return True
    *_, last = [{}, *parts_of(content["normalizer"], "normalizers")]
    return last.get("type") == "Replace" and last["pattern"] == {"String": " "} and " " not in last["content"]


def _shares_ids(spellings: Iterable[str], vocabulary: dict[str, int], our_ids: Sequence[int]) -> bool:
    """Whether two spellings have one id of ours, apart from the id of what is left out."""
    ours = [our_ids[vocabulary[spelling]] for spelling in spellings]
    kept = [each for each in ours if each != END_OF_TEXT_ID]
    return len(set(kept)) < len(kept)


def _moved(vocabulary: dict[str, int], unused: Set[str], our_ids: Sequence[int], entries: int) -> dict[str, int]:
    """Returns our ids by spelling. What is left out, or has the bytes of another, gets an id beyond those of our entries.

    unused: spellings that text does not become where another one has the same bytes.
    """
    ours = {spelling: our_ids[token] for spelling, token in vocabulary.items()}
    by_id = sorted(vocabulary, key=vocabulary.__getitem__)
    has_the_id: dict[int, str] = {}
    for spelling in sorted(by_id, key=unused.__contains__):
        has_the_id.setdefault(ours[spelling], spelling)
    moved, spare = {END_OF_TEXT: END_OF_TEXT_ID}, itertools.count(entries)
    for spelling in sorted(by_id, key=lambda each: bool(BYTE_FALLBACK.fullmatch(each))):
        kept = ours[spelling] != END_OF_TEXT_ID and has_the_id[ours[spelling]] == spelling
        moved.setdefault(spelling, ours[spelling] if kept else next(spare))
    return moved


def allow_code_in(folder: Path) -> None:
    """Lets the tokenizer in a folder that an encoder wrote run code of its own, as long as this process lasts."""
    _code_is_allowed.add(folder.resolve())


def auto_tokenizer(name: str, revision: str | None = None, allow_code: bool = False) -> Any:
    """Returns what `transformers.AutoTokenizer` loads from a folder or the hub.

    Raises TrialError where transformers is missing, where it cannot load that, and for code that is not allowed.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise TrialError(f"{name} needs transformers: pip install 'toktrial[transformers]'") from None
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=allow_code)
    except Exception as error:  # whatever a tokenizer's own code or files make it raise
        reason = str(error).strip().partition("\n")[0]
        if "trust_remote_code" in str(error):
            raise TrialError(f"the tokenizer in {name} runs code of its own: if you trust it, add --allow-code") from None
        raise TrialError(f"transformers cannot load a tokenizer from {name} ({reason})") from None
