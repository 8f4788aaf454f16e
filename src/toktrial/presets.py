"""Ready protocols: the research plan at three sizes, and a study of many tokenizers.

Each derives from another, so that only what differs is written.
"""

from collections.abc import Callable
from dataclasses import replace

from toktrial.corpus.config import STORYBOOK, CorpusConfig
from toktrial.errors import TrialError, nearest_name
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import (
    BoundlessBPERecipe,
    BPERecipe,
    BTMRecipe,
    BytesRecipe,
    Recipe,
    SuperBPERecipe,
    TKNRecipe,
    UnigramRecipe,
)
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


def study() -> Protocol:
    """Fifteen tokenizers of 4,096 entries under one small model of 1.3 million parameters: which rule of merging learns best?

    3,000 tokens for each entry. A track of fewer entries, as bytes are, takes more steps, so that all spend equal FLOPs. Of the
    learning rates 1e-3, 2e-3 and 4e-3, 2e-3 was the best for bpe and btm75 together (docs/studies/which_merge_rule.md).
    """
    plan = tinystories()
    return replace(
        plan,
        name="study",
        control=True,
        vocab_size=4096,
        corpus=replace(plan.corpus, max_megabytes=100.0),
        tracks=_tracks_of_the_study(),
        model=ModelConfig(n_layer=4, n_head=4, width=128, context=128),
        training=replace(plan.training, batch_size=16, steps=6000, learning_rate=2e-3, warmup_steps=100),
        evaluation=replace(plan.evaluation, eval_documents=60),
        verdict=replace(plan.verdict, budget="flops"),
    )


def _tracks_of_the_study() -> dict[str, Recipe]:
    """BTM with 25 to 90% of 4,096 entries as primitives, its scopes and scores at 75%, and every other recipe."""
    by_frequency = {25: 1024, 50: 2048, 75: 3072, 90: 3686}
    return {
        "bpe": BPERecipe(),
        **{f"btm{share}": BTMRecipe(primitive_vocab_size=entries) for share, entries in by_frequency.items()},
        **{f"words{share}": BTMRecipe(primitive_vocab_size=by_frequency[share], scope="words") for share in (75, 90)},
        **{f"{score}75": BTMRecipe(primitive_vocab_size=3072, score=score) for score in ("npmi", "likelihood", "significance")},
        "superbpe90": SuperBPERecipe(transition=3686),
        "boundless": BoundlessBPERecipe(),
        "unigram": UnigramRecipe(),
        "tkn75": TKNRecipe(primitive_vocab_size=3072),
        "bytes": BytesRecipe(),
    }


PRESETS: dict[str, Callable[[], Protocol]] = {"demo": demo, "laptop": laptop, "study": study, "tinystories": tinystories}


def preset(name: str) -> Protocol:
    """Returns the preset of that name. Raises TrialError for an unknown one, naming the nearest."""
    if name not in PRESETS:
        raise TrialError(f"there is no preset {name!r}: {nearest_name(name, PRESETS)}")
    return PRESETS[name]()
