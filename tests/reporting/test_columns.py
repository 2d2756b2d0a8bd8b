"""A column is a metric that the runs have, and never stands for one metric of several."""

import pandas as pd
import pytest

from research.config.experiment import Column
from research.errors import UserError
from research.reporting.columns import ALIKE, check, expand, metrics
from research.reporting.comparison import read


def trials(*summaries: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame([{"result": {"summary": summary}} for summary in summaries])


def test_a_metric_that_no_run_has_is_misspelled_if_one_of_theirs_is_nearly_the_same(attention_runs):
    wrong = Column("error", "test/free_runing/edit_error_rate")
    with pytest.raises(UserError, match="no run has this metric; the nearest are test/free_running/edit_error_rate"):
        read([attention_runs], [wrong])
    with pytest.raises(UserError, match=r"column test/los: .*test/loss"):
        check([Column("", "test/los")], trials({"test/loss": 1.0}), ALIKE)
    check([Column("", "gradient/x"), Column("", "test/*")], trials({"test/loss": 1.0}), ALIKE)
    (comparison,), _ = read([attention_runs], [Column("error", "test/free_running/edit_error_rate")])
    assert [column.title for column in comparison.experiment.columns] == ["error"]


@pytest.mark.parametrize("key", ["nothing/like/it", "tset/*"])
def test_a_column_of_the_user_that_no_run_has_is_an_error_however_unlike(key):
    with pytest.raises(UserError, match="no run has this metric; the nearest are test/loss; --list-metrics names all"):
        check([Column("x", "test/loss"), Column("x", key)], trials({"test/loss": 1.0}))


def test_a_star_that_stands_for_several_metrics_of_a_trial_is_a_column_for_each():
    runs = trials({"a/1/x": 1.0, "a/2/x": 2.0, "b": 3.0})
    columns = expand([Column("norm", "a/*/x", unit="%"), Column("a/*", "a/*"), Column("b", "b")], runs)
    assert [(column.title, column.key, column.unit) for column in columns] == [
        ("norm, 1", "a/1/x", "%"),
        ("norm, 2", "a/2/x", "%"),
        ("a/1/x", "a/1/x", ""),
        ("a/2/x", "a/2/x", ""),
        ("b", "b", ""),
    ]


def test_a_star_that_stands_for_another_metric_in_each_trial_is_one_column():
    column = Column("last layer", "a/*/x")
    assert list(expand([column], trials({"a/1/x": 1.0}, {"a/2/x": 2.0}))) == [column]


def test_the_parts_of_a_path_that_all_metrics_of_a_star_have_are_no_part_of_the_title():
    runs = trials({f"g/encoder/layer_{layer}/forward/{part}/x": 1.0 for layer in (1, 2) for part in "ch"})
    titles = [column.title for column in expand([Column("norm", "g/*/x")], runs)]
    assert titles == ["norm, layer_1/c", "norm, layer_1/h", "norm, layer_2/c", "norm, layer_2/h"]


def test_the_last_summary_of_a_probe_is_named_once_and_found_under_both_names():
    runs = trials({"gradient/global_norm": 1.0, "gradient/h/x": 2.0, "gradient/final/h/x": 2.0})
    assert metrics(runs) == ["gradient/final/h/x", "gradient/global_norm"]
    check([Column("", "gradient/h/x"), Column("", "gradient/final/h/x")], runs)


def test_columns_of_the_user_have_the_units_and_means_of_the_experiments_own(gradient_runs):
    (comparison,), _ = read([gradient_runs], [Column("x", "gradient/initial/*half_life"), Column("a", "test/accuracy")])
    assert [(column.scale, column.unit) for column in comparison.experiment.columns] == [("log", ""), ("linear", "%")]
