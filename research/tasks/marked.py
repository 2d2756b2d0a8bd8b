"""Two marked numbers among many, as Hochreiter & Schmidhuber 1997 mark them, for adding and multiplication.

A sequence has between T and T + T/10 steps, each a pair of a number and a mark. One of the first ten pairs is marked
with 1, then one of the first T/2 - 1 that are still unmarked. The first and the last pair have the mark -1, all others
0. Where the first pair is one of the two, its mark is -1 all the same, and its number does not count.
"""

from dataclasses import dataclass
from typing import Any

from research.tasks.drawn import Draws

FIRST = 10  # pairs that the first mark may stand at
RIGHT_WITHIN = 0.04  # absolute error below which an answer is right, in the paper


@dataclass(frozen=True)
class Marked:
    """Sequences of S steps, the longest, and which of their numbers count."""

    lengths: Any
    """Steps of each sequence, [B]."""
    marks: Any
    """[B, S], zeros past the end."""
    places: tuple[Any, Any]
    """Steps of the two numbers, [B, 1] each; 0 is the one whose number does not count."""


def longest(length: int) -> int:
    """The most steps of a sequence."""
    return length + length // 10


def marked(draws: Draws, count: int, length: int) -> Marked:
    """`count` sequences of at least `length` steps."""
    numpy, steps = draws.numpy, draws.numpy.arange(longest(length))[None, :]
    lengths = draws.integers((count,), length, longest(length) + 1)
    first = draws.integers((count, 1), 0, FIRST)
    second = draws.integers((count, 1), 0, length // 2 - 1)
    second = second + (second >= first)
    ends = (steps == 0) | (steps == lengths[:, None] - 1)
    ones = (steps == first) | (steps == second)
    marks = numpy.where(ends, -1.0, numpy.where(ones, 1.0, 0.0))
    return Marked(lengths, marks.astype(numpy.float32), (first, second))


def counted(numbers: Any, place: Any, otherwise: float, numpy: Any) -> Any:
    """The number at a step [B, 1] of each sequence, [B, 1]; `otherwise` where that is the first step."""
    return numpy.where(place == 0, numpy.float32(otherwise), numpy.take_along_axis(numbers, place, axis=1))


def pairs(numbers: Any, marks: Any, lengths: Any, numpy: Any) -> Any:
    """Numbers and marks [B, S] side by side, [B, S, 2], zeros past the lengths."""
    valid = numpy.arange(numbers.shape[1])[None, :] < lengths[:, None]
    return numpy.stack([numpy.where(valid, numbers, 0), numpy.where(valid, marks, 0)], axis=-1)
