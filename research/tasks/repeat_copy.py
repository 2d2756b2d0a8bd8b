"""The repeat copy task of Graves, Wayne, Danihelka 2014 (Neural Turing Machines, 4.2).

A sequence is 1 to 10 random vectors of 8 bits, and then, on a channel of its own, how often to say it: 1 to 10 times,
with mean and standard deviation scaled to 0 and 1. The target is the vectors so many times, and an end mark. What a
decoder says, and the metrics, are as in `copy`.
"""

from typing import ClassVar

import numpy as np

from research.batch import FIRST_SYMBOL, Batch, Interface
from research.config import RepeatCopyConfig
from research.tasks.copy import bits_and_mark, evaluated
from research.tasks.drawn import Drawn, Draws, closed
from research.tasks.task import Evaluation, Outcome


class RepeatCopy(Drawn):
    """Random vectors of bits, to be said again so many times."""

    name: ClassVar[str] = "repeat_copy"

    def __init__(self, options: RepeatCopyConfig) -> None:
        self.options = options
        vocabulary, most = FIRST_SYMBOL + 2**options.bits, options.max_length * options.max_repeats
        self.interface = Interface("features", options.bits + 1, options.max_length + 1, "tokens", vocabulary, most + 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        lengths = draws.integers((count,), options.min_length, options.max_length + 1)
        repeats = draws.integers((count,), 1, options.max_repeats + 1)
        vectors = draws.integers((count, options.max_length), 0, 2**options.bits)
        possible = np.arange(1, options.max_repeats + 1)
        scaled = (repeats - float(np.mean(possible))) / float(np.std(possible))
        inputs = bits_and_mark(vectors, lengths, scaled.astype(numpy.float32), options.bits, numpy)
        places = numpy.arange(options.max_length * options.max_repeats)[None, :] % lengths[:, None]
        said, ends = numpy.take_along_axis(vectors, places, axis=1), lengths * repeats
        return Batch(inputs, lengths + 1, closed(said + FIRST_SYMBOL, ends, numpy), ends + 1)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return evaluated(outcome, self.held_out(len(outcome.loss)))
