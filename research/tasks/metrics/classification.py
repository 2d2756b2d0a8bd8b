"""Metrics of classes, labels and values, each next to a baseline of the same kind.

    loss                      nats per label or class; squared error of a value
    accuracy                  fraction of the labels, classes or values that are right
    accuracy_SUBSET           of labels, the same at some steps only
    sequence_accuracy         of labels, fraction of the examples whose labels are all right
    baseline/NAME/…           loss and accuracy without remembering the input

Baselines are `chance` (all answers equally likely), `memoryless` (knows the step or the current input, but nothing
before it), `most_frequent` (the class that is most frequent in training) and `mean` (of the targets).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from research.tasks.task import Evaluation, Predictions, per_example


@dataclass(frozen=True)
class Baseline:
    """Scores of an answer that needs no memory of the input."""

    name: str
    loss: float
    accuracy: float

    @classmethod
    def chance(cls, count: int) -> "Baseline":
        """Return that of `count` equally likely answers."""
        return cls("chance", float(np.log(count)), 1 / count)

    def metrics(self) -> dict[str, float]:
        """Return the scores under their names."""
        return {f"baseline/{self.name}/loss": self.loss, f"baseline/{self.name}/accuracy": self.accuracy}


def classes(predictions: Predictions, baseline: Baseline) -> Evaluation:
    """Return the metrics of a task whose target is a class."""
    return Evaluation.of(by_example(predictions), baseline.metrics())


def labels(
    predictions: Predictions, baseline: Baseline, subsets: Mapping[str, tuple[np.ndarray, float]] | None = None
) -> Evaluation:
    """Return the metrics of a task whose target is a class at each step.

    A subset is a mask of labels [N, U], and the accuracy of the baseline on them.
    """
    found = by_example(predictions)
    found["sequence_accuracy"] = (per_example(predictions.errors) == 0, np.ones(len(predictions.errors)))
    metrics = baseline.metrics()
    for name, (mask, accuracy) in (subsets or {}).items():
        found[f"accuracy_{name}"] = per_example((1 - predictions.errors) * mask), per_example(mask)
        metrics[f"baseline/{baseline.name}/accuracy_{name}"] = accuracy
    return Evaluation.of(found, metrics)


def values(predictions: Predictions, targets: np.ndarray, tolerance: float) -> Evaluation:
    """Return the metrics of a task whose target is a value; the baseline answers the targets' mean to all.

    A value is right where its absolute error is below the tolerance.
    """
    wide = targets.astype(np.float64)
    distance = np.abs(wide - np.mean(wide))
    baseline = Baseline("mean", float(np.mean(distance**2)), float(np.mean(distance < tolerance)))
    errors = 1.0 - (predictions.errors < tolerance)  # what is not a number is wrong
    return Evaluation.of(by_example(replace(predictions, errors=errors)), baseline.metrics())


def by_example(predictions: Predictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the loss and the accuracy as in `Evaluation.by_example`."""
    count = predictions.count.astype(np.float64)
    right = count - per_example(predictions.errors)
    return {"loss": (per_example(predictions.loss), count), "accuracy": (right, count)}
