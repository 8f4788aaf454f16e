"""Ready protocols at three sizes. Each derives from another, so that only what differs is written."""

from collections.abc import Callable
from dataclasses import replace

from toktrial.corpus.config import STORYBOOK, CorpusConfig
from toktrial.errors import TrialError, nearest_name
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.training.config import ModelConfig


def tinystories() -> Protocol:
    """The research plan to the letter: 16,384 entries over 4,096 primitives, 40.2 million parameters, 50,000 steps.

    50,000 tokens for each entry: a hundred times what smaller models needed to do better than a count of pairs of entries.
    """
    return Protocol(name="tinystories")


def laptop() -> Protocol:
    """8,192 entries over 2,048 primitives and 15.0 million parameters, for a machine with 8 GB.

    2,500 tokens for each entry: five times what smaller models needed to do better than a count of pairs of entries. The
    report's curve of the difference shows whether the sign of its verdict would survive twice the budget.
    """
    plan = tinystories()
    return replace(
        plan,
        name="laptop",
        vocab_size=8192,
        corpus=replace(plan.corpus, max_megabytes=200.0),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=2048)},
        model=ModelConfig(n_layer=10, n_head=5, width=320, context=256),
        training=replace(plan.training, batch_size=16, steps=5000, warmup_steps=300),
    )


def demo() -> Protocol:
    """A whole trial on the built-in storybook in a few minutes on two CPU cores.

    800 tokens for each entry: BPE passes its bigram floor after some 500 of the 800 steps, BTM after 500 to 710.
    """
    small = laptop()
    return replace(
        small,
        name="demo",
        vocab_size=1024,
        corpus=CorpusConfig(path=STORYBOOK, max_megabytes=4.0),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=512)},
        model=ModelConfig(n_layer=2, n_head=4, width=128, context=64),
        training=replace(small.training, steps=800, learning_rate=2e-3, warmup_steps=80, log_every=40, checkpoint_every=400),
        evaluation=replace(small.evaluation, eval_documents=16, max_new_bytes=240),
    )


PRESETS: dict[str, Callable[[], Protocol]] = {"demo": demo, "laptop": laptop, "tinystories": tinystories}


def preset(name: str) -> Protocol:
    """Returns the preset of that name. Raises TrialError for an unknown one, naming the nearest."""
    if name not in PRESETS:
        raise TrialError(f"there is no preset {name!r}: {nearest_name(name, PRESETS)}")
    return PRESETS[name]()
