"""An interval is that of SciPy, keeps to its bounds, and is none where there are too few seeds."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from benchmarks.interval_coverage import DISTRIBUTIONS, METHODS, line
from research.reporting.statistics import (
    RESAMPLES,
    bca_interval,
    estimate,
    interquartile_mean,
    logit_interval,
    median_interval,
    studentized_interval,
    wilson,
)
from tests.pages import tables

FIVE = np.array([0.9, 0.92, 0.95, 0.91, 0.6])
TEN = np.random.default_rng(3).lognormal(0, 0.6, 10)


def ends(values, *args, **options):
    found = estimate(values, *args, **options)
    return found.low, found.high


def test_wilson_is_that_of_scipy():
    for hits, count in ((100, 1000), (0, 10), (7, 7), (1, 3)):
        expected = stats.binomtest(hits, count).proportion_ci(0.95, "wilson")
        np.testing.assert_allclose(wilson(hits / count, count), expected, atol=1e-12)
    assert (wilson(1.0, 10)[1], wilson(0.0, 10)[0]) == (1.0, 0.0)


def test_a_thousand_examples_at_chance_have_the_interval_of_their_sampling():
    found = estimate([0.1, 0.1, 0.1], is_rate=True, examples=1000)
    assert (round(100 * found.low, 1), round(100 * found.high, 1), found.kind) == (8.3, 12.0, "examples")
    assert ends([0.1] * 7, is_rate=True, examples=1000) == (found.low, found.high)
    assert estimate([0.1, 0.1, 0.1], is_rate=True).low == 0.1


def test_fewer_than_five_seeds_have_their_own_ends():
    found = estimate([0.3, 0.1, 0.2, 0.9], is_rate=True, examples=1000)
    assert (found.low, found.high, found.kind, found.count) == (0.1, 0.9, "seeds", 4)
    assert estimate(FIVE).kind == "interval"


def test_the_interval_of_a_rate_is_students_t_on_the_logit_scale():
    mean, error = FIVE.mean(), stats.sem(FIVE)
    half = stats.t.ppf(0.975, 4) * error / (mean * (1 - mean))
    np.testing.assert_allclose(logit_interval(FIVE), expit([logit(mean) - half, logit(mean) + half]))
    np.testing.assert_allclose(ends(FIVE, is_rate=True), logit_interval(FIVE))


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0, 0.0, 0.1], [1.0, 1.0, 1.0, 1.0, 0.2], [0.999, 1, 1, 0.998, 0.9]])
def test_the_interval_of_a_rate_stays_within_its_bounds(values):
    low, high = ends(values, is_rate=True, examples=100)
    assert 0 <= low < np.mean(values) < high <= 1


def test_sampling_of_examples_widens_an_interval_and_vanishes_with_their_number():
    narrow, wide = ends(FIVE, is_rate=True, examples=10**9), ends(FIVE, is_rate=True, examples=50)
    np.testing.assert_allclose(narrow, ends(FIVE, is_rate=True), atol=1e-6)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    middle, distance = logit(FIVE.mean()), np.subtract(logit(wilson(FIVE.mean(), 50)), logit(FIVE.mean()))
    expected = expit(middle + np.array([-1, 1]) * np.hypot(distance, logit(narrow) - middle))
    np.testing.assert_allclose(wide, expected, rtol=1e-6)


def test_the_studentized_interval_is_that_of_its_definition():
    """Resampled with other random numbers, so about the same."""
    values = np.sqrt(TEN)
    resampled = np.random.default_rng(1).choice(values, (100_000, 10))
    ratios = (resampled.mean(1) - values.mean()) / (resampled.std(1, ddof=1) / math.sqrt(10))
    low, high = np.quantile(ratios, [0.025, 0.975]) * stats.sem(values)
    np.testing.assert_allclose(studentized_interval(values), (values.mean() - high, values.mean() - low), rtol=0.05)
    assert ends(TEN) == studentized_interval(np.sort(TEN))


def test_resamples_of_equal_values_do_not_make_the_interval_infinite():
    low, high = ends([1.0, 1.0, 1.0, 1.0, 5.0])
    assert -10 < low < 1.8 < high < 15


@pytest.mark.parametrize("statistic", [lambda x, axis=-1: np.mean(x, axis), lambda x, axis=-1: interquartile_mean(x)])
def test_the_bca_interval_is_that_of_scipy(statistic):
    random = np.random.default_rng(0)  # the same resamples
    expected = stats.bootstrap((TEN,), statistic, n_resamples=RESAMPLES, method="BCa", rng=random)
    np.testing.assert_allclose(bca_interval(TEN, statistic), expected.confidence_interval, rtol=1e-12)


def test_the_interquartile_mean_is_that_of_rliable():
    """Its definition is scipy.stats.trim_mean with a quarter cut off at both ends."""
    for count in (3, 4, 5, 10, 11):
        values = np.random.default_rng(count).normal(size=count)
        assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
        assert estimate(values, "iqm").center == pytest.approx(stats.trim_mean(values, 0.25))


@pytest.mark.parametrize(("count", "place"), [(5, 0), (6, 0), (8, 0), (9, 1), (10, 1), (20, 5)])
def test_the_interval_of_a_median_is_of_order_statistics(count, place):
    values = np.random.default_rng(0).permutation(count).astype(float)
    assert median_interval(values) == (place, count - 1 - place)
    covered = 1 - 2 * stats.binom.cdf(place, count, 0.5)
    assert covered >= 0.95 or place == 0
    assert estimate(values, "median").center == np.median(values)


def test_success_has_wilsons_interval_with_any_number_of_seeds():
    found = estimate([1, 0, 1], "success")
    assert (found.center, found.low, found.high) == (2 / 3, *wilson(2 / 3, 3)) and found.kind == "interval"


def test_a_logarithmic_statistic_is_that_of_the_logarithms():
    for statistic in ("mean", "median", "iqm"):
        plain, log = estimate(np.log(TEN), statistic), estimate(TEN, statistic, "log")
        np.testing.assert_allclose(np.log([log.center, log.low, log.high]), [plain.center, plain.low, plain.high])


def test_another_error_widens_an_interval_in_quadrature():
    found = estimate(TEN)
    wide = estimate(TEN, error=0.5)
    assert wide.high - wide.center == pytest.approx(math.hypot(found.high - found.center, 1.95996 * 0.5), 1e-5)
    assert wide.center - wide.low == pytest.approx(math.hypot(found.center - found.low, 1.95996 * 0.5), 1e-5)
    equal = estimate([0.1] * 5, error=0.5)
    assert (equal.low, equal.high) == pytest.approx((0.1 - 0.97998, 0.1 + 0.97998), 1e-5)
    few = estimate(TEN[:4])
    known = estimate(TEN, error=0.0), estimate(TEN, error=math.nan), estimate(TEN[:4], error=0.5)
    assert known == (found, found, few)


def test_one_seed_has_no_ends_and_none_has_no_center():
    assert math.isnan(estimate([0.5]).low) and estimate([0.5]).center == 0.5
    assert math.isnan(estimate([]).center)


def test_equal_values_have_no_spread_of_rounding():
    for count in (3, 7):
        found = estimate([0.1] * count)
        assert found.low == found.center == found.high == 0.1


def test_the_same_values_have_the_same_interval():
    assert ends(TEN) == ends(TEN.copy()) and ends(TEN, "iqm") == ends(TEN.copy(), "iqm")


@pytest.mark.parametrize("name", ["mean: t (before)", "mean: t on the logit scale (rates)"])
def test_the_table_of_the_docs_is_that_of_the_simulation(name):
    """Of the other methods it takes longer: `python -m benchmarks.interval_coverage` prints all."""
    (known,) = [table for table in tables() if table.page == "docs/statistics.md" and table.head[0] == "interval"]
    assert list(known.head[1:]) == [*DISTRIBUTIONS] and [row[0] for row in known.rows] == [*METHODS]
    assert line(name) in [list(row) for row in known.rows]


@pytest.mark.parametrize("statistic", ["mean", "iqm", "median"])
def test_the_order_of_the_seeds_does_not_matter(statistic):
    values = np.random.default_rng(1).lognormal(size=9)
    assert estimate(values, statistic) == estimate(values[::-1], statistic)


def test_the_sampling_error_of_a_metric_is_that_of_its_examples():
    """Of a rate it is Wilson's of as many examples as have that error; of a loss it widens the interval."""
    few = math.sqrt(0.1 * 0.9 / 152)
    alone = estimate([0.1], is_rate=True, examples=3000, error=few)
    assert (alone.low, alone.high) == pytest.approx(wilson(0.1, 152)) and alone.kind == "examples"
    assert estimate([0.0], is_rate=True, examples=152, error=0.0).high == pytest.approx(wilson(0, 152)[1])
    loss = estimate([2.0], error=0.1)
    assert (loss.low, loss.high) == pytest.approx((2 - 1.96 * 0.1, 2 + 1.96 * 0.1), abs=1e-3)
    seeds = estimate(TEN)
    wide = estimate(TEN, error=0.1)
    half = stats.norm.ppf(0.975) * 0.1
    assert wide.low == pytest.approx(wide.center - math.hypot(seeds.center - seeds.low, half))
    assert wide.high == pytest.approx(wide.center + math.hypot(seeds.high - seeds.center, half))
    assert estimate(TEN[:3], error=0.1) == estimate(TEN[:3])  # the seeds are shown
