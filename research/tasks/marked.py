"""Two marked numbers among many, as Hochreiter & Schmidhuber 1997 mark them, for adding and multiplication.

A sequence has between T and T + T/10 steps, each a pair of a number and a mark. One of the first ten pairs is marked
with 1, then one of the first T/2 - 1 that are still unmarked. The first and the last pair have the mark -1, all others
0. Where the first pair is one of the two, its mark is -1 all the same, and its number does not count.
"""

from dataclasses import dataclass
from typing import Any

from research.tasks.metrics import classification
from research.tasks.synthetic import Draws, SyntheticTask
from research.tasks.task import EvalExamples, Evaluation, Predictions

FIRST_MARK_WITHIN = 10  # pairs that the first mark may stand at
TOLERANCE = 0.04  # absolute error below which an answer is right, in the paper


@dataclass(frozen=True)
class MarkedTask(SyntheticTask):
    """A task whose target is a value computed from two marked numbers."""

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        return classification.values(predictions, examples.batch.targets, TOLERANCE)


def longest(length: int) -> int:
    """Return the steps of the longest sequence."""
    return length + length // 10


def marked(draws: Draws, count: int, length: int) -> tuple[Any, Any, tuple[Any, Any]]:
    """Draw `count` sequences of at least `length` steps, of which the longest has S, and which of their numbers count.

    Returns:
        The steps of each sequence, [B]; the marks [B, S], zeros past the end; the steps of the two numbers, [B, 1]
        each, where 0 is the one whose number does not count.
    """
    numpy, steps = draws.numpy, draws.numpy.arange(longest(length))[None, :]
    lengths = draws.integers((count,), length, longest(length) + 1)
    first = draws.integers((count, 1), 0, FIRST_MARK_WITHIN)
    second = draws.integers((count, 1), 0, length // 2 - 1)
    second = second + (second >= first)
    ends = (steps == 0) | (steps == lengths[:, None] - 1)
    marks = numpy.where(ends, -1.0, mark((first, second), longest(length), numpy))
    return lengths, marks.astype(numpy.float32), (first, second)


def mark(positions: tuple[Any, Any], length: int, numpy: Any) -> Any:
    """Return [B, S] with ones at two steps [B, 1] of each sequence."""
    steps = numpy.arange(length)[None, :]
    return ((steps == positions[0]) | (steps == positions[1])).astype(numpy.float32)


def number_at(numbers: Any, position: Any, otherwise: float, numpy: Any) -> Any:
    """Return the number at a step [B, 1] of each sequence, [B, 1]; `otherwise` where that is the first step."""
    return numpy.where(position == 0, numpy.float32(otherwise), numpy.take_along_axis(numbers, position, axis=1))


def pairs(numbers: Any, marks: Any, lengths: Any, numpy: Any) -> Any:
    """Return numbers and marks [B, S] side by side, [B, S, 2], zeros past the lengths."""
    valid = numpy.arange(numbers.shape[1])[None, :] < lengths[:, None]
    return numpy.stack([numpy.where(valid, numbers, 0), numpy.where(valid, marks, 0)], axis=-1)
