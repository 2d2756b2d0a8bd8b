"""Metrics that a data set chooses by name (`task.metrics`), for each kind of target.

    tokens    cer, wer (jiwer), bleu, chrf (sacrebleu), exact_match; always those of `edits`
    class     accuracy, macro_f1
    labels    accuracy, macro_f1, over all steps
    value     mse, mae, in the unit of the data

Each stands next to a baseline that does not read the input: the most frequent text, class or label of training, or the
mean. macro_f1 is the mean of the F1 of all classes that the examples or the predictions have.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from research.batch import TargetKind
from research.options import require
from research.tasks.task import per_example

NAMES: Mapping[TargetKind, tuple[str, ...]] = {
    "tokens": ("cer", "wer", "bleu", "chrf", "exact_match"),
    "class": ("accuracy", "macro_f1"),
    "labels": ("accuracy", "macro_f1"),
    "value": ("mse", "mae"),
}
Scores = tuple[dict[str, float], dict[str, tuple[np.ndarray, np.ndarray]]]
"""Metrics, and those that are known by example (`Evaluation.by_example`)."""
KINDS: Mapping[TargetKind, str] = {"tokens": "text", "class": "a label", "labels": "labels", "value": "numbers"}
DEFAULT: Mapping[TargetKind, tuple[str, ...]] = {**NAMES, "tokens": ("cer", "wer", "exact_match")}


def names(chosen: str, kind: TargetKind) -> tuple[str, ...]:
    """Return the metrics of `task.metrics`; raises UserError for one that the target does not have."""
    listed = tuple(name.strip() for name in chosen.split(",") if name.strip())
    for name in listed:
        require(
            name in NAMES[kind], "task.metrics", name, f"of {', '.join(NAMES[kind])}, as the target is {KINDS[kind]}"
        )
    return listed or DEFAULT[kind]


def classes(
    chosen: Sequence[str], predicted: np.ndarray, targets: np.ndarray, valid: np.ndarray, most_frequent: int
) -> Scores:
    """Return the metrics of classes or labels, and those of the class that is most frequent in training.

    Args:
        chosen: names of metrics.
        predicted: classes [N], or labels [N, U].
        targets: of the same shape.
        valid: which of them count, of the same shape.
        most_frequent: class or label of training.
    """
    metrics, by_example = {}, {}
    for prefix, outputs in {"": predicted, "baseline/most_frequent/": np.full_like(targets, most_frequent)}.items():
        for name in chosen:
            if name == "macro_f1":
                metrics[f"{prefix}macro_f1"] = _macro_f1(outputs[valid], targets[valid])
            else:
                by_example[f"{prefix}{name}"] = per_example((outputs == targets) & valid), per_example(valid)
    return metrics, by_example


def values(chosen: Sequence[str], predicted: np.ndarray, targets: np.ndarray, mean: np.ndarray) -> Scores:
    """Return the metrics of values [N, D], and those of the mean of training."""
    outputs = {"": predicted, "baseline/mean/": np.broadcast_to(mean, targets.shape)}
    errors = {"mse": np.square, "mae": np.abs}
    ones = np.ones(len(targets))
    found = {
        f"{prefix}{name}": (np.mean(errors[name](x - targets), axis=1), ones)
        for prefix, x in outputs.items()
        for name in chosen
    }
    return {}, found


def _macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    size = int(max(predicted.max(), targets.max())) + 1
    right = np.bincount(targets[predicted == targets], minlength=size)
    total = np.bincount(predicted, minlength=size) + np.bincount(targets, minlength=size)
    return float(np.mean(2 * right[total > 0] / total[total > 0]))
