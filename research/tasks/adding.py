"""The adding problem, in three definitions (`task.definition`).

Each step holds a number and a mark; the target is computed from the two marked numbers.

    arjovsky_2016     numbers from [0, 1); a mark of 1 in the first half and one in the second, 0 elsewhere; the sum.
                      To answer 1 has a mean squared error of 1/6. Arjovsky, Shah, Bengio 2016; Le, Jaitly, Hinton 2015
    pascanu_2013      numbers from [0, 1); T to 1.1 T steps, of which one of the first tenth and one from there to the
                      half have the mark 1; the mean. To answer 1/2: 1/24. The code of Pascanu, Mikolov, Bengio 2013,
                      where all sequences of a batch are equally long
    hochreiter_1997   numbers from [-1, 1]; T to 1.1 T steps, marked as in `marked`; 0.5 + sum / 4. To answer 1/2:
                      0.039 at T = 100, below 1/24, as a number at the first step does not count. Hochreiter &
                      Schmidhuber 1997, whose net has a sigmoid output, where this one is linear

An answer counts as right within 0.04, in all three, which is the criterion of the last.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

from research.batch import Batch, TaskSpec
from research.options import require_between
from research.tasks.marked import MarkedTask, longest, mark, marked, number_at, pairs
from research.tasks.synthetic import MAX_STEPS, Draws

Definition = Literal["arjovsky_2016", "pascanu_2013", "hochreiter_1997"]


@dataclass(frozen=True)
class Adding(MarkedTask):
    """Sum of two marked numbers of a sequence (Hochreiter & Schmidhuber 1997; Le, Jaitly, Hinton 2015)."""

    name: Literal["adding"] = "adding"
    length: int = 100
    """Time steps of a sequence; up to a tenth is added, but for the definition arjovsky_2016."""
    definition: Definition = "arjovsky_2016"
    """The sum, with a mark in each half; the mean; or the sum, scaled, with marks at both ends too."""

    def __post_init__(self) -> None:
        shortest = {"arjovsky_2016": 2, "pascanu_2013": 10, "hochreiter_1997": 20}[self.definition]
        require_between(self, "task", length=(shortest, MAX_STEPS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        steps = {"arjovsky_2016": self.length, "pascanu_2013": longest(self.length) - 1}
        return TaskSpec("features", 2, steps.get(self.definition, longest(self.length)), "value", 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        if self.definition == "hochreiter_1997":
            return self._scaled_sum(draws, count)
        return self._mean(draws, count) if self.definition == "pascanu_2013" else self._sum(draws, count)

    def describe(self) -> str:
        suffix = "" if self.definition == "arjovsky_2016" else f", as {self.definition.replace('_', ' ')}"
        return f"adding problem, {self.length} steps{suffix}"

    def _sum(self, draws: Draws, count: int) -> Batch:
        numpy, half = draws.numpy, self.length // 2
        numbers = draws.uniform(count, self.length)
        positions = (draws.integers((count, 1), 0, half), draws.integers((count, 1), half, self.length))
        marks = mark(positions, self.length, numpy)
        return Batch(numpy.stack([numbers, marks], axis=-1), None, numpy.sum(numbers * marks, axis=1, keepdims=True))

    def _mean(self, draws: Draws, count: int) -> Batch:
        numpy, steps = draws.numpy, self.spec.input_length
        lengths = draws.integers((count,), self.length, steps + 1)
        numbers = draws.uniform(count, steps)
        tenth, half = (lengths // 10)[:, None], (lengths // 10 + lengths * 2 // 5)[:, None]
        positions: Any = (draws.integers((count, 1), 0, tenth), draws.integers((count, 1), tenth, half))
        marks = mark(positions, steps, numpy)
        targets = numpy.sum(numbers * marks, axis=1, keepdims=True) / 2
        return Batch(pairs(numbers, marks, lengths, numpy), lengths, targets)

    def _scaled_sum(self, draws: Draws, count: int) -> Batch:
        lengths, marks, positions = marked(draws, count, self.length)
        numbers = 2 * draws.uniform(count, longest(self.length)) - 1
        first, second = (number_at(numbers, position, 0.0, draws.numpy) for position in positions)
        return Batch(pairs(numbers, marks, lengths, draws.numpy), lengths, 0.5 + (first + second) / 4)
