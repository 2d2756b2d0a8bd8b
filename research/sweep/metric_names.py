"""Which metrics a trial will record, before it trains: those of the training, and those of its task's evaluation."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from research.config.config import Config

TRAINING = ("train/loss", "train/learning_rate", "gradient/global_norm", "gradient/clip_fraction")
OF_OUTPUTS = (
    "exposure_bias_gap",
    *(f"free_running/{name}" for name in ("sequence_error_rate", "exact_match", "bleu", "chrf")),
    *(f"free_running/{name}" for name in ("character_error_rate", "word_error_rate")),
)
"""Metrics of tasks whose targets are tokens, most of which have some of them: no reason to read their data."""


def known_names(config: "Config") -> Iterator[str]:
    """Yield the names, those that need no data first."""
    from research.training.journal import ERROR_NAMES  # imports jax, which `--help` does not need

    kind = config.task.target_kind
    yield from TRAINING
    yield f"train/{ERROR_NAMES[kind]}"
    yield from ("train/seconds", "train/updates_averaged")
    yield from ["train/objective"] * bool(config.training.label_smoothing)
    yield from ["train/gradient_regularizer"] * bool(config.training.gradient_regularizer)
    yield from ["train/teacher_forcing"] * (kind == "tokens")
    if kind == "tokens":
        rates = [f"{way}/{config.task.error_rate}" for way in ("teacher_forced", "free_running")]
        names = ("teacher_forced/loss", *rates)
        yield from (f"validation/{name}" for name in (*names, *OF_OUTPUTS))
    else:
        yield from ("validation/loss", *["validation/accuracy"] * (kind != "value"))
    yield from (f"validation/{name}" for name in _evaluated(config))


def _evaluated(config: "Config") -> Iterator[str]:
    """Yield the metrics that the task has of its own targets as predictions."""
    from research.tasks import task as tasks
    from research.tasks.task import Predictions

    task = tasks.load(config.task)
    examples = tasks.eval_examples(task, "validation", config.training.eval_examples)
    batch, count = examples.batch, len(examples.batch.inputs)
    is_sequence = task.target_kind in ("tokens", "labels")
    zeros = np.zeros(batch.targets.shape if is_sequence else (count, 1), np.float32)
    lengths = np.ones(count, int) if batch.target_lengths is None else batch.target_lengths
    is_class = task.target_kind == "class"
    outputs = np.zeros((count, task.spec.target_size), np.float32) if is_class else batch.targets
    forced = batch.targets if task.target_kind == "tokens" else None
    yield from task.evaluate(Predictions(zeros, zeros, lengths, outputs, forced), examples).metrics
