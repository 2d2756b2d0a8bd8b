"""The adding problem, in three definitions (`task.definition`).

Each step holds a number and a mark; the target is made of the two marked numbers.

    arjovsky_2016     numbers from [0, 1); a mark of 1 in the first half and one in the second, 0 elsewhere; the sum.
                      To answer 1 has a mean squared error of 1/6. Arjovsky, Shah, Bengio 2016; Le, Jaitly, Hinton 2015
    pascanu_2013      numbers from [0, 1); T to 1.1 T steps, of which one of the first tenth and one from there to the
                      half have the mark 1; the mean. To answer 1/2: 1/24. The code of Pascanu, Mikolov, Bengio 2013,
                      where all sequences of a batch are equally long
    hochreiter_1997   numbers from [-1, 1]; T to 1.1 T steps, marked as in `marked`; 0.5 + sum / 4. To answer 1/2:
                      about 1/24. Hochreiter & Schmidhuber 1997, whose net has a sigmoid output, where here it is linear

An answer counts as right within 0.04, in all three, which is the criterion of the last.
"""

from typing import Any, ClassVar

import numpy as np

from research.batch import Batch, Interface
from research.config import AddingConfig
from research.tasks import answers
from research.tasks.drawn import Drawn, Draws
from research.tasks.marked import RIGHT_WITHIN, counted, longest, marked, pairs
from research.tasks.task import Evaluation, Outcome


class Adding(Drawn):
    """Two marked numbers of a sequence, to be added up."""

    name: ClassVar[str] = "adding"

    def __init__(self, options: AddingConfig) -> None:
        self.length, self.definition = options.length, options.definition
        steps = {
            "arjovsky_2016": options.length,
            "pascanu_2013": longest(options.length) - 1,
            "hochreiter_1997": longest(options.length),
        }
        self.interface = Interface("features", 2, steps[options.definition], "value", 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        if self.definition == "hochreiter_1997":
            return self._scaled(draws, count)
        return self._mean(draws, count) if self.definition == "pascanu_2013" else self._sum(draws, count)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        targets = self.held_out(len(outcome.loss)).targets
        assert isinstance(targets, np.ndarray)
        return answers.values(outcome, targets, RIGHT_WITHIN)

    def _sum(self, draws: Draws, count: int) -> Batch:
        numpy, half = draws.numpy, self.length // 2
        numbers = draws.uniform(count, self.length)
        places = (draws.integers((count, 1), 0, half), draws.integers((count, 1), half, self.length))
        marks = _ones(places, self.length, numpy)
        return Batch(numpy.stack([numbers, marks], axis=-1), None, numpy.sum(numbers * marks, axis=1, keepdims=True))

    def _mean(self, draws: Draws, count: int) -> Batch:
        numpy, steps = draws.numpy, self.interface.input_length
        lengths = draws.integers((count,), self.length, steps + 1)
        numbers = draws.uniform(count, steps)
        tenth, half = (lengths // 10)[:, None], (lengths // 10 + lengths * 2 // 5)[:, None]
        places = (draws.integers((count, 1), 0, tenth), draws.integers((count, 1), tenth, half))
        marks = _ones(places, steps, numpy)
        targets = numpy.sum(numbers * marks, axis=1, keepdims=True) / 2
        return Batch(pairs(numbers, marks, lengths, numpy), lengths, targets)

    def _scaled(self, draws: Draws, count: int) -> Batch:
        numpy, chosen = draws.numpy, marked(draws, count, self.length)
        numbers = 2 * draws.uniform(count, longest(self.length)) - 1
        first, second = (counted(numbers, place, 0.0, numpy) for place in chosen.places)
        inputs = pairs(numbers, chosen.marks, chosen.lengths, numpy)
        return Batch(inputs, chosen.lengths, 0.5 + (first + second) / 4)


def _ones(places: tuple[Any, Any], length: int, numpy: Any) -> Any:
    """A mark at two steps [B, 1] of each sequence, [B, S]."""
    steps = numpy.arange(length)[None, :]
    return ((steps == places[0]) | (steps == places[1])).astype(numpy.float32)
