"""Means and standard deviations over seeds against numpy's, which leave out what is not a finite number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.report.curves import mean_over_seeds, standard_deviation_over_seeds

VALUES = st.lists(st.none() | st.just(math.nan) | st.just(math.inf) | st.floats(-1e6, 1e6), max_size=8)


@given(VALUES)
def test_both_are_numpys_over_the_finite_values(values: list[float | None]) -> None:
    finite = [value for value in values if value is not None and np.isfinite(value)]
    mean, deviation = mean_over_seeds(values), standard_deviation_over_seeds(values)
    assert (mean is None, deviation is None) == (len(finite) == 0, len(finite) < 2)
    assert mean is None or mean == pytest.approx(np.mean(finite), abs=1e-6)
    assert deviation is None or deviation == pytest.approx(np.std(finite, ddof=1), abs=1e-6)
