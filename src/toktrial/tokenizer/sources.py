"""What the recipe `file` names, opened: a tokenizer.json, a SentencePiece model, a .tiktoken file, or what transformers loads.

A path -> FileTokenizer, if it is a byte-level BPE, which has a fast encoder; else ForeignTokenizer.
"""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from toktrial import artifact
from toktrial.corpus.config import HUB_PREFIX
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import CL100K_PATTERN
from toktrial.tokenizer.config import FileRecipe
from toktrial.tokenizer.encoders import (
    Encoder,
    SentencePieceEncoder,
    TokenizersEncoder,
    TransformersEncoder,
    auto_tokenizer,
)
from toktrial.tokenizer.file import FileTokenizer, parts_of, read_tokenizer_json
from toktrial.tokenizer.foreign import ForeignTokenizer
from toktrial.tokenizer.transformers_files import BYTE_LEVEL, spell

SAMPLED_DOCUMENTS = 1000  # in which a tokenizer that loses text is looked for before the whole corpus is encoded
NO_PREFIX: dict[str, dict[str, Any]] = {"ByteLevel": {"add_prefix_space": False}, "Metaspace": {"prepend_scheme": "never"}}
OF_TIKTOKEN = re.compile(rb"[\r\n]*[A-Za-z0-9+/]+={0,2} \d+\s")  # how such a file begins
NO_RANK = float("inf")
# How known encodings cut a text. Source: openai/tiktoken, tiktoken_ext/openai_public.py, without its possessive quantifiers,
# which only save time.
PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k_base": CL100K_PATTERN,
    "o200k_base": "|".join([
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ]),
}  # fmt: skip


def silent(_: str) -> None:
    """Says nothing."""


def load_file_track(
    recipe: FileRecipe,
    documents: Iterable[str] = (),
    allow_code: bool = False,
    say: Callable[[str], None] = silent,
) -> Tokenizer:
    """Opens what the recipe names. `say` is told what the track leaves out of it.

    documents: some of them are tried, so that a tokenizer that loses text is refused at once. allow_code: whether a tokenizer
    may run code of its own. Raises TrialError for what cannot be opened, for what loses text (naming the first), and for more
    entries than the recipe's `vocab_size`, unless that is 0.
    """
    tokenizer = _opened(recipe, documents, allow_code, say)
    if 0 < recipe.vocab_size < tokenizer.vocab_size:
        raise TrialError(
            f"{recipe.path} has {tokenizer.vocab_size:,} entries (<|endoftext|> among them), but the track's vocab_size is "
            f"{recipe.vocab_size:,}: raise it for all tracks, give this track one of its own, or take a smaller tokenizer"
        )
    return tokenizer


def file_fingerprint(recipe: FileRecipe) -> str:
    """Returns what identifies the tokenizer's folder in a trial. Raises TrialError where there is nothing at the path."""
    path = Path(recipe.path)
    inputs: dict[str, Any] = {"vocab_size": recipe.vocab_size}
    if recipe.pattern:
        inputs["pattern"] = recipe.pattern
    if recipe.path.startswith(HUB_PREFIX):
        inputs["hub"] = recipe.path
    elif path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        inputs["files"] = {each.relative_to(path).as_posix(): artifact.file_sha256(each) for each in files}
    else:
        inputs["sha256"] = artifact.file_sha256(_existing(path))
    return artifact.fingerprint("file tokenizer", inputs)


def is_elsewhere(path: str) -> bool:
    """Whether a trial that has taken a tokenizer over need not ask for it again: on the hub, or no longer there."""
    return path.startswith(HUB_PREFIX) or not Path(path).exists()


def _opened(recipe: FileRecipe, documents: Iterable[str], allow_code: bool, say: Callable[[str], None]) -> Tokenizer:
    path = Path(recipe.path)
    if recipe.path.startswith(HUB_PREFIX) or path.is_dir():
        name, _, revision = recipe.path.removeprefix(HUB_PREFIX).partition("@") if not path.is_dir() else (recipe.path, "", "")
        loaded = auto_tokenizer(name, revision, allow_code)
        if not loaded.is_fast:
            return _checked_in_python(loaded, recipe.path, documents, say)
        return _of_content(json.loads(loaded.backend_tokenizer.to_str()), recipe.path, documents, say)
    data = _existing(path).read_bytes()
    if OF_TIKTOKEN.match(data):
        return FileTokenizer.from_content(_of_tiktoken(data, recipe), path)
    if data[:1] and data.lstrip()[:1] not in (b"{", b"[", b""):
        return _checked(SentencePieceEncoder(data, recipe.path), recipe.path, documents, say)
    return _of_content(read_tokenizer_json(path), recipe.path, documents, say)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise TrialError(
            f"there is no tokenizer at {path}: a track's `path` must lead from {Path.cwd()} to a tokenizer.json, another "
            f"tokenizer's file or folder, or begin with {HUB_PREFIX}"
        )
    return path


def _of_content(content: dict[str, Any], name: str, documents: Iterable[str], say: Callable[[str], None]) -> Tokenizer:
    """Returns the tokenizer of a tokenizer.json: a byte-level BPE that loses nothing where it is one."""
    plain = _without_prefix(content)
    if plain != content:
        say(f"{name} puts a space before every text. Bytes would not come back so, and the track leaves it out")
    if content["model"].get("dropout"):
        raise TrialError(f"{name} cannot be a track: its model has dropout, so it cuts a text in another way each time")
    try:
        return FileTokenizer.from_content(plain, Path(name))
    except TrialError:
        bare = {"truncation": None, "padding": None, "post_processor": None}
        return _checked(TokenizersEncoder(json.dumps(plain | bare, ensure_ascii=False)), name, documents, say)


def _checked(encoder: Encoder, name: str, documents: Iterable[str], say: Callable[[str], None]) -> ForeignTokenizer:
    tokenizer = ForeignTokenizer.checked(encoder, name, list(itertools.islice(documents, SAMPLED_DOCUMENTS)))
    if tokenizer.merged:
        say(f"{name}: {tokenizer.merged:,} entries have the bytes of another one, and share its id in the track")
    return tokenizer


def _checked_in_python(loaded: Any, name: str, documents: Iterable[str], say: Callable[[str], None]) -> ForeignTokenizer:
    try:
        return _checked(TransformersEncoder(loaded), name, documents, say)
    except TrialError:
        raise
    except Exception as error:  # whatever somebody's code raises
        raise TrialError(f"{name} cannot be a track: its tokenizer {type(loaded).__name__} failed ({error!r})") from None


def _without_prefix(content: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of a tokenizer.json that puts no space before a text; the same one if it does not."""
    normalizers = parts_of(content["normalizer"], "normalizers")
    kept = [part for part in normalizers if part["type"] != "Prepend"]
    cutting = parts_of(content["pre_tokenizer"], "pretokenizers")
    changed = [part | NO_PREFIX.get(part["type"], {}) for part in cutting]
    if (kept, changed) == (normalizers, cutting):
        return content
    decoding = [part for part in parts_of(content["decoder"], "decoders") if part["type"] != "Strip"]
    decoders = [part | NO_PREFIX.get(part["type"], {}) for part in decoding]
    return content | {
        "decoder": {"type": "Sequence", "decoders": decoders} if decoders else None,
        "normalizer": {"type": "Sequence", "normalizers": kept},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": changed} if changed else None,
    }


def _of_tiktoken(data: bytes, recipe: FileRecipe) -> dict[str, Any]:
    """Returns the content of a tokenizer.json that gives tiktoken's tokens.

    Raises TrialError for a damaged file, and without a pattern that is a regular expression.
    """
    import tokenizers

    if not recipe.pattern:
        raise TrialError(
            f"{recipe.path} does not say how to cut a text: set the track's pattern to {', '.join(PATTERNS)} or a regular "
            "expression"
        )
    pattern = PATTERNS.get(recipe.pattern, recipe.pattern)
    try:
        tokenizers.Regex(pattern)
    except Exception as error:  # tokenizers raises a bare Exception
        raise TrialError(
            f"the pattern {pattern!r} is neither {', '.join(PATTERNS)} nor a regular expression ({error})"
        ) from None
    try:
        lines = filter(None, data.splitlines())  # tiktoken skips empty ones, too
        ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    except ValueError as error:
        raise TrialError(f"{recipe.path} is damaged: not every line is bytes in base64 and a rank ({error})") from None
    ordered = sorted(ranks, key=ranks.__getitem__)
    parts = [_parts(token, ranks) for token in ordered if len(token) > 1]
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    bytes_alone = BYTE_LEVEL | {"add_prefix_space": False, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split | {"invert": False}, bytes_alone]},
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "ignore_merges": any(len(of_token) > 2 for of_token in parts),  # else only a whole word becomes that token
            "vocab": {spell(token): place for place, token in enumerate(ordered)},
            "merges": [list(map(spell, of_token)) for of_token in parts if len(of_token) == 2],
        },
    }


def _parts(token: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Returns the two parts that tiktoken joins last to make a token of several bytes; more where it never gets there.

    tiktoken joins any two parts side by side that spell a token, those of the lowest rank first. No other two parts need a
    merge: where two parts spell this token, nothing was joined across its ends on the way, so that all within it was joined
    in the order that it is here, whatever stands around. Which need not be ranks below its own: of ab, abcd, abc in that order,
    abcd is abc and d.

    >>> _parts(b"abcd", {b"ab": 4, b"abcd": 5, b"abc": 6})
    [b'abc', b'd']
    """
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        joined = [ranks.get(left + right, NO_RANK) for left, right in itertools.pairwise(parts)]
        lowest = min(joined)
        if lowest == NO_RANK:
            break
        place = joined.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts
