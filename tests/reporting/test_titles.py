"""A metric has a readable title, a unit and a scale, whoever names it."""

import pytest

from research.config.experiment import Column
from research.reporting.titles import complete, describe_metric, with_unit


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("test/accuracy", "accuracy (%)"),
        ("validation/loss", "loss, validation"),
        ("train/token_error_rate", "token error, training (%)"),
        ("test/free_running/character_error_rate", "character error (%)"),
        ("test/free_running/edit_error_rate_long_inputs", "edit error, long inputs (%)"),
        ("test/teacher_forced/edit_error_rate", "teacher-forced edit error (%)"),
        ("test/baseline/most_frequent/word_error_rate", "word error, most frequent (%)"),
        ("test/free_running/bleu", "BLEU"),
        ("test/macro_f1", "macro F1"),
        ("test/mae", "mean absolute error"),
        (
            "gates/final/encoder/layer_1/forward/f/open_fraction",
            "gates/final/encoder/layer_1/forward/f/open_fraction (%)",
        ),
        ("test/*", "test/*"),
    ],
)
def test_titles_say_what_is_measured_and_in_which_unit(key, title):
    assert with_unit(describe_metric(key)) == title


DECLARED = (
    Column("half-life (steps)", "gradient/initial/*half_life", scale="log"),
    Column("phoneme error", "test/free_running/edit_error_rate", unit="%"),
)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("test/free_running/edit_error_rate", "test/free_running/edit_error_rate"), DECLARED[1]),
        (Column("PER", "test/free_running/edit_error_rate"), Column("PER", DECLARED[1].key, unit="%")),
        (Column("x", "gradient/initial/a/half_life"), Column("x", "gradient/initial/a/half_life", scale="log")),
        (Column("x", "gradient/final/*half_life"), Column("x", "gradient/final/*half_life", scale="log")),
        (Column("x", "gradient/global_norm"), Column("x", "gradient/global_norm")),
    ],
)
def test_a_column_of_the_user_has_the_unit_and_the_mean_of_the_experiments_own(column, expected):
    assert complete(column, DECLARED) == expected


def test_a_unit_that_the_user_writes_is_not_written_twice():
    assert with_unit(Column("accuracy (%)", "test/accuracy", unit="%")) == "accuracy (%)"
