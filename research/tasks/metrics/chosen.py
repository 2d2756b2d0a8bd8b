"""Metrics that a data set chooses by name (`task.metrics`), for each kind of target.

    tokens    cer, wer (jiwer), bleu, chrf (sacrebleu), exact_match; always those of `edits`
    class     accuracy, macro_f1
    labels    accuracy, macro_f1, over all steps
    value     mse, mae, in the unit of the data

Each stands next to a baseline that does not read the input: the most frequent text, class or label of training, or the
mean. macro_f1 is the mean of the F1 of all classes that the examples or the predictions have.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from research.batch import TargetKind
from research.options import require
from research.tasks.metrics import text

NAMES: Mapping[TargetKind, tuple[str, ...]] = {
    "tokens": ("cer", "wer", "bleu", "chrf", "exact_match"),
    "class": ("accuracy", "macro_f1"),
    "labels": ("accuracy", "macro_f1"),
    "value": ("mse", "mae"),
}
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


def text_score(
    chosen: Sequence[str], language: str
) -> Callable[[Sequence[str], Sequence[list[str]]], dict[str, float]]:
    """Return a function that scores outputs against lists of references: the nearest counts for cer and wer."""

    def score(outputs: Sequence[str], references: Sequence[list[str]]) -> dict[str, float]:
        pairs = zip(outputs, references, strict=True)
        nearest = [min(texts, key=lambda known: Levenshtein.distance(output, known)) for output, texts in pairs]
        rates = text.error_rates(outputs, nearest) if {"cer", "wer"} & set(chosen) else {}
        scores = text.translation_scores(outputs, references, language) if set(chosen) - {"cer", "wer"} else {}
        wanted = {"cer": "character_error_rate", "wer": "word_error_rate"}
        known = {**rates, **scores}
        return {key: known[key] for name in chosen if (key := wanted.get(name, name)) in known}

    return score


def classes(chosen: Sequence[str], predicted: np.ndarray, targets: np.ndarray, most_frequent: int) -> dict[str, float]:
    """Return the metrics of classes [N], and those of the class that is most frequent in training."""
    outputs = {"": predicted, "baseline/most_frequent/": np.full_like(targets, most_frequent)}
    scores = {"accuracy": lambda x: float(np.mean(x == targets)), "macro_f1": lambda x: _macro_f1(x, targets)}
    return {f"{prefix}{name}": scores[name](x) for prefix, x in outputs.items() for name in chosen}


def values(chosen: Sequence[str], predicted: np.ndarray, targets: np.ndarray, mean: np.ndarray) -> dict[str, float]:
    """Return the metrics of values [N, D], and those of the mean of training."""
    outputs = {"": predicted, "baseline/mean/": np.broadcast_to(mean, targets.shape)}
    scores = {
        "mse": lambda x: float(np.mean((x - targets) ** 2)),
        "mae": lambda x: float(np.mean(np.abs(x - targets))),
    }
    return {f"{prefix}{name}": scores[name](x) for prefix, x in outputs.items() for name in chosen}


def _macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    size = int(max(predicted.max(), targets.max())) + 1
    right = np.bincount(targets[predicted == targets], minlength=size)
    total = np.bincount(predicted, minlength=size) + np.bincount(targets, minlength=size)
    return float(np.mean(2 * right[total > 0] / total[total > 0]))
