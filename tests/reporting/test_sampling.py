"""The error by the choice of test examples is what other test examples show."""

import math

import numpy as np
import pytest

from research.reporting.sampling import influence, influences, sampling_error

SEEDS, EXAMPLES = 5, 200


def rates(errors: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the mean over seeds of the rates of scores [..., seeds, N]."""
    return (errors.sum(-1) / count.sum(-1)).mean(-1)


def draw(rng: np.random.Generator, seeds: int = SEEDS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edits of two rows [seeds, N] and the symbols [N]; some examples are hard for both."""
    symbols = rng.integers(1, 20, EXAMPLES)
    hard = rng.beta(1, 4, EXAMPLES)
    first, second = (np.clip(hard + rng.normal(0, 0.1, EXAMPLES), 0, 1) for _ in range(2))
    edits = [rng.binomial(symbols, rate, (seeds, EXAMPLES)).astype(float) for rate in (first, second)]
    return edits[0], edits[1], symbols.astype(float)


@pytest.mark.parametrize("logarithm", [False, True])
def test_the_influence_is_the_derivative_by_the_weight_of_an_example(logarithm):
    errors, _, count = draw(np.random.default_rng(0), 1)
    function = np.log if logarithm else np.asarray
    found = influence(errors[0], count, logarithm=logarithm)
    for place in (0, 7, 100):
        weights = np.ones(EXAMPLES)
        weights[place] += 1e-6
        moved = function((weights * errors[0]).sum() / (weights * count).sum())
        slope = (moved - function(errors[0].sum() / count.sum())) / 1e-6
        assert found[place] / EXAMPLES == pytest.approx(float(slope), rel=1e-3)
    assert found.mean() == pytest.approx(0, abs=1e-12)


def test_of_one_row_and_one_kind_of_answer_it_is_that_of_a_rate():
    """All seeds answer alike, so more of them tell no more."""
    right = (np.arange(1000) < 100).astype(float)
    row = np.stack([influence(right, np.ones(1000))] * SEEDS)
    assert sampling_error([row]) == pytest.approx(math.sqrt(0.1 * 0.9 / 1000), rel=1e-3)


@pytest.mark.parametrize("weights", [(1, 0), (1, -1), (1, -0.5)])
def test_it_is_the_spread_over_other_test_examples(weights):
    """Seeds are as many as leave nothing of their own in the mean."""
    rng = np.random.default_rng(0)
    sums, errors = [], []
    for _ in range(300):
        *edits, symbols = draw(rng, 50)
        sums.append(sum(weight * rates(scores, symbols) for weight, scores in zip(weights, edits, strict=True)))
        rows = [np.stack([influence(trial, symbols) for trial in scores]) for scores in edits]
        errors.append(sampling_error([weight * row for weight, row in zip(weights, rows, strict=True)]))
    assert np.mean(errors) == pytest.approx(np.std(sums), rel=0.15)


def test_what_seeds_differ_in_by_example_is_not_counted_twice():
    """Rows that are alike for every example differ by chance alone, which the seeds show."""
    rng = np.random.default_rng(0)
    rows = [np.stack([influence(rng.binomial(1, 0.5, 500), np.ones(500)) for _ in range(10)]) for _ in range(2)]
    by_seed = math.sqrt(2 * 0.25 / 500 / 10)
    assert sampling_error([rows[0], -rows[1]]) < 0.5 * by_seed


def test_what_is_hard_for_both_rows_cancels_and_other_examples_are_independent():
    rng = np.random.default_rng(0)
    hard = np.tile(rng.normal(0, 1, 400), (SEEDS, 1))
    assert sampling_error([hard, -hard]) == 0
    assert sampling_error([hard]) > 0
    fewer = np.tile(rng.normal(0, 1, 100), (SEEDS, 1))
    both = math.hypot(sampling_error([hard]), sampling_error([fewer]))
    assert sampling_error([hard, -fewer]) == pytest.approx(both)
    same_number = np.tile(rng.normal(0, 1, 400), (SEEDS, 1))
    both = math.hypot(sampling_error([hard]), sampling_error([same_number]))
    assert sampling_error([hard, -same_number]) == pytest.approx(both, rel=0.1)


def test_without_scores_by_example_nothing_is_known():
    scores = (np.array([1.0, 0.0]), np.ones(2))
    scored, longer = {"accuracy": scores}, {"accuracy": (np.ones(3), np.ones(3))}
    found = influences([scored, scored], "test/accuracy")
    assert found is not None and found.tolist() == [[0.5, -0.5]] * 2
    assert influences([scored], "test/acc*") is not None
    for runs, key in (
        ([scored, {}], "test/accuracy"),
        ([scored, longer], "test/accuracy"),
        ([scored], "test/bleu"),
        ([scored], "validation/accuracy"),
    ):
        assert influences(runs, key) is None
    assert math.isnan(sampling_error([np.full((SEEDS, 4), math.nan)]))
    assert math.isnan(sampling_error([np.ones((1, 4))]))
