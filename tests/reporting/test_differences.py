"""A row is best only where no chance makes it so."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from research.config.experiment import Column
from research.reporting.differences import Verdict, compare_rows, holm, needed_pairs, paired, sign_flip_p
from research.reporting.numbers import Number
from tests.reporting.conftest import Scored

ACCURACY = Column("accuracy", "test/accuracy", unit="%")
NOISE = np.random.default_rng(0).normal(0, 0.01, (4, 10))


def numbers(values, column=ACCURACY, seeds=None, runs=None) -> Number:
    values = np.asarray(values, float)
    seeds = tuple(range(len(values)) if seeds is None else seeds)
    return Number(column, values, seeds, tuple(runs or [None] * len(values)), len(values))


def marks(*rows, column=ACCURACY) -> list[str]:
    verdict = compare_rows([[numbers(row, column)] for row in rows])
    return [
        verdict.differences[place, 0].mark if (place, 0) in verdict.differences else "" for place in range(len(rows))
    ]


@pytest.mark.parametrize("count", [3, 6, 10])
def test_p_is_that_of_scipys_permutation_test_of_paired_samples(count):
    differences = np.random.default_rng(count).normal(0.5, 1, count)
    exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=10**6)
    assert sign_flip_p(differences) == pytest.approx(exact.pvalue)


def test_p_of_many_pairs_is_about_the_exact_one_and_never_zero():
    differences = np.random.default_rng(1).normal(0.3, 1, 18)
    random = {"n_resamples": 5000, "rng": np.random.default_rng(0)}
    about = stats.permutation_test((differences,), np.mean, permutation_type="samples", **random)
    assert sign_flip_p(differences) == pytest.approx(about.pvalue, abs=0.02)
    assert sign_flip_p(np.ones(40)) > 0


def test_differences_are_between_trials_with_the_same_seed():
    pairs = paired(numbers([0.5, 0.7, 0.9], seeds=(2, 0, 5)), numbers([0.1, 0.2, 0.3], seeds=(0, 2, 1)))
    assert pairs == pytest.approx({2: 0.3, 0: 0.6})
    log = Column("x", "x", "log")
    pairs = paired(numbers([10.0, 0.0, math.nan], log), numbers([1.0, 1.0, 1.0], log))
    assert pairs == pytest.approx({0: math.log(10), 1: -math.inf})


def test_holm_is_that_of_its_definition():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert holm([]) == []


def test_the_best_is_marked_where_it_differs_from_all_others():
    assert marks(0.9 + NOISE[0], 0.5 + NOISE[1], 0.4 + NOISE[2]) == ["best", "", ""]
    loss = Column("loss", "test/loss")
    assert marks(0.9 + NOISE[0], 0.5 + NOISE[1], 0.4 + NOISE[2], column=loss) == ["", "", "best"]


def test_ties_are_marked_where_some_row_differs_from_the_best():
    same = 0.9 + np.array([NOISE[0], NOISE[1]])
    assert marks(same[0], same[1], 0.4 + NOISE[2]) == ["tie", "tie", ""]
    assert marks(same[0], same[1]) == ["", ""]


def test_a_difference_is_shared_by_seeds_or_it_is_none():
    """All rows go up and down with the seed; only pairs show that one is always a little better."""
    seeds = np.linspace(0.1, 0.9, 10)
    assert marks(seeds, seeds + 0.001) == ["", "best"]
    assert marks(seeds, np.roll(seeds + 0.001, 3)) == ["", ""]


def test_three_seeds_tell_no_rows_apart():
    assert marks([0.90, 0.91, 0.92], [0.1, 0.1, 0.1]) == ["", ""]
    verdict = compare_rows([[numbers([0.90, 0.91, 0.92])], [numbers([0.1, 0.1, 0.1])]])
    assert not verdict.can_differ and verdict.pairs == 3


@pytest.mark.parametrize("comparisons", [1, 7, 20])
def test_the_seeds_that_are_needed_are_the_fewest_whose_smallest_p_is_significant(comparisons):
    count = needed_pairs(comparisons)
    assert comparisons * sign_flip_p(np.ones(count)) < 0.05 <= comparisons * sign_flip_p(np.ones(count - 1))


def test_a_column_without_better_values_has_no_best():
    for key in ("model/parameters", "test/exposure_bias_gap", "gradient/error", "test/baseline/chance/loss"):
        assert marks(0.9 + NOISE[0], 0.4 + NOISE[1], column=Column("x", key)) == ["", ""]
    for column in (Column("x", "model/x", better="lower"), Column("x", "test/free_running/cer")):
        assert marks(0.9 + NOISE[0], 0.4 + NOISE[1], column=column) == ["", "best"]


def test_a_row_without_a_finite_number_is_no_rival():
    assert marks(0.9 + NOISE[0], np.full(10, math.nan), 0.4 + NOISE[1]) == ["best", "", ""]
    assert marks([], [0.1]) == ["", ""]


def test_all_comparisons_of_a_part_count_for_holm():
    columns = [ACCURACY, Column("loss", "test/loss"), Column("size", "model/parameters")]
    rows = [
        [numbers(level + NOISE[place], column) for column in columns] for place, level in enumerate((0.1, 0.2, 0.3))
    ]
    verdict = compare_rows(rows)
    assert verdict.comparisons == 4
    assert verdict.differences[1, 0].p == pytest.approx(4 * 2 / 2**10)
    assert verdict.differences[1, 0].mean == pytest.approx(np.mean(0.2 + NOISE[1] - 0.3 - NOISE[2]))


def test_the_choice_of_examples_raises_p_and_never_lowers_it():
    differences = 0.5 + np.random.default_rng(0).normal(0, 0.1, 10)
    alone = sign_flip_p(differences)
    assert [sign_flip_p(differences, error) for error in (math.nan, 0.0, 1e-9)] == [alone] * 3
    ps = [sign_flip_p(differences, error) for error in (0.1, 0.2, 0.4, 100)]
    assert alone < ps[0] < ps[1] < ps[2] < ps[3] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("count", [8, 20])
def test_p_is_that_of_random_signs_and_a_normal_error(count):
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 0.5, count)
    means = (rng.choice([-1, 1], (200_000, count)) * differences).mean(1) + rng.normal(0, 0.2, 200_000)
    drawn = np.mean(np.abs(means) >= abs(differences.mean()))
    assert sign_flip_p(differences, 0.2) == pytest.approx(float(drawn), abs=0.005)


def alike(rng: np.random.Generator, examples: int = 500, seeds: int = 10) -> list[list[Number]]:
    """Return two rows of accuracies: each finds half of the examples easy, and which is chance."""
    rows = []
    for _ in range(2):
        right = rng.binomial(1, rng.choice([0.1, 0.9], examples), (seeds, examples)).astype(float)
        runs = [Scored(accuracy=(trial, np.ones(examples))) for trial in right]
        rows.append([numbers(right.mean(1), runs=runs)])
    return rows


def test_two_models_that_are_equally_good_are_rarely_told_apart_by_the_examples():
    """Without the sampling error of the examples, most of these pairs would have a best."""
    rng = np.random.default_rng(0)
    draws = [alike(rng) for _ in range(100)]
    with_error = [compare_rows(rows) for rows in draws]
    assert sum(verdict.can_differ and "best" in _marks(verdict) for verdict in with_error) <= 5
    without = [compare_rows([[replace(row[0], runs=(None,) * 10)] for row in rows]) for rows in draws]
    assert sum("best" in _marks(verdict) for verdict in without) > 40


def test_rows_that_differ_on_most_examples_are_still_told_apart():
    rng = np.random.default_rng(0)
    easy = rng.choice([0.1, 0.9], 500)
    rows = []
    for more in (0.0, 0.05):
        right = rng.binomial(1, easy + more, (10, 500)).astype(float)
        rows.append([numbers(right.mean(1), runs=[Scored(accuracy=(trial, np.ones(500))) for trial in right])])
    verdict = compare_rows(rows)
    assert verdict.differences[1, 0].mark == "best"
    assert 0 <= verdict.differences[0, 0].error < 0.01


def test_scores_by_example_are_read_only_where_a_mark_is_possible_and_once():
    reads = []

    class Counted(Scored):
        def test_examples(self):
            reads.append(self)
            return super().test_examples()

    rng = np.random.default_rng(0)
    for seeds, expected in ((4, 0), (10, 30)):
        reads.clear()
        rows = []
        for level in (0.2, 0.5, 0.8):
            right = rng.binomial(1, level, (seeds, 50)).astype(float)
            rows.append([numbers(right.mean(1), runs=[Counted(accuracy=(trial, np.ones(50))) for trial in right])])
        compare_rows(rows)
        assert len(reads) == expected


LOSS = Column("loss", "test/loss")
LOW, HIGH = 0.1 + np.arange(10) / 1000, 0.5 + np.arange(10) / 100


def test_more_seeds_below_a_threshold_are_better():
    column = Column("solved", "test/loss", statistic="success", threshold=0.2)
    assert marks(HIGH, LOW, LOW + 0.01, column=column) == ["", "tie", "tie"]


def test_the_statistic_of_the_column_is_tested():
    uneven, even = np.repeat([0.100, 1.1], (8, 6)), np.full(14, 0.101)
    assert marks(uneven, even, column=LOSS) != ["best", ""]
    assert marks(uneven, even, column=replace(LOSS, statistic="median")) == ["", ""]
    for statistic in ("median", "iqm"):
        column = replace(LOSS, statistic=statistic)
        assert marks(HIGH, LOW, column=column) == ["", "best"]
        differences = np.random.default_rng(0).normal(0.4, 1, 9)
        _, exact = stats.wilcoxon(differences, method="exact")
        assert sign_flip_p(differences, statistic=statistic) == pytest.approx(exact)
        assert sign_flip_p(np.full(10, 0.1), statistic=statistic) == 2 / 2**10


def test_a_row_that_shares_no_seed_with_the_best_is_not_told_apart_from_it():
    rows = [[numbers(HIGH, LOSS)], [numbers(LOW, LOSS)], [numbers(LOW + 0.01, LOSS, seeds=range(20, 30))]]
    verdict = compare_rows(rows)
    assert [verdict.differences[place, 0].mark for place in range(3)] == ["", "tie", "tie"]


def test_a_row_with_infinite_values_is_worse_and_never_the_best():
    for finite, mark in ((1, "best"), (3, "tie")):  # worse with nine and with seven of ten seeds
        diverged = np.where(np.arange(10) < finite, 0.01, math.inf)
        assert marks(diverged, LOW, HIGH, column=LOSS) == ["tie" if mark == "tie" else "", mark, ""]
    assert marks(np.full(10, math.inf), LOW, column=LOSS) == ["", "best"]


def test_a_fraction_of_seeds_and_a_value_at_equal_time_have_no_scores_by_example():
    rows = alike(np.random.default_rng(0))
    success = replace(ACCURACY, statistic="success", threshold=0.5)
    for column in (success, replace(ACCURACY, equal="time")):
        assert rows[0][0].influences(range(10), lambda run: run.test_examples()) is not None
        assert replace(rows[0][0], column=column).influences(range(10), lambda run: run.test_examples()) is None


def _marks(verdict: Verdict) -> set[str]:
    return {difference.mark for difference in verdict.differences.values()}
