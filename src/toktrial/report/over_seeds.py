"""What several runs of a track came to, in one number: the mean over seeds, and how far seeds differ.

Pure functions; every section that gathers from runs uses them.
"""

import math
import statistics
from collections.abc import Sequence


def mean_over_seeds(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the finite values; None where there are none."""
    known = _finite(values)
    return statistics.fmean(known) if known else None


def standard_deviation_over_seeds(values: Sequence[float | None]) -> float | None:
    """Returns the sample standard deviation of the finite values; None where there are fewer than two.

    >>> standard_deviation_over_seeds([1.0, None, 2.0, 3.0])
    1.0
    """
    known = _finite(values)
    return statistics.stdev(known) if len(known) > 1 else None


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
