import numpy as np
import pytest

from research.tasks.metrics import classification
from research.tasks.metrics.classification import Baseline
from research.tasks.task import Predictions


def predictions(errors: list, count: list[int] | None = None) -> Predictions:
    array = np.array(errors, np.float32)
    return Predictions(array / 2, array, np.ones(len(array)) if count is None else np.array(count), array)


def test_a_guess_is_right_once_in_so_many_times():
    assert Baseline.chance(4) == Baseline("chance", np.log(4), 0.25)


def test_labels_count_where_there_are_any():
    found = predictions([[0, 1, 0], [0, 0, 0], [1, 0, 1]], [2, 3, 3])
    chosen = np.array([[False, True, False], [False, True, True], [False, False, True]])
    metrics = classification.labels(found, Baseline("chance", 0.7, 0.5), {"late": (chosen, 0.3)}).metrics
    assert metrics == {
        "loss": pytest.approx(1.5 / 8),
        "accuracy": pytest.approx(5 / 8),
        "sequence_accuracy": pytest.approx(1 / 3),
        "accuracy_late": pytest.approx(2 / 4),
        "baseline/chance/loss": 0.7,
        "baseline/chance/accuracy": 0.5,
        "baseline/chance/accuracy_late": 0.3,
    }


def test_the_best_constant_is_the_baseline_of_values():
    targets = np.array([[0.0], [0.5], [0.53], [1.0]], np.float32)
    metrics = classification.values(predictions([[0.0], [0.1], [0.03], [1.0]]), targets, 0.04).metrics
    assert metrics["baseline/mean/loss"] == pytest.approx(np.var(targets))
    assert metrics["baseline/mean/accuracy"] == 0.5
    assert metrics["accuracy"] == 0.5 and metrics["loss"] == pytest.approx(1.13 / 8)


def test_a_class_is_right_or_wrong():
    metrics = classification.classes(predictions([[0], [1], [0], [0]]), Baseline.chance(2)).metrics
    assert (metrics["accuracy"], metrics["loss"]) == (0.75, 0.125)
    assert metrics["baseline/chance/accuracy"] == 0.5


def test_what_is_not_a_number_is_wrong():
    array = np.array([[0.0], [0.0], [1.0]], np.float32)
    found = Predictions(np.array([[np.nan], [0.1], [np.nan]], np.float32), array, np.ones(3), array)
    assert classification.classes(found, Baseline.chance(2)).metrics["accuracy"] == pytest.approx(1 / 3)
    targets = np.array([[0.0], [1.0]], np.float32)
    assert classification.values(predictions([[np.nan], [0.01]]), targets, 0.04).metrics["accuracy"] == 0.5
