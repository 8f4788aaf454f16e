"""Does every document come back from the tokenizers as it was, and are its ids those of the slow twin?

Documents are random characters of all planes, random bytes that are UTF-8, lines of stories mutated, spellings of
`<|endoftext|>`, runs, next to nothing, all of these joined, and once in a while a very long one. A BPE and a BTM of each
scope encode them. On a sample without characters that are new in Unicode, the ids are compared as well: BPE's with those of
HF `tokenizers`, BTM's with what reference.py makes of these.
"""

import argparse
import random
import unicodedata
from collections.abc import Callable, Sequence

from faults.difference import Difference
from toktrial import progress
from toktrial.tokenizer import reference
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from workload import add_corpus_option, texts

END_OF_TEXT = "<|endoftext|>"
SURROGATES = range(0xD800, 0xE000)
BATCH = 10_000
LONG_EVERY = 20_000  # one document of so many is very long
LONGEST_COMPARED = 5000  # characters; the slow twin would take minutes for a very long document
SHOWN = 2000  # characters of a document that are printed
LEARNED_MEGABYTES = 0.5

Lines = Sequence[str]


def document(seed: int, number: int, lines: Lines) -> str:
    """Returns the document of that number, the same whatever came before it."""
    dice = random.Random(f"{seed} {number}")
    text = dice.choice(KINDS)(dice, lines)
    if number % LONG_EVERY == LONG_EVERY - 1:
        parts = [text, *(dice.choice(KINDS)(dice, lines) for _ in range(50))]
        return "".join(parts) * dice.randint(100, 1000)
    return text


def _of_all_planes(dice: random.Random, lines: Lines) -> str:  # noqa: ARG001  # as every kind
    return "".join(_character(dice.randrange(17) << 16 | dice.randrange(1 << 16)) for _ in range(dice.randint(1, 20)))


def _of_one_block(dice: random.Random, lines: Lines) -> str:  # noqa: ARG001  # as every kind
    """Characters near to each other, as in a script with its marks; half of the time in a script of today."""
    block = dice.choice((dice.randrange(0x30), dice.randrange(0x1100))) << 8
    return "".join(_character(block | dice.randrange(256)) for _ in range(dice.randint(1, 40)))


def _character(point: int) -> str:
    return chr(point) if point not in SURROGATES else "\ufffd"


def _bytes(dice: random.Random, lines: Lines) -> str:  # noqa: ARG001  # as every kind
    return dice.randbytes(dice.randint(1, 120)).decode(errors="ignore")


def _mutated(dice: random.Random, lines: Lines) -> str:
    text = dice.choice(lines)
    for _ in range(dice.randint(1, 4)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.choice((0, 1, 1, 2, 5, 20)))
        part = text[start:end]
        changed = dice.choice((part[::-1], part.upper(), part * 2, "", dice.choice(KINDS[:3])(dice, lines), *_SPLINTERS))
        text = text[:start] + changed + text[end:]
    return text


def _spelling(dice: random.Random, lines: Lines) -> str:  # noqa: ARG001  # as every kind
    """`<|endoftext|>`, whole or cut anywhere, once or several times, beside space and letters."""
    cut = dice.randint(0, len(END_OF_TEXT))
    pieces = (END_OF_TEXT, END_OF_TEXT[:cut], END_OF_TEXT[cut:], *_SPLINTERS)
    return "".join(dice.choices(pieces, k=dice.randint(1, 6)))


def _run(dice: random.Random, lines: Lines) -> str:
    period = dice.choice((_of_one_block, _mutated, _spelling))(dice, lines)[: dice.randint(1, 4)]
    return period * dice.choice((2, 10, 60, 300)) if dice.random() < 0.99 else period * 2000


def _next_to_nothing(dice: random.Random, lines: Lines) -> str:  # noqa: ARG001  # as every kind
    return "".join(dice.choices(_SPLINTERS, k=dice.randint(0, 2)))


def _joined(dice: random.Random, lines: Lines) -> str:
    return "".join(dice.choice(KINDS[:-1])(dice, lines) for _ in range(dice.randint(2, 4)))


KINDS = (_of_all_planes, _of_one_block, _bytes, _mutated, _spelling, _run, _next_to_nothing, _joined)
_SPLINTERS = (
    "\n",
    " ",
    "  ",
    "\r\n",
    "\t",
    "\0",
    "\ufeff",
    "\u00a0",
    "\u2028",
    "a",
    " the",
    "'s",
    "1",
    "e\u0301",
    "\U0010ffff",
)


def learn_tokenizers(lines: Lines) -> dict[str, Tokenizer]:
    """Learns from the storybook, and from documents of every kind, so that there are entries beyond its letters too."""
    learned = [*texts(LEARNED_MEGABYTES, None), *(document(-1, number, lines) for number in range(3000))]
    bpe = BPETokenizer.train(learned, 2000)
    scopes = ("any", "words")
    return {
        "bpe": bpe,
        **{f"btm, scope {scope}": BTMTokenizer.train(learned, 3000, primitive=bpe.cut(700), scope=scope) for scope in scopes},
    }


def slow_twin(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """Returns what gives the ids of a text slowly: HF `tokenizers`, followed by reference.py for BTM."""
    if isinstance(tokenizer, BPETokenizer):
        return lambda text: list(tokenizer.hf.encode(text, add_special_tokens=False).ids)
    assert isinstance(tokenizer, BTMTokenizer)
    primitives = slow_twin(tokenizer.primitive)
    scope = reference.ReferenceScope(tokenizer.scope, tokenizer.token_bytes)
    merges = [(tokenizer.token_bytes[merge[2]], merge) for merge in tokenizer.merges.tolist()]

    def encode(text: str) -> list[int]:
        data = text.encode()  # a merge whose bytes are nowhere in it has nothing to do
        return reference.encode(primitives(text), [merge for entry, merge in merges if entry in data], scope)

    return encode


def has_new_characters(text: str) -> bool:
    """Whether a text holds characters that the libraries may class differently, as they know other versions of Unicode.

    They are those that Python's own Unicode does not know, which is older than either library's.
    """
    return any(unicodedata.category(character) == "Cn" for character in text)


def check(name: str, tokenizer: Tokenizer, documents: Sequence[tuple[int, str]], compare_every: int) -> int:
    """Returns how many documents were compared with the twin. Raises Difference for one that is not as it must be."""
    twin, compared = slow_twin(tokenizer), 0
    for (number, text), ids in zip(documents, tokenizer.encode_batch([text for _, text in documents]), strict=True):
        found = ids.tolist()
        if 0 in found or tokenizer.decode(found) != text:
            raise _difference(name, number, text, f"it comes back as {tokenizer.decode(found)[:SHOWN]!a}")
        if number % compare_every == 0 and len(text) <= LONGEST_COMPARED and not has_new_characters(text):
            compared += 1
            alone, expected = tokenizer.encode(text), twin(text)
            if not found == alone == expected:
                raise _difference(name, number, text, f"its ids are {found}, or {alone} encoded alone, not {expected}")
    return compared


def _difference(name: str, number: int, text: str, what: str) -> Difference:
    again = f"the same options with --first {number} --documents 1"
    return Difference(f"Repeat it with {again}\nDocument {number}, {name}: {what}\n{text[:SHOWN]!a}")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first document")
    parser.add_argument("--compare-every", type=int, default=100, help="one of so many is compared with the slow twin")
    add_corpus_option(parser)


def run(options: argparse.Namespace) -> str:
    """Sends so many documents through every tokenizer; returns the tally. Raises Difference."""
    lines = [line for text in texts(LEARNED_MEGABYTES, options.corpus) for line in text.splitlines() if line]
    tokenizers = learn_tokenizers(lines)
    compared, n_bytes, end = 0, 0, options.first + options.documents
    with progress.progress("encoding and decoding", options.documents, "document") as shown:
        for start in range(options.first, end, BATCH):
            batch = [(number, document(options.seed, number, lines)) for number in range(start, min(end, start + BATCH))]
            compared += sum(check(name, of, batch, options.compare_every) for name, of in tokenizers.items())
            n_bytes += sum(len(text.encode()) for _, text in batch)
            shown.update(batch[-1][0] + 1 - options.first)
    return (
        f"{options.documents:,} documents ({n_bytes / 1e6:,.0f} MB) through {len(tokenizers)} tokenizers "
        f"({'; '.join(tokenizers)}): all came back; the ids of {compared:,} were compared with the slow twin's: all equal"
    )
