"""BTM's two steps as one flat tokenizer.json: what `tokenizers` can say of them, for programs that read nothing else.

One BPE over whole documents: its merges are the primitives' merges, then BTM's. Alone, that lets merges of primitives cross
borders of pre-tokens. Nearly all such borders lie in runs of white space (`\\n\\nOnce` is `\\n`, `\\n`, `Once`) and beside
contractions (`'re` in `we're`, but not in ` 'repeat'`), and where they lie can be told from the characters around. So the
primitives made of white space alone, and the contractions, are not merged by the BPE but written by the normalizer, each
as one character of its own, where and only where GPT-2's pre-tokenizer gives them.

What is left to differ: rare contractions that are no primitive, white space beyond ASCII, a character cut between pre-tokens;
and, in the scope `words`, all merges that the flat form makes within a word that is not whole.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from toktrial.tokenizer.base import END_OF_TEXT
from toktrial.tokenizer.byte_level import character_of_byte
from toktrial.tokenizer.transformers_files import end_of_text_as_added_token

CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")  # as GPT-2's pre-tokenizer has them
FIRST_OWN_CHARACTER = 0xE000  # private use, so beyond the alphabet of bytes

_ASCII_SPACES = b"\t\n\x0b\x0c\r "
# White space beyond ASCII (Unicode's White_Space), which may follow a run of ASCII's.
_OTHER_SPACES = [*"\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B))]


def spell(entry: bytes) -> str:
    """Returns bytes in GPT-2's alphabet, a character for each.

    >>> spell(b" of the")
    'ĠofĠthe'
    """
    return "".join(character_of_byte()[byte] for byte in entry)


def flat_tokenizer_json(primitive_json: str, primitives: Sequence[bytes], merges: Sequence[Sequence[int]]) -> str:
    """Returns the content of the flat tokenizer.json.

    primitive_json: the primitives' own tokenizer.json; primitives: their bytes, by id; merges: BTM's, in order of rank, each
    of left id, right id, id and whatever follows.
    """
    content: dict[str, Any] = json.loads(primitive_json)
    merges_of_primitives = [(left, right) for left, right in content["model"]["merges"]]
    spellings = [END_OF_TEXT, *map(spell, primitives[1:])]
    spaces = set(spell(_ASCII_SPACES))
    space_merges = [(left, right) for left, right in merges_of_primitives if set(left + right) <= spaces]
    contractions = [contraction for contraction in CONTRACTIONS if contraction in spellings]
    written = dict.fromkeys([*contractions, *(left + right for left, right in space_merges)])
    own = {spelling: chr(FIRST_OWN_CHARACTER + index) for index, spelling in enumerate(written)}

    not_merged = set(own) | {part for whole in contractions for part in _beginnings(whole)}
    flat_merges = [(left, right) for left, right in merges_of_primitives if left + right not in not_merged]
    names = [own.get(spelling, spelling) for spelling in spellings]
    for left, right, *_ in merges:
        flat_merges.append((names[left], names[right]))
        names.append(names[left] + names[right])
    # One merge listed twice: HF would go by its last rank.
    assert len(set(names)) == len(names) and len(set(flat_merges)) == len(flat_merges), "an entry or merge twice"

    rules = [(f"{_after_no_punctuation()}{re.escape(whole)}", own[whole]) for whole in contractions]
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
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    back = [_replacement({"String": character}, spelling) for spelling, character in own.items()]
    content["decoder"] = {"type": "Sequence", "decoders": [*back, byte_level]}
    content["model"]["vocab"] = {name: token for token, name in enumerate(names)}
    content["model"]["merges"] = flat_merges
    return json.dumps(content, ensure_ascii=False)


def _replacement(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _beginnings(contraction: str) -> list[str]:
    """What BPE may merge on the way to a contraction: `'r` for `'re`."""
    return [contraction[:length] for length in range(2, len(contraction))]


def _after_no_punctuation() -> str:
    """A lookbehind: a contraction begins no run of punctuation's end, and not behind the space that such a run takes with it.

    Beyond ASCII it takes U+2000 to U+203F (dashes, quotation marks) for punctuation and all else for letters.
    """
    controls = spell(bytes(byte for byte in (*range(32), 127) if byte not in _ASCII_SPACES))
    dashes_and_quotes = spell("\u2014".encode()[:2])
    return f"(?<![!-/:-@\\[-`{{-~{spell(b' ')}{controls}]|{dashes_and_quotes}.)"


def _followed_by_space(own_characters: Sequence[str]) -> str:
    """A lookahead: GPT-2's pre-tokenizer keeps a run of white space's last character apart, unless the text ends there."""
    one = f"[{spell(_ASCII_SPACES)}{''.join(own_characters)}]"
    return f"(?={one}|{'|'.join(spell(space.encode()) for space in _OTHER_SPACES)}|\\z)"
