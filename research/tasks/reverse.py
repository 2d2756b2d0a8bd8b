"""Sequence reversal, in the definition of Grefenstette, Hermann, Suleyman, Blunsom 2015 (Learning to transduce with
unbounded memory).

A sequence is 8 to 64 random symbols of 128; the target is the symbols from the last to the first. One net reads theirs,
a mark, and then writes; here an encoder reads and a decoder writes. The metrics are those of `copy`.
"""

from typing import ClassVar

from research.batch import FIRST_SYMBOL, PAD, Batch, Interface
from research.config import ReverseConfig
from research.tasks.copy import evaluated
from research.tasks.drawn import Drawn, Draws, closed
from research.tasks.task import Evaluation, Outcome


class Reverse(Drawn):
    """Random symbols, to be said backwards."""

    name: ClassVar[str] = "reverse"

    def __init__(self, options: ReverseConfig) -> None:
        self.options, vocabulary = options, FIRST_SYMBOL + options.symbols
        longest = options.max_length
        self.interface = Interface("tokens", vocabulary, longest, "tokens", vocabulary, longest + 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        lengths = draws.integers((count,), options.min_length, options.max_length + 1)
        drawn = draws.integers((count, options.max_length), FIRST_SYMBOL, FIRST_SYMBOL + options.symbols)
        places = numpy.arange(options.max_length)[None, :]
        valid = places < lengths[:, None]
        source = numpy.where(valid, drawn, PAD)
        backwards = numpy.where(valid, lengths[:, None] - 1 - places, 0)
        said = numpy.take_along_axis(source, backwards, axis=1)
        return Batch(source, lengths, closed(said, lengths, numpy), lengths + 1)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return evaluated(outcome, self.held_out(len(outcome.loss)))
