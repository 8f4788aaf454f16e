"""What brings batches to the device: every feed gives the ids that `Batches` says, over the ends of epochs too."""

import numpy as np
import pytest
import torch

from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenSplit
from toktrial.training.feed import Feed, PrefetchingFeed, ResidentFeed, make_feed

CPU = torch.device("cpu")
CONTEXT = 7


def split_of(lengths: list[int], dtype: str, largest_id: int) -> TokenSplit:
    random = np.random.default_rng(1)
    documents = [np.array([*random.integers(1, largest_id + 1, length), 0]) for length in lengths]
    return TokenSplit(
        ids=np.concatenate(documents).astype(dtype),
        offsets=np.cumsum([0, *map(len, documents)]).astype(np.uint64),
        byte_lengths=np.array(lengths, dtype=np.uint32),
    )


@pytest.fixture(params=[("<u2", 65_535), ("<u4", 4_294_967_295)])
def split(request: pytest.FixtureRequest) -> TokenSplit:
    """13 documents, one of them empty and two longer than a batch, with ids that a signed integer could not hold."""
    dtype, largest_id = request.param
    made = split_of([5, 0, 60, 1, 9, 3, 70, 2, 2, 8, 4, 6, 1], dtype, largest_id)
    assert made.ids.max() > largest_id // 2
    return made


def batches_of(split: TokenSplit) -> Batches:
    return Batches(split, seed=3, batch_size=6, context=CONTEXT)


@pytest.mark.parametrize("rows", [range(6), range(3), range(3, 6), range(5, 6)])
def test_every_feed_gives_what_batches_say(split: TokenSplit, rows: range) -> None:
    feeds: list[Feed] = [
        ResidentFeed(batches_of(split), split, rows, CONTEXT, CPU),
        PrefetchingFeed(batches_of(split), rows, CPU),
        make_feed(batches_of(split), split, rows, CONTEXT, CPU),
    ]
    batches = batches_of(split)
    steps_of_three_epochs = 3 * batches.epoch_tokens // batches.tokens_per_step
    for step in [*range(steps_of_three_epochs), 1, 1000, 0]:  # in order, and back again
        expected = batches.batch(step)[rows.start : rows.stop]
        for feed in feeds:
            ids = feed(step)
            assert ids.dtype == torch.int64
            assert ids.tolist() == expected.tolist(), (feed, step)


def test_ids_stay_as_small_as_on_disk(split: TokenSplit) -> None:
    feed = ResidentFeed(batches_of(split), split, range(6), CONTEXT, CPU)
    assert feed._ids.nbytes == split.ids.nbytes
