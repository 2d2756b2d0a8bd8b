"""The repeat copy task of Graves, Wayne, Danihelka 2014 (Neural Turing Machines, 4.2).

A sequence is 1 to 10 random vectors of 8 bits, and then, on a separate channel, the number of repeats: 1 to 10, with
mean and standard deviation scaled to 0 and 1. The target is the vectors so many times, and an end mark. The symbols of
the decoder, and the metrics, are as in `copy`.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from research.batch import FIRST_SYMBOL, Batch, TaskSpec
from research.options import require_between
from research.tasks.copy import TransductionTask, bits_and_mark
from research.tasks.synthetic import Draws, end_with_eos


@dataclass(frozen=True)
class RepeatCopy(TransductionTask):
    """Random vectors of bits, to be copied several times (Graves, Wayne, Danihelka 2014)."""

    name: Literal["repeat_copy"] = "repeat_copy"
    min_length: int = 1
    """Fewest vectors of a sequence; their number is uniform."""
    max_length: int = 10
    """Most vectors of a sequence."""
    max_repeats: int = 10
    """Most repeats; their number is uniform, from 1."""
    bits: int = 8
    """Bits of a vector, which is one of 2**bits symbols for the decoder."""

    def __post_init__(self) -> None:
        lengths = {"min_length": (1, 2**10), "max_length": (self.min_length, 2**10)}
        require_between(self, "task", **lengths, max_repeats=(2, 2**7), bits=(1, 16))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        longest = self.max_length * self.max_repeats + 1
        vocabulary = FIRST_SYMBOL + 2**self.bits
        return TaskSpec("features", self.bits + 1, self.max_length + 1, "tokens", vocabulary, longest)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy = draws.numpy
        lengths = draws.integers((count,), self.min_length, self.max_length + 1)
        repeats = draws.integers((count,), 1, self.max_repeats + 1)
        vectors = draws.integers((count, self.max_length), 0, 2**self.bits)
        possible = np.arange(1, self.max_repeats + 1)
        scaled = (repeats - float(np.mean(possible))) / float(np.std(possible))
        inputs = bits_and_mark(vectors, lengths, scaled.astype(numpy.float32), self.bits, numpy)
        positions = numpy.arange(self.max_length * self.max_repeats)[None, :] % lengths[:, None]
        repeated, ends = numpy.take_along_axis(vectors, positions, axis=1), lengths * repeats
        return Batch(inputs, lengths + 1, end_with_eos(repeated + FIRST_SYMBOL, ends, numpy), ends + 1)

    def describe(self) -> str:
        return f"up to {self.max_length} vectors of {self.bits} bits, up to {self.max_repeats} times"
