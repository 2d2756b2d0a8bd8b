"""Sequence reversal, in the definition of Grefenstette, Hermann, Suleyman, Blunsom 2015.

A sequence is 8 to 64 random symbols of 128; the target is the symbols from the last to the first. One net reads theirs,
a mark, and then writes ("Learning to transduce with unbounded memory"); here an encoder reads and a decoder writes. The
metrics are those of `copy`.
"""

import functools
from dataclasses import dataclass
from typing import Literal

from research.batch import FIRST_SYMBOL, PAD, Batch, TaskSpec
from research.options import require_between
from research.tasks.copy import TransductionTask
from research.tasks.synthetic import MAX_STEPS, MAX_SYMBOLS, Draws, end_with_eos


@dataclass(frozen=True)
class Reverse(TransductionTask):
    """Random symbols, to be repeated backwards (Grefenstette, Hermann, Suleyman, Blunsom 2015)."""

    name: Literal["reverse"] = "reverse"
    min_length: int = 8
    """Fewest symbols of a sequence; their number is uniform."""
    max_length: int = 64
    """Most symbols of a sequence."""
    symbols: int = 128
    """Different symbols."""

    def __post_init__(self) -> None:
        lengths = {"min_length": (1, MAX_STEPS), "max_length": (self.min_length, MAX_STEPS)}
        require_between(self, "task", **lengths, symbols=(2, MAX_SYMBOLS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        vocabulary = FIRST_SYMBOL + self.symbols
        return TaskSpec("tokens", vocabulary, self.max_length, "tokens", vocabulary, self.max_length + 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy = draws.numpy
        lengths = draws.integers((count,), self.min_length, self.max_length + 1)
        symbols = draws.integers((count, self.max_length), FIRST_SYMBOL, FIRST_SYMBOL + self.symbols)
        positions = numpy.arange(self.max_length)[None, :]
        valid = positions < lengths[:, None]
        source = numpy.where(valid, symbols, PAD)
        backwards = numpy.where(valid, lengths[:, None] - 1 - positions, 0)
        reversed_source = numpy.take_along_axis(source, backwards, axis=1)
        return Batch(source, lengths, end_with_eos(reversed_source, lengths, numpy), lengths + 1)

    def describe(self) -> str:
        return f"reversal of up to {self.max_length} of {self.symbols} symbols"
