import numpy as np
import pytest

from research.tasks import answers
from research.tasks.answers import Baseline
from research.tasks.task import Outcome


def outcome(errors: list, count: list[int] | None = None) -> Outcome:
    array = np.array(errors, np.float32)
    return Outcome(array / 2, array, np.ones(len(array)) if count is None else np.array(count), array)


def test_a_guess_is_right_once_in_so_many_times():
    assert Baseline.guess(4) == Baseline(np.log(4), 0.25)


def test_labels_count_where_there_are_any():
    found = outcome([[0, 1, 0], [0, 0, 0], [1, 0, 1]], [2, 3, 3])
    chosen = np.array([[False, True, False], [False, True, True], [False, False, True]])
    metrics = answers.labels(found, Baseline(0.7, 0.5), {"late": (chosen, 0.3)}).metrics
    assert metrics == {
        "eval/loss": pytest.approx(1.5 / 8),
        "eval/accuracy": pytest.approx(5 / 8),
        "eval/sequence_accuracy": pytest.approx(1 / 3),
        "eval/accuracy_late": pytest.approx(2 / 4),
        "eval/baseline/loss": 0.7,
        "eval/baseline/accuracy": 0.5,
        "eval/baseline/accuracy_late": 0.3,
    }


def test_the_best_constant_is_the_baseline_of_values():
    targets = np.array([[0.0], [0.5], [0.53], [1.0]], np.float32)
    metrics = answers.values(outcome([[0.0], [0.1], [0.03], [1.0]]), targets, 0.04).metrics
    assert metrics["eval/baseline/loss"] == pytest.approx(np.var(targets))
    assert metrics["eval/baseline/accuracy"] == 0.5
    assert metrics["eval/accuracy"] == 0.5 and metrics["eval/loss"] == pytest.approx(1.13 / 8)


def test_a_class_is_right_or_wrong():
    metrics = answers.classes(outcome([[0], [1], [0], [0]]), Baseline.guess(2)).metrics
    assert (metrics["eval/accuracy"], metrics["eval/loss"]) == (0.75, 0.125)
    assert metrics["eval/baseline/accuracy"] == 0.5
