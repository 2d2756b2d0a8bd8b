"""Metrics of answers that are no sequences of tokens: classes, labels and values, each beside a baseline.

eval/loss                     nats a label or class; squared error of a value
eval/accuracy                 share of the labels, classes or values that are right
eval/accuracy_SUBSET          of labels, the same at some steps only
eval/sequence_accuracy        of labels, share of the examples whose labels are all right
eval/baseline/…               loss and accuracy of an answer that needs no memory
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from research.tasks import sequences
from research.tasks.task import Evaluation, Outcome


@dataclass(frozen=True)
class Baseline:
    """What can be had without remembering the input."""

    loss: float
    accuracy: float

    @classmethod
    def guess(cls, count: int) -> "Baseline":
        """One of so many that are equally likely."""
        return cls(float(np.log(count)), 1 / count)

    def metrics(self) -> dict[str, float]:
        return {"eval/baseline/loss": self.loss, "eval/baseline/accuracy": self.accuracy}


def classes(outcome: Outcome, baseline: Baseline) -> Evaluation:
    """Metrics where the target is a class."""
    accuracy = 1 - float(np.mean(outcome.errors))
    return Evaluation({"eval/loss": float(np.mean(outcome.loss)), "eval/accuracy": accuracy, **baseline.metrics()})


def labels(
    outcome: Outcome, baseline: Baseline, subsets: Mapping[str, tuple[np.ndarray, float]] | None = None
) -> Evaluation:
    """Metrics where the target is a class at each step.

    Args:
        subsets: by name, which labels [N, U] are looked at, and the accuracy of the baseline there.
    """
    metrics = {
        "eval/loss": sequences.rate(outcome.loss, outcome.count),
        "eval/accuracy": 1 - sequences.rate(outcome.errors, outcome.count),
        "eval/sequence_accuracy": float(np.mean(np.sum(outcome.errors, axis=1) == 0)),
        **baseline.metrics(),
    }
    for name, (chosen, accuracy) in (subsets or {}).items():
        metrics[f"eval/accuracy_{name}"] = 1 - sequences.rate(outcome.errors * chosen, chosen)
        metrics[f"eval/baseline/accuracy_{name}"] = accuracy
    return Evaluation(metrics)


def values(outcome: Outcome, targets: np.ndarray, within: float) -> Evaluation:
    """Metrics where the target is a value; the baseline is the mean of the targets, as the answer to all.

    Args:
        within: the absolute error below which a value is right.
    """
    wide = targets.astype(np.float64)
    away = np.abs(wide - np.mean(wide))
    baseline = Baseline(float(np.mean(away**2)), float(np.mean(away < within)))
    right = float(np.mean(outcome.errors < within))
    return Evaluation({"eval/loss": float(np.mean(outcome.loss)), "eval/accuracy": right, **baseline.metrics()})
