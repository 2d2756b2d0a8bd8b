"""Hyperband stops what W&B's stops, where all trials are compared at the same iteration."""

import math

import pytest

from research.config.config import Config
from research.config.flat import override
from research.errors import UserError
from research.sweep.early_terminate import bands, decide, step_of
from research.sweep.objective import Hyperband, Metric

LOSS = Metric("validation/loss")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (Hyperband(max_iter=27, s=2, eta=3), [3, 9]),
        (Hyperband(max_iter=5, s=2, eta=2), [1, 2]),
        (Hyperband(max_iter=5, s=9, eta=2), [1, 2]),  # no band is below 1
        (Hyperband(min_iter=3, eta=3), [3, 9, 27]),
        (Hyperband(min_iter=1, eta=1.5), [1, 2, 3]),  # of 1, 1.5, 2.25, 3.375, each once
    ],
)
def test_bands_are_those_of_w_and_b(options, found):
    assert bands(options)[: len(found)] == found


HISTORIES = [[10, 9], [10, 10], [10, 8, 8], [10, 7, 7], [10, 6, 6]]
"""The example in the documentation of W&B's package."""


def test_trials_outside_the_best_part_stop():
    options = Hyperband(max_iter=5, eta=2, s=2)
    assert decide(options, 1, HISTORIES) == (10, ())
    assert decide(options, 2, HISTORIES) == (8, (0, 1))
    assert decide(options, 3, HISTORIES) == (7, (2,))  # of those that got so far


def test_only_the_strict_form_forgets_a_better_value_before():
    histories = [[1, 9], [2, 3], [2, 2]]
    assert decide(Hyperband(min_iter=1), 2, histories) == (3, (0,))
    assert decide(Hyperband(min_iter=1, strict=False), 2, histories) == (3, ())


def test_nan_is_the_worst_and_a_trial_without_values_counts_for_nothing():
    assert decide(Hyperband(min_iter=1, eta=2), 1, [[math.nan], [1], [2], []]) == (2, (0,))
    assert decide(Hyperband(min_iter=1), 1, [[], []]) == (math.inf, ())


def config(**changes):
    return override(Config(), {key.replace("__", "."): value for key, value in changes.items()})


def test_a_trial_pauses_where_its_record_is_complete():
    of_evaluation = config(training__eval_every=15, training__log_every=10)
    assert step_of(2, of_evaluation, LOSS) == 30
    assert step_of(3, of_evaluation, LOSS) == 50  # not 45, in the middle of a record
    assert step_of(3, of_evaluation, Metric("train/loss")) == 30
    best = config(training__eval_every=15, training__log_every=10, checkpoint__keep="best")
    assert step_of(3, best, LOSS) == 45  # a record ends at each evaluation


def test_a_metric_that_is_recorded_at_the_end_alone_decides_nothing():
    with pytest.raises(UserError, match=r"early_terminate: validation/loss is recorded at the end alone; it needs tr"):
        step_of(1, config(), LOSS)
    with pytest.raises(UserError, match="early_terminate: needs trials without training.max_seconds"):
        step_of(1, config(training__eval_every=5, training__max_seconds=9.0), LOSS)
