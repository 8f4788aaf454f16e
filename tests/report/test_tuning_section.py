"""What a report says of tuned rates: which are best, and where a rate is too high for one track and not for another."""

import pytest

from toktrial.report.comparisons import Tuning
from toktrial.report.sections.tuning import tuning_sentences
from toktrial.training.rates import BitsPerByte, choose

# Two of our own trials, which differ in their warm-up alone: 100 and 300 steps of 3,000.
SHORT_WARM_UP: BitsPerByte = {
    "bpe": {"0.002": [1.0036], "0.004": [0.9710], "0.008": [0.9724]},
    "btm90": {"0.002": [0.9669], "0.004": [0.9637], "0.008": [1.0918]},
}
LONGER_WARM_UP: BitsPerByte = {
    "bpe": {"0.004": [0.9582], "0.008": [0.9604]},
    "btm90": {"0.004": [0.9451], "0.008": [0.9446]},
}
DIVERGED: BitsPerByte = {
    "bpe": {"0.004": [0.96, 0.97], "0.008": [0.97, 0.98]},
    "btm90": {"0.004": [0.95, 0.96], "0.008": [0.99, None]},
}
TOO_LOW_FOR_ONE: BitsPerByte = {
    "bpe": {"0.001": [1.2], "0.004": [0.96]},
    "btm90": {"0.001": [1.0], "0.004": [0.95]},
}


def tuning(values: BitsPerByte) -> Tuning:
    found = choose(values, dict.fromkeys(values, 3000), 500)
    seeds = len(values["bpe"]["0.004"])
    return Tuning(**vars(found), decides="own", seeds=seeds, verdicts={"own": [], "shared": []})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (SHORT_WARM_UP, "WARNING: at 0.008, btm90 ends 13.3% above its best, and bpe 0.1%."),
        (DIVERGED, "WARNING: at 0.008, btm90 diverges, and bpe 1.0%."),
    ],
)
def test_a_rate_that_the_tracks_bear_unequally_is_warned_of(values: BitsPerByte, said: str) -> None:
    (warned,) = [sentence for sentence in tuning_sentences(tuning(values)) if "warmup_steps" in sentence]
    assert warned.startswith(said)


@pytest.mark.parametrize("values", [LONGER_WARM_UP, TOO_LOW_FOR_ONE])
def test_a_rate_that_costs_all_alike_or_is_too_low_is_not(values: BitsPerByte) -> None:
    assert not [sentence for sentence in tuning_sentences(tuning(values)) if "warmup_steps" in sentence]
