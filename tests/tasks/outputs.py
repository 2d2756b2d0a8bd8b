"""Predictions of made-up models for evaluation examples whose targets are tokens."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from research.batch import EOS, FIRST_SYMBOL
from research.tasks.task import EvalExamples, Predictions, Task


def perfect(examples: EvalExamples, **changes: np.ndarray) -> Predictions:
    """Return those of a model without an error or a loss, but for the changes."""
    batch = examples.batch
    assert batch.target_lengths is not None
    none = np.zeros(batch.targets.shape)
    made = Predictions(none, none, batch.target_lengths, batch.targets, batch.targets)
    return dataclasses.replace(made, **changes)


def outputs(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the tokens with their end marks, and more behind them, which does not count."""
    made = np.full((len(sequences), max(map(len, sequences)) + 3), FIRST_SYMBOL, np.int32)
    for row, tokens in zip(made, sequences, strict=True):
        row[: len(tokens) + 1] = [*tokens, EOS]
    return made


def check_by_example(task: Task, examples: EvalExamples, right: Predictions, row: int) -> None:
    """Check that one wrong example changes its own part of the metrics alone, and that metrics are ratios of sums."""
    outputs, errors = right.outputs.copy(), right.errors.copy()
    outputs[row] = {"tokens": EOS, "class": np.roll(outputs[row], 1)}.get(task.target_kind, outputs[row] + 1)
    errors[row, -1] = 1
    before = task.evaluate(right, examples).by_example
    after = task.evaluate(dataclasses.replace(right, outputs=outputs, errors=errors, loss=errors), examples)
    changed = {name: np.flatnonzero(pair[0] != before[name][0]).tolist() for name, pair in after.by_example.items()}
    for name, (numerators, denominators) in after.by_example.items():
        assert after.metrics[name] == pytest.approx(numerators.sum() / denominators.sum(), rel=1e-9), name
        whole = len(numerators) == len(outputs)  # others are over a subset
        assert changed[name] in ([], [row]) if whole else len(changed[name]) <= 1, name
    assert any(changed.values())
