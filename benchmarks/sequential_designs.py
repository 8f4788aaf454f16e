"""Compares designs that look after every pair of seeds, by simulation: error rate, power and pairs trained.

    python benchmarks/sequential_designs.py

It prints one table for each range of pairs. The effect is the mean difference, in standard deviations of a pair.
report/sequential.py says what was decided from these tables.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from toktrial.report.sequential import SIMULATED_TRIALS, look_levels, p_values, simulated_p_values

SPANS = ((2, 6), (3, 8), (4, 12), (5, 20))
EFFECTS = (0.0, 0.5, 1.0, 1.5, 2.0)
CONFIDENCE = 0.95
Levels = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=SIMULATED_TRIALS, help="simulated trials for each effect")
    trials = parser.parse_args().trials
    for first, most in SPANS:
        print(f"\n{first} to {most} pairs, {trials:,} trials per effect: found, in % (mean pairs)")
        print(f"{'design':28}" + "".join(f"{f'effect {effect}':>18}" for effect in EFFECTS))
        tested = {effect: simulated_p_values(first, most, effect, trials, seed=1) for effect in EFFECTS}
        for name, levels in designs(first, most).items():
            print(f"{name:28}" + "".join(f"{described(tested[effect], levels, first):>18}" for effect in EFFECTS))
        values = {effect: e_values(first, most, effect, trials) for effect in EFFECTS}
        print(
            f"{'anytime-valid, g = 1':28}"
            + "".join(f"{described(1 / values[e], np.array(1 - CONFIDENCE), first):>18}" for e in EFFECTS)
        )


def designs(first: int, most: int) -> dict[str, Levels]:
    """Returns the nominal level at each look of every design."""
    looks = np.arange(first, most + 1)
    null = simulated_p_values(first, most, 0.0, SIMULATED_TRIALS, seed=0)

    def calibrated(shape: Levels) -> Levels:
        levels: Levels = shape * np.quantile((null / shape[:, None]).min(axis=0), 1 - CONFIDENCE)
        return levels

    only_last = np.where(looks == most, 1 - CONFIDENCE, 0.0)
    only_first = np.where(looks == first, 1 - CONFIDENCE, 0.0)
    return {
        f"{first} pairs, one look": only_first,
        f"{most} pairs, one look": only_last,
        "uncorrected looks": np.full(len(looks), 1 - CONFIDENCE),
        "constant level (Pocock)": calibrated(np.ones(len(looks))),
        "level rising as pairs": calibrated(looks / most),
        "level as pairs^3 (toktrial)": np.array(look_levels(first, most, CONFIDENCE)),
    }


def described(tested: NDArray[np.float64], levels: Levels, first: int) -> str:
    """Returns how often a design finds a difference (in %), and how many pairs it trains on average."""
    crossed = tested < (levels[:, None] if levels.ndim else levels)
    found = crossed.any(axis=0)
    last = int(np.flatnonzero(levels > 0)[-1]) if levels.ndim else len(tested) - 1
    pairs = first + np.where(found, crossed.argmax(axis=0), last)
    return f"{100 * found.mean():.2f} ({pairs.mean():.1f})"


def e_values(first: int, most: int, effect: float, trials: int) -> NDArray[np.float64]:
    """Returns the t-test's e-values (looks, trials) with a normal prior of variance 1 on the effect (Wang & Ramdas 2024)."""
    from scipy import stats

    differences = np.random.default_rng(1).standard_normal((most, trials)) + effect
    pairs = np.arange(first, most + 1)[:, None]
    squared = stats.t.isf(p_values(differences)[first - 2 :] / 2, pairs - 1) ** 2
    shrunk = (1 + squared / (pairs - 1)) / (1 + squared / ((pairs - 1) * (1 + pairs)))
    values: NDArray[np.float64] = (1 + pairs) ** -0.5 * shrunk ** (pairs / 2)
    return values


if __name__ == "__main__":
    main()
