"""Says what a plan is, in lines for the person who decides whether to begin. plan.py reckons it."""

import math
from collections.abc import Mapping

from toktrial.plan import Plan
from toktrial.protocol import Protocol
from toktrial.report.wording import duration, plural
from toktrial.training.config import flops_per_token, parameter_count

HANGING = 11  # columns before the text of a line of the plan
# With fewer tokens for each entry of the vocabulary a budget looks too small: with 4,096 entries on TinyStories, models passed
# their own bigram floors after 250 (BPE) to 500 (BTM) tokens per entry; LOG.md has the trials.
FEWEST_TOKENS_PER_ENTRY = 600
POWER = 0.8
LARGEST_FOUND = 5.0  # standard deviations of a paired difference: three seeds find 3.3 of one other track, and 4.6 of two
LARGEST_EVALUATION_SHARE = 0.1  # of a run's time: above it, the plan says how to spend less


def describe_plan(plan: Plan) -> list[str]:
    """Returns the plan as lines of text."""
    protocol, text, seconds = plan.trial.protocol, plan.text, plan.seconds
    about = "about " if text.is_estimate else ""
    size = f"{about}{text.documents:,.0f} documents, {text.bytes / 1e6:,.1f} MB for training"
    if math.isnan(text.bytes):
        size = "its size is known once it is here"
    runs = len(list(plan.trial.run_order()))
    company = f", {plan.at_once} runs at once, if each is as fast as alone" if plan.at_once > 1 else ""
    return [
        f"trial      {protocol.name}, in {plan.trial.folder}",
        f"corpus     {protocol.corpus.path}: {size}",
        f"model      {plan.speed.parameters / 1e6:.1f} million parameters; {_step_tokens(protocol):,} tokens a step",
        *_describe_sizes(protocol),
        *_describe_tracks(plan, about),
        *_describe_tuning(plan),
        f"training   {len(plan.left)} of {runs} runs left ({len(plan.tracks)} tracks, seeds {_seeds(protocol)})",
        f"device     {_describe_device(plan)}",
        f"time       training and evaluation: {duration(seconds.least, seconds.most)}{company}",
        f"evaluation {_describe_evaluation(plan)}",
        *_describe_marginal(plan),
        f"disk       {plan.disk_bytes / 1e9:.2f} GB at most, {plan.free_bytes / 1e9:.0f} GB free",
        *_warn_of_budget(plan),
        *_warn_of_seeds(protocol),
    ]


def _describe_sizes(protocol: Protocol) -> list[str]:
    """Says what the models of the tracks cost, where they differ: a line for all tracks of one size."""
    sizes = {track: recipe.vocab_size for track, recipe in protocol.sized_tracks.items()}
    groups = _alike(sizes)
    if len(groups) == 1:
        return []
    flops = {track: flops_per_token(protocol.model, size) for track, size in sizes.items()}
    return [
        f"size       {', '.join(tracks)}: {sizes[first]:,} entries, {parameter_count(protocol.model, sizes[first]) / 1e6:.1f} "
        f"million parameters, {flops[first] / flops[protocol.baseline]:.2f} times {protocol.baseline}'s FLOPs a token"
        for tracks in groups
        for first in tracks[:1]
    ]


def _describe_tracks(plan: Plan, about: str) -> list[str]:
    """Says what the runs of the tracks take: a line for all tracks of so many steps."""
    groups = _alike({name: track.steps for name, track in plan.tracks.items()})
    return [f"track      {', '.join(tracks)}: {_describe_runs(plan, tracks, about)}" for tracks in groups]


def _describe_runs(plan: Plan, tracks: list[str], about: str) -> str:
    of_tracks, tokens = [plan.tracks[track] for track in tracks], [plan.text.tokens[track] for track in tracks]
    steps = of_tracks[0].steps
    said = "steps known once the corpus is here" if math.isnan(steps) else f"{steps:,} steps"
    if any(map(math.isnan, tokens)):
        return said
    seconds = duration(min(of.seconds.least for of in of_tracks), max(of.seconds.most for of in of_tracks))
    epochs = _range([of.epochs for of in of_tracks], ",.2f")
    return f"{about}{_range(tokens, ',.0f')} tokens, {said} = {about}{epochs} epochs, {seconds} a run"


def _alike(tracks: Mapping[str, float]) -> list[list[str]]:
    """Returns the tracks in groups, each of those with one number."""
    groups: dict[str, list[str]] = {}
    for track, number in tracks.items():
        groups.setdefault(f"{number}", []).append(track)  # as text, NaN is equal to itself
    return list(groups.values())


def _range(values: list[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _describe_tuning(plan: Plan) -> list[str]:
    if plan.trial.is_tuned:
        return []
    tuning, tracks, seconds = plan.trial.protocol.tuning, len(plan.tracks), plan.tuning_seconds
    runs = len(tuning.rates) * tracks * tuning.seeds
    what = f"{len(tuning.rates)} learning rates, {tracks} tracks, {plural(tuning.seeds, 'run')} each"
    also = "; then tracks whose own best rate differs from the shared one are trained at both" if tuning.both_verdicts else ""
    return [f"tuning     {runs} runs first: {what}; {duration(seconds.least, seconds.most)}{also}"]


def _seeds(protocol: Protocol) -> str:
    seeds = f"1 to {protocol.seeds}" if protocol.seeds > 1 else "1"
    if not protocol.control:
        return seeds
    first, last = protocol.control_seeds[0], protocol.control_seeds[-1]
    return f"{seeds}; as a control {protocol.baseline} again with {first}{f' to {last}' if last > first else ''}"


def _describe_device(plan: Plan) -> str:
    baseline = plan.tracks[plan.trial.protocol.baseline]
    if baseline.is_seen:
        return f"{plan.speed.device}: {baseline.step_seconds.most * 1000:,.0f} ms a step, as this trial took before"
    timed = f"{plan.speed.device}: {plan.speed.step_seconds * 1000:,.0f} ms a step, measured uncompiled"
    if not baseline.is_compiled:
        return f"{timed} (long runs are compiled)"
    least, most = baseline.step_seconds.least * 1000, baseline.step_seconds.most * 1000
    return f"{timed}; these runs are compiled, and a step then takes perhaps {least:,.0f} to {most:,.0f} ms"


def _describe_evaluation(plan: Plan) -> str:
    protocol = plan.trial.protocol
    share = max(track.evaluation_share for track in plan.tracks.values())
    documents, steps = protocol.evaluation.eval_documents, protocol.training.log_every
    advice = "; a lower evaluation.eval_documents or a higher training.log_every makes it less"
    line = f"{documents:,} documents every {steps:,} steps: {share:.1%} of the time"
    return line + (advice if share > LARGEST_EVALUATION_SHARE else "")


def _describe_marginal(plan: Plan) -> list[str]:
    documents, seconds = plan.trial.protocol.evaluation.marginal, plan.marginal_seconds
    if not documents or not seconds.most:
        return []
    return [f"marginal   all cuts of {plural(documents, 'document')} in every run: {duration(seconds.least, seconds.most)}"]


def _warn_of_budget(plan: Plan) -> list[str]:
    """Warns where models will hardly learn more than a count of pairs knows, so that nothing will be decided."""
    sizes, step_tokens = plan.trial.protocol.sized_tracks, _step_tokens(plan.trial.protocol)
    worst, track = min(plan.tracks.items(), key=lambda item: item[1].steps / sizes[item[0]].vocab_size)
    vocab_size, fewest = sizes[worst].vocab_size, track.steps
    wanted = -(-FEWEST_TOKENS_PER_ENTRY * vocab_size // step_tokens)
    if not fewest < wanted:  # as where it is UNKNOWN
        return []
    found = f"{fewest * step_tokens / vocab_size:,.0f} tokens per entry. With fewer than {FEWEST_TOKENS_PER_ENTRY}"
    warning = (
        f"{found}, models have seldom learned more than a count of pairs of entries knows, and the verdict is then 'undecided'."
    )
    return [f"WARNING    {warning} {wanted:,} steps or a smaller vocab_size would be safer."]


def _warn_of_seeds(protocol: Protocol) -> list[str]:
    """Warns where so few seeds find only huge differences, once p-values are corrected for so many comparisons."""
    from toktrial.report.noise import smallest_effect
    from toktrial.report.sequential import shared_confidence

    seeds, comparisons = protocol.last_seed, len(protocol.tracks) - 1
    confidence = shared_confidence(protocol.verdict.confidence, comparisons)
    if seeds < 2 or (effect := smallest_effect(seeds, 1.0, POWER, confidence)) <= LARGEST_FOUND:
        return []
    more = smallest_effect(seeds + 2, 1.0, POWER, confidence)
    found = f"with {plural(comparisons, 'comparison')} over {plural(seeds, 'seed')}, the verdict finds in {POWER:.0%} of trials"
    size = f"only a difference of {effect:.1f} times what it deviates by from seed to seed"
    remedy = f"over {seeds + 2} seeds, one of {more:.1f} times. More seeds or fewer tracks would find smaller ones"
    return [f"WARNING    {found} {size}; {remedy}."]


def _step_tokens(protocol: Protocol) -> int:
    return protocol.training.batch_size * protocol.model.context
