"""The healed end of a prompt: what is dropped, and what takes its place, against enumeration by brute force."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from toktrial.evaluation.healing import Endings, EntryTable, count_kept, enumerate_endings, heal_prompt
from toktrial.tokenizer.base import Tokenizer
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT

END = b"<|endoftext|>"
SMALL = [END, b"a", b"b", b"c", b" ", b"ab", b" a", b"abc", b"b a", b"ca", b"c a b", b"ab ab"]


def random_model(entries: int, context: int = 32, rows_without_entry: int = 0, seed: int = 0) -> GPT:
    """A float64 model whose next id depends on all ids before it."""
    shape = ModelConfig(n_layer=2, n_head=2, width=16, context=context)
    model = GPT(shape, entries + rows_without_entry, entries).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.4, generator=generator))
    return model


def model_by_position(probabilities: Sequence[Sequence[float]]) -> GPT:
    """A real GPT that gives the id behind position p the probabilities of row p, whatever the ids before.

    Blocks that add nothing; positions that drown the embedding of the id, each a direction of its own that the last norm leaves
    as it is; and embeddings, read by the tied head, that hold the logarithms along these directions.
    """
    positions, entries = len(probabilities), len(probabilities[0])
    width = 2 * positions
    model = GPT(ModelConfig(n_layer=1, n_head=1, width=width, context=width), entries, entries).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name == "ln_f.weight" else 0.0)
        for position, row in enumerate(probabilities):
            direction = torch.zeros(width, dtype=torch.float64)  # of mean 0 and variance 1
            direction[2 * position], direction[2 * position + 1] = math.sqrt(positions), -math.sqrt(positions)
            model.wpe.weight[position] = 1e9 * direction
            model.wte.weight += torch.tensor(row, dtype=torch.float64).log()[:, None] * direction / width
    return model


def spellings(token_bytes: Sequence[bytes], text: bytes) -> Iterator[tuple[int, ...]]:
    """Yields every sequence of entries that begins with `text` and of which only the last reaches its end."""
    for token, entry in enumerate(token_bytes[1:], start=1):
        if entry.startswith(text):
            yield (token,)
        elif text.startswith(entry):
            for rest in spellings(token_bytes, text[len(entry) :]):
                yield (token, *rest)


def brute_force(
    model: GPT,
    token_bytes: Sequence[bytes],
    kept: Sequence[int],
    text: bytes,
    of: Iterable[tuple[int, ...]] | None = None,
) -> dict[tuple[int, ...], float]:
    """The probability of every spelling after `kept`, or of those named, each by a forward of its own."""
    found = {}
    for ids in spellings(token_bytes, text) if of is None else of:
        with torch.no_grad():
            log_probabilities = model(torch.tensor([[*kept, *ids[:-1]]]))[0].log_softmax(-1)
        found[ids] = math.exp(sum(float(log_probabilities[len(kept) - 1 + i, token]) for i, token in enumerate(ids)))
    return found


def found_by(endings: Endings) -> dict[tuple[int, ...], float]:
    return {tuple(endings.ids(place)): math.exp(value) for place, value in enumerate(endings.log_probabilities)}


def spelled(token_bytes: Sequence[bytes], ids: Sequence[int]) -> bytes:
    return b"".join(token_bytes[token] for token in ids)


@st.composite
def vocabularies(draw: st.DrawFn) -> list[bytes]:
    """`<|endoftext|>`, every letter of a small alphabet, and some longer strings over it."""
    letters = [b"a", b"b", b"\xc3"][: draw(st.integers(1, 3))]
    longer = st.lists(st.sampled_from(letters), min_size=2, max_size=5).map(b"".join)
    return [END, *letters, *draw(st.lists(longer, unique=True, max_size=9))]


# Which entries fit


@given(vocabularies(), st.data())
def test_entries_are_found_as_by_looking_at_each(token_bytes: list[bytes], data: st.DataObject) -> None:
    text = spelled(token_bytes, data.draw(st.lists(st.integers(1, len(token_bytes) - 1), min_size=1, max_size=4)))
    table = EntryTable(token_bytes)
    numbered = list(enumerate(token_bytes))[1:]
    beginning = {token for token, entry in numbered if entry.startswith(text)}
    assert set(table.beginning_with(text).tolist()) == beginning
    shorter = {token for token, entry in numbered if text.startswith(entry) and entry != text}
    assert set(table.shorter_beginnings(text)) == shorter
    crossing = [s for s in range(len(text)) for _, e in numbered if e.startswith(text[s:]) and e != text[s:]]
    assert table.first_crossing(text) == min(crossing, default=len(text))


@given(vocabularies(), st.data())
def test_as_many_ids_stay_as_no_crossing_entry_begins_in(token_bytes: list[bytes], data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(1, len(token_bytes) - 1), max_size=6))
    text = spelled(token_bytes, ids)

    def crosses_from(start: int) -> bool:
        return any(entry.startswith(text[start:]) and entry != text[start:] for entry in token_bytes[1:])

    allowed = [k for k in range(len(ids) + 1) if not any(map(crosses_from, range(len(spelled(token_bytes, ids[:k])))))]
    assert count_kept(EntryTable(token_bytes), ids) == max(allowed)


def test_the_end_of_text_spells_nothing() -> None:
    table = EntryTable([END, b"<", b"|"])
    assert table.first_crossing(b"a <|endo") == 8
    assert table.beginning_with(b"<|").tolist() == []
    assert table.shorter_beginnings(END) == [1]


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_a_real_vocabulary_drops_the_words_that_a_superword_could_span(
    story_tokenizers: dict[str, Tokenizer], track: str
) -> None:
    tokenizer = story_tokenizers[track]
    entries = EntryTable(tokenizer.token_bytes)
    text = "Once upon a time, there was a little dog. The dog"
    ids = tokenizer.encode(text)
    kept = tokenizer.decode_bytes(ids[: count_kept(entries, ids)]).decode()
    rest = text[len(kept) :].encode()
    assert any(e.startswith(rest[s:]) and len(e) > len(rest) - s for e in tokenizer.token_bytes for s in range(len(rest)))
    before = text.encode()[:-1]
    for start in range(len(kept)):
        assert not any(e.startswith(text.encode()[start:]) and len(e) > len(before) + 1 - start for e in tokenizer.token_bytes)


# With which probabilities


def test_conditioning_is_right_where_masking_is_wrong() -> None:
    """P(a) = .5, P(ab) = .3, P(b | a) = .05: the text "ab" is `ab` in 92% of cases; masked decoding says 37.5%."""
    token_bytes = [END, b"a", b"b", b"ab", b"abc"]
    model = model_by_position([[0.1999, 0.5, 1e-6, 0.3, 1e-4], [0.45, 0.4, 0.05, 0.05, 0.05]])
    endings = enumerate_endings(model, EntryTable(token_bytes), [0], [3])
    found = found_by(endings)
    scale = 0.1999 + 0.5 + 1e-6 + 0.3 + 1e-4
    assert found == pytest.approx({(3,): 0.3 / scale, (4,): 1e-4 / scale, (1, 2): 0.5 * 0.05 / scale}, rel=1e-6)
    assert endings.cut_share == 0
    shares = {tuple(endings.ids(i)): share for i, share in enumerate(endings.probabilities)}
    assert shares[3,] == pytest.approx(0.3 / (0.3 + 0.025 + 1e-4), rel=1e-6)
    assert shares[3,] == pytest.approx(0.92, abs=0.005)
    generator = torch.Generator().manual_seed(1)
    draws = 500
    drawn = Counter(tuple(heal_prompt(model, EntryTable(token_bytes), [3], generator)[0]) for _ in range(draws))
    expected = [0.923 * draws, 0.077 * draws]
    assert chisquare([drawn[0, 3] + drawn[0, 4], drawn[0, 1, 2]], expected).pvalue > 1e-4


@settings(deadline=None, max_examples=40)
@given(vocabularies(), st.data())
def test_the_distribution_is_that_of_brute_force(token_bytes: list[bytes], data: st.DataObject) -> None:
    some_ids = st.lists(st.integers(1, len(token_bytes) - 1), min_size=1, max_size=3)
    kept = [0, *data.draw(some_ids | st.just([]))]
    dropped = data.draw(some_ids)
    model = random_model(len(token_bytes), rows_without_entry=data.draw(st.integers(0, 3)), seed=data.draw(st.integers(0, 9)))
    expected = brute_force(model, token_bytes, kept, spelled(token_bytes, dropped))
    endings = enumerate_endings(model, EntryTable(token_bytes), kept, dropped, most_paths=10**6, smallest_share=0.0)
    assert endings.cut_share == 0
    assert len(endings.last_ids) == len(expected), "no ending twice, none left out"
    assert found_by(endings) == pytest.approx(expected, rel=1e-9)
    total = sum(expected.values())
    shares = {tuple(endings.ids(i)): share for i, share in enumerate(endings.probabilities)}
    assert shares == pytest.approx({ids: p / total for ids, p in expected.items()}, rel=1e-9)


def test_in_float32_it_is_exact_to_one_in_a_million() -> None:
    model = random_model(len(SMALL)).float()
    kept, dropped = [0, 5, 4, 9], [7, 6, 2]
    expected = brute_force(model, SMALL, kept, spelled(SMALL, dropped))
    assert len(expected) > 8
    endings = enumerate_endings(model, EntryTable(SMALL), kept, dropped)
    shares = {tuple(endings.ids(i)): share for i, share in enumerate(endings.probabilities)}
    total = sum(expected.values())
    assert shares == pytest.approx({ids: p / total for ids, p in expected.items()}, abs=1e-6)


def test_what_is_drawn_has_the_frequencies_of_brute_force() -> None:
    model = random_model(len(SMALL), seed=4)
    entries = EntryTable(SMALL)
    prompt_ids = [2, 3, 5]
    kept = [0, *prompt_ids[: count_kept(entries, prompt_ids)]]
    text = spelled(SMALL, prompt_ids[len(kept) - 1 :])
    expected = brute_force(model, SMALL, kept, text)
    generator = torch.Generator().manual_seed(2)
    draws = 1500
    drawn: Counter[tuple[int, ...]] = Counter()
    for _ in range(draws):
        healed, _ = heal_prompt(model, entries, prompt_ids, generator)
        assert healed[: len(kept)] == kept
        assert spelled(SMALL, healed[1:]).startswith(spelled(SMALL, prompt_ids))
        drawn[tuple(healed[len(kept) :])] += 1
    assert set(drawn) <= set(expected)
    frequent = {ids: p for ids, p in expected.items() if draws * p / sum(expected.values()) >= 5}
    assert len(frequent) > 3
    seen = np.array([drawn[ids] for ids in frequent])
    odds = np.array(list(frequent.values()))
    assert chisquare(seen, odds / odds.sum() * seen.sum()).pvalue > 1e-4


def test_a_prompt_of_no_bytes_and_one_that_nothing_crosses_stay_as_they_are() -> None:
    entries = EntryTable([END, b"a", b"b", b"ba"])
    model = random_model(4)
    generator = torch.Generator().manual_seed(0)
    assert heal_prompt(model, entries, [], generator) == ([0], 0.0)
    assert heal_prompt(model, entries, [3, 1], generator) == ([0, 3, 1], 0.0)


# Where it is cut


def test_what_is_cut_is_counted() -> None:
    token_bytes = [END, b"a", b"b", b"ab", b"aba"]
    model = model_by_position([[0.1, 0.5, 0.1, 0.2, 0.1], [0.1, 0.3, 0.4, 0.1, 0.1], [0.1, 0.6, 0.1, 0.1, 0.1]])
    dropped = [3, 1]  # aba: a (then b, a) .5; ab (then a) .2; aba .1
    whole = found_by(enumerate_endings(model, EntryTable(token_bytes), [0], dropped))
    assert whole == pytest.approx(
        {(4,): 0.1, (3, 1): 0.2 * 0.3, (3, 3): 0.2 * 0.1, (3, 4): 0.2 * 0.1, (1, 2, 1): 0.12, (1, 2, 3): 0.02, (1, 2, 4): 0.02},
        rel=1e-6,
    )
    endings = enumerate_endings(model, EntryTable(token_bytes), [0], dropped, most_paths=1)
    # Behind `ab` stand the paths (ab) with .2 and (a, b) with .5 * .4 = .2, beside .1 for aba; one of the two is left.
    assert endings.cut_share == pytest.approx(0.2 / 0.5, rel=1e-6)
    found = found_by(endings)
    assert found == pytest.approx({ids: whole[ids] for ids in found}, rel=1e-6)
    assert len(found) == 4
    endings = enumerate_endings(model, EntryTable(token_bytes), [0], dropped, smallest_share=0.6)
    # At the second byte neither path holds .6 of what there is, at the first `a` has .5 of .8.
    assert endings.cut_share == pytest.approx(0.4 / 0.5, rel=1e-6)
    assert found_by(endings) == pytest.approx({(4,): 0.1}, rel=1e-6)


@pytest.mark.parametrize("kept_count", [1, 5, 8, 9, 30])
def test_where_the_context_is_short_the_walk_sees_the_last_of_what_was_kept(kept_count: int) -> None:
    model = random_model(len(SMALL), context=8)
    kept = [0, *[5, 4, 2, 9, 1, 3] * 6][:kept_count]
    dropped = [2, 8]  # four bytes
    seen = kept[-4:]
    expected = brute_force(model, SMALL, seen, spelled(SMALL, dropped))
    endings = enumerate_endings(model, EntryTable(SMALL), kept, dropped, smallest_share=0.0)
    assert endings.cut_share == 0
    assert found_by(endings) == pytest.approx(expected, rel=1e-9)


def test_paths_that_leave_the_context_are_cut() -> None:
    model = random_model(len(SMALL), context=4)
    dropped = [11, 1, 1, 1]  # "ab abaaa", of which two ids can be seen beside two that were kept
    endings = enumerate_endings(model, EntryTable(SMALL), [0, 1, 2], dropped, smallest_share=0.0)
    assert endings.cut_share == 1.0, "nothing of three ids spells it, so its own ids stand"
    assert found_by(endings) == {tuple(dropped): 1.0}
    endings = enumerate_endings(model, EntryTable(SMALL), [0, 1, 2], [5, 4, 7], smallest_share=0.0)  # "ab abc"
    assert 0 < endings.cut_share < 1
    short = [ids for ids in spellings(SMALL, b"ab abc") if len(ids) <= 3]
    assert set(found_by(endings)) == set(short)
    assert found_by(endings) == pytest.approx(brute_force(model, SMALL, [1, 2], b"ab abc", short), rel=1e-9)
