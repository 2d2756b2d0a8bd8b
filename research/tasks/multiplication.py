"""The multiplication problem: experiment 5 of Hochreiter & Schmidhuber 1997.

As their adding problem (`marked`), but with numbers from [0, 1], and the target is the product of the two; a number
that does not count is 1. To answer 1/4 has a mean squared error of about 0.049. An answer counts as right within 0.04.
Their net has a sigmoid output, here it is linear.
"""

from typing import ClassVar

import numpy as np

from research.batch import Batch, Interface
from research.config import MultiplicationConfig
from research.tasks import answers
from research.tasks.drawn import Drawn, Draws
from research.tasks.marked import RIGHT_WITHIN, counted, longest, marked, pairs
from research.tasks.task import Evaluation, Outcome


class Multiplication(Drawn):
    """Two marked numbers of a sequence, to be multiplied."""

    name: ClassVar[str] = "multiplication"

    def __init__(self, options: MultiplicationConfig) -> None:
        self.length = options.length
        self.interface = Interface("features", 2, longest(options.length), "value", 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy, chosen = draws.numpy, marked(draws, count, self.length)
        numbers = draws.uniform(count, longest(self.length))
        first, second = (counted(numbers, place, 1.0, numpy) for place in chosen.places)
        return Batch(pairs(numbers, chosen.marks, chosen.lengths, numpy), chosen.lengths, first * second)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        targets = self.held_out(len(outcome.loss)).targets
        assert isinstance(targets, np.ndarray)
        return answers.values(outcome, targets, RIGHT_WITHIN)
