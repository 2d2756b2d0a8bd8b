"""Delayed recall: experiment 2c of Hochreiter & Schmidhuber 1997, a symbol recalled over a long lag without regularity.

A sequence is b, s, q + k random distractors of p, e, and what follows is s again, one of two symbols. Here the last is
not read but is the class that the model has to give. k is geometric: after each distractor another one follows with
probability 9/10, so there are 9 more on average. One sequence in a hundred has more than `LONGEST` more: these are left
out.
"""

from typing import ClassVar

import numpy as np

from research.batch import Batch, Interface
from research.config import DelayedRecallConfig
from research.tasks import answers
from research.tasks.answers import Baseline
from research.tasks.drawn import Drawn, Draws, one_hot
from research.tasks.task import Evaluation, Outcome

GOES_ON = 0.9
LONGEST = 43


class DelayedRecall(Drawn):
    """A symbol at the start, to be recalled behind many others."""

    name: ClassVar[str] = "delayed_recall"

    def __init__(self, options: DelayedRecallConfig) -> None:
        self.options, longest = options, options.delay + LONGEST + 3
        size = options.classes + options.distractors + 2
        self.interface = Interface("features", size, longest, "class", options.classes)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy, steps = self.options, draws.numpy, self.interface.input_length
        begin = options.classes + options.distractors
        end = begin + 1
        classes = draws.integers((count,), 0, options.classes)
        more = numpy.floor(numpy.log1p(-draws.uniform(count) * (1 - GOES_ON ** (LONGEST + 1))) / np.log(GOES_ON))
        lengths = options.delay + numpy.minimum(more, LONGEST).astype(numpy.int32) + 3
        read = draws.integers((count, steps), options.classes, begin)
        places, last = numpy.arange(steps)[None, :], lengths[:, None] - 1
        read = numpy.where(places == 0, begin, numpy.where(places == 1, classes[:, None], read))
        read = numpy.where(places < last, read, numpy.where(places == last, end, -1))
        return Batch(one_hot(read, self.interface.input_size, numpy), lengths, classes)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return answers.classes(outcome, Baseline.guess(self.options.classes))
