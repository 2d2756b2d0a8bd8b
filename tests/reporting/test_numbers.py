"""A number of a table says what the seeds say, and nothing more."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from research.config.config import Config
from research.config.experiment import Column
from research.config.flat import override
from research.errors import UserError
from research.reporting.numbers import DASH, Number, measure, num_examples, number
from research.reporting.statistics import wilson
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import write


def text(values, scale: Any = "linear", unit: Any = "", key="x", examples=0, **options: Any) -> str:
    present = [value for value in values if value is not None]
    column = Column("x", key, scale, unit, **options)
    names, nowhere = tuple(map(str, range(len(present)))), (None,) * len(present)
    return Number(column, np.array(present, float), names, nowhere, len(values), examples).text


@pytest.mark.parametrize(
    ("values", "scale", "shown"),
    [
        ([0.99, 0.97, 0.98], "linear", "0.980 (0.970 0.980 0.990)"),
        ([120.0, 130.0, 125.0], "linear", "125 (120 125 130)"),
        ([0.5, 0.5, 0.5], "linear", "0.500"),
        ([0.0, 0.0], "linear", "0"),
        ([1e7, 1.1e7, 1.2e7], "linear", "1.10 (1.00 1.10 1.20)e7"),
        ([491562, 491562, 491562], "linear", "491,562"),
        ([491562], "linear", "491,562 (n=1)"),
        ([3e-7, 3.1e-7, 3.2e-7], "log", "3.10 (3.00 3.10 3.20)e-7"),
        ([3e-9, 3e-7, 3e-8], "log", "3e-8 (3e-9 3e-8 3e-7)"),
        ([2000.0, 2200, 13400], "log", "3890 (2000 2200 13400)"),
        ([0.97], "linear", "0.970 (n=1)"),
        ([-0.5, 1e-8, 0.5], "linear", "0.0 (-0.5 0.0 0.5)"),
        ([2e-9], "log", "2.0e-9 (n=1)"),
        ([0.0, 0.0, 0.0], "log", "0 (3/3)"),
        ([math.inf, math.inf, 12.0], "log", "12.0 (n=1); inf (2/3)"),
        ([1.0, 1.0, math.nan], "linear", "1.00; undefined (1/3)"),
        ([1.0, 1.0, None], "linear", "1.00 (n=2)"),
        ([1.0, 2.0, None], "linear", "1.5 (1.0 2.0) (n=2)"),
        ([None, None], "linear", DASH),
        ([], "linear", DASH),
    ],
)
def test_a_cell_shows_the_mean_the_seeds_and_what_has_no_place_in_them(values, scale, shown):
    assert text(values, scale) == shown


def test_from_five_seeds_on_a_cell_shows_an_interval():
    shown = text([0.90, 0.91, 0.92, 0.93, 0.99], unit="%", key="test/accuracy", examples=1000)
    mean, low, high = map(float, shown.replace("[", "").replace("]", "").replace(",", "").split())
    assert mean == 93 and 80 < low < 92 < 94 < high < 99


def test_chance_is_shown_with_the_sampling_error_of_its_examples():
    assert text([0.1, 0.1, 0.1], unit="%", key="test/accuracy", examples=1000) == "10.0 [8.3, 12.0]"
    assert text([0.1, 0.1, 0.1], unit="%", key="gradient/underflow_fraction", examples=1000) == "10.0"


def test_a_gap_may_be_negative_and_an_error_rate_above_one():
    assert text([-0.01, -0.02], unit="%", key="test/exposure_bias_gap") == "-1.5 (-2.0 -1.0)"
    assert text([0.01, 0.01], unit="%", key="test/exposure_bias_gap", examples=100) == "1.00"
    many = Number(Column("x", "test/error_rate", unit="%"), np.array([1.1, 1.3, 0.9, 1.0, 1.2]), (), (), 5, 100)
    assert not many.is_rate and many.estimate.low < 1.1 < many.estimate.high


def test_success_counts_the_seeds_that_reach_a_threshold():
    options = {"statistic": "success", "threshold": 0.9}
    assert text([0.95, 0.9, 0.1], key="test/accuracy", **options) == "2/3 [21, 94]%"
    assert text([0.95, 0.9, 0.1, 0.1], key="test/loss", **options) == "3/4 [30, 95]%"
    assert text([0.95, math.nan, 0.1], key="test/loss", **options) == "1/3 [6, 79]%"
    with pytest.raises(UserError, match="column x: must have a threshold exactly if its statistic is success"):
        Column("x", "x", statistic="success")


def test_zeros_and_infinities_leave_the_mean_of_the_others_alone():
    assert text([0.0, 1e-6, math.inf, 1e-5], "log") == text([1e-6, 1e-5], "log") + "; 0 (1/4); inf (1/4)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0123, "0.0123"), (233.4, "233"), (1e-38, "1.0e-38"), (123456.0, "1.2e5"), (0, "0"), (1, "1.00")],
)
def test_numbers_have_an_exponent_only_where_it_is_needed(value, shown):
    assert number(value) == shown


def test_the_number_of_test_examples_is_that_of_the_result_or_of_its_table_or_the_most_that_were_asked_for():
    results = [{"num_examples": 40}, {"by_length": {"count": [3, 4]}}, {}]
    trials = pd.DataFrame({"result": results, "training.eval_examples": [100, 100, 100]})
    assert [num_examples(trials.iloc[[place]]) for place in range(3)] == [40, 7, 100]
    assert num_examples(trials) == 7


def test_a_metric_of_some_examples_has_their_number_and_their_error():
    sampling = {
        "edit_error_rate_long_inputs": {"error": 0.02, "examples": 152},
        "loss": {"error": 0.1, "examples": 3000},
    }
    summary = {"test/edit_error_rate_long_inputs": 0.1, "test/loss": 2.0, "test/bleu": 0.5}
    row = pd.DataFrame(
        [{"run": None, "seed": 0, "result": {"summary": summary, "num_examples": 3000, "sampling": sampling}}]
    )
    rate = measure(row, Column("x", "test/*long_inputs", unit="%"))
    loss, bleu = (measure(row, Column("x", key)) for key in ("test/loss", "test/bleu"))
    assert (rate.examples, rate.error) == (152, pytest.approx(0.02))
    assert (rate.estimate.low, rate.estimate.high) == pytest.approx(wilson(0.1, 0.1 * 0.9 / 0.02**2))
    assert (loss.examples, loss.text) == (3000, "2.00 [1.80, 2.20] (n=1)")
    assert (bleu.examples, math.isnan(bleu.error)) == (3000, True)


def test_at_equal_time_a_number_is_the_last_until_then_and_at_equal_parameters_that_of_small_models(tmp_path):
    run: RunDirectory = write(tmp_path, override(Config(), {}), **{"train/seconds": 9.0, "model/parameters": 100})
    for step, (seconds, loss) in enumerate([(1.0, 0.9), (5.0, 0.5), (9.0, 0.1)]):
        run.append("metrics", {"step": step, "train/seconds": seconds, "validation/loss": loss})
    row = pd.DataFrame([{"run": run, "result": run.result(), "seed": 0}])
    column = Column("loss", "validation/loss", equal="time")
    parameters = Column("x", "train/seconds", equal="parameters")
    assert [len(measure(row, parameters, parameters=most).values) for most in (99.0, 100.0)] == [0, 1]
    assert [measure(row, column, seconds).values.tolist() for seconds in (0.5, 5.0, 8.0)] == [[], [0.5], [0.5]]


def test_a_median_far_below_the_end_of_its_interval_keeps_its_digits():
    values = [0.17, 0.16, 0.18, 0.15, 0.19, 1.6e7]
    assert text(values, "linear", statistic="median") == "0.175 [0.150, 1.6e7]"


def test_influences_of_examples_are_in_the_order_of_the_seeds_that_are_asked_for():
    runs = tuple(RunDirectory(Path(name)) for name in "abc")
    scores = {
        Path(name): {"loss": (np.array([0.0, wrong]), np.ones(2))} for name, wrong in zip("abc", (1, 2, 4), strict=True)
    }
    found = Number(Column("x", "test/loss"), np.array([0.5, 1, 2]), (0, 1, 2), runs, 3)
    influences = found.influences((2, 0), lambda run: scores[run.path])
    assert influences is not None
    np.testing.assert_allclose(influences, [[-2, 2], [-0.5, 0.5]])


def test_intervals_stay_in_the_bounds_of_their_metric_whatever_its_unit():
    for unit in ("", "%"):
        found = number_of([0.94, 0.99, 1.0, 0.98, 0.6], Column("accuracy", "test/accuracy", unit=unit)).estimate
        assert 0 < found.low < found.center < found.high <= 1
    values = [0.02, 0.3, 0.4, 0.35, 0.38]
    assert number_of(values, Column("loss", "test/loss")).estimate.low == 0
    for key in ("test/exposure_bias_gap", "gradient/decay"):
        assert number_of(values, Column("x", key)).estimate.low < 0
    alike = replace(number_of([0.1] * 5, Column("accuracy", "test/accuracy")), examples=1000)
    assert alike.text == "0.100 [0.083, 0.120]"


def number_of(values, column) -> Number:
    return Number(column, np.array(values), tuple(range(len(values))), (None,) * len(values), len(values))
