"""Predictions of made-up models for evaluation examples whose targets are tokens."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from research.batch import EOS, FIRST_SYMBOL
from research.tasks.task import EvalExamples, Predictions


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
