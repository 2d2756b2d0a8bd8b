"""A number of a table says what the seeds say, and nothing more."""

import math

import numpy as np
import pytest
from scipy import stats

from research.reporting.statistics import DASH, interval, number, text


def test_the_interval_is_that_of_students_t():
    values = [0.9, 0.92, 0.95, 0.91]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    np.testing.assert_allclose(interval(values), (np.mean(values), *expected), rtol=1e-12)


def test_a_logarithmic_interval_is_that_of_the_logarithms():
    values = [1e-7, 1e-5, 1e-6]
    expected = stats.t.interval(0.95, 2, loc=math.log(1e-6), scale=stats.sem(np.log(values)))
    np.testing.assert_allclose(np.log(interval(values, "log")), (math.log(1e-6), *expected), rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "scale", "shown"),
    [
        ([0.97, 0.98, 0.99], "linear", "0.980 ± 0.025"),
        ([120.0, 130.0, 125.0], "linear", "125 ± 12"),
        ([0.5, 0.5, 0.5], "linear", "0.500 ± 0"),
        ([0.1] * 3, "linear", "0.100 ± 0"),
        ([0.0, 0.0], "linear", "0 ± 0"),
        ([1e7, 1.1e7, 1.2e7], "linear", "(1.10 ± 0.25)e7"),
        ([491562, 491562, 491562], "linear", "491,562"),
        ([491562], "linear", "491,562 (n=1)"),
        ([3e-7, 3.1e-7, 3.2e-7], "log", "3.1e-7 ×/÷ 1.08"),
        ([0.97], "linear", "0.970 (n=1)"),
        ([2e-9], "log", "2.0e-9 (n=1)"),
        ([0.0, 0.0, 0.0], "log", "0 (3/3)"),
        ([math.inf, math.inf, 12.0], "log", "12.0 (n=1); inf (2/3)"),
        ([1.0, 1.0, math.nan], "linear", "1.00 ± 0; undefined (1/3)"),
        ([1.0, 1.0, None], "linear", "1.00 ± 0 (n=2)"),
        ([None, None], "linear", DASH),
        ([], "linear", DASH),
    ],
)
def test_a_cell_shows_mean_interval_and_what_has_no_place_in_them(values, scale, shown):
    assert text(values, scale) == shown


def test_one_trial_has_no_interval():
    assert np.isnan(interval([0.5])[1:]).all() and np.isnan(interval([])).all()


def test_zeros_and_infinities_leave_the_mean_of_the_others_alone():
    assert text([0.0, 1e-6, math.inf, 1e-5], "log") == text([1e-6, 1e-5], "log") + "; 0 (1/4); inf (1/4)"


def test_percent_scales_the_mean_and_the_interval():
    assert text([0.90, 0.92], unit="%") == "91 ± 13"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0123, "0.0123"), (233.4, "233"), (1e-38, "1.0e-38"), (123456.0, "1.2e5"), (0, "0"), (1, "1.00")],
)
def test_numbers_have_an_exponent_only_where_it_is_needed(value, shown):
    assert number(value) == shown
