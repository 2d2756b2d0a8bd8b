"""The multiplication problem: experiment 5 of Hochreiter & Schmidhuber 1997.

As their adding problem (`marked`), but with numbers from [0, 1], and the target is the product of the two; a number
that does not count is 1. To answer 1/4 has a mean squared error of 0.060 at T = 100; if all numbers counted, it would
be 7/144. An answer counts as right within 0.04. Their net has a sigmoid output, this one is linear.
"""

import functools
from dataclasses import dataclass
from typing import Literal

from research.batch import Batch, TaskSpec
from research.options import require_between
from research.tasks.marked import MarkedTask, longest, marked, number_at, pairs
from research.tasks.synthetic import MAX_STEPS, Draws


@dataclass(frozen=True)
class Multiplication(MarkedTask):
    """Product of two marked numbers of a sequence (Hochreiter & Schmidhuber 1997)."""

    name: Literal["multiplication"] = "multiplication"
    length: int = 100
    """Fewest time steps of a sequence; up to a tenth is added."""

    def __post_init__(self) -> None:
        require_between(self, "task", length=(20, MAX_STEPS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec("features", 2, longest(self.length), "value", 1)

    def examples(self, draws: Draws, count: int) -> Batch:
        lengths, marks, positions = marked(draws, count, self.length)
        numbers = draws.uniform(count, longest(self.length))
        first, second = (number_at(numbers, position, 1.0, draws.numpy) for position in positions)
        return Batch(pairs(numbers, marks, lengths, draws.numpy), lengths, first * second)

    def describe(self) -> str:
        return f"multiplication problem, {self.length} steps"
