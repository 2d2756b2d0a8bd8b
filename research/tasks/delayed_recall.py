"""Delayed recall: experiment 2c of Hochreiter & Schmidhuber 1997, a symbol recalled over a long lag without regularity.

A sequence is b, s, q + k random distractors of p, e, and what follows is s again, one of two symbols. Here the last is
not an input but the class that the model predicts. k is geometric: after each distractor another one follows with
probability 9/10, so there are 9 more on average. One sequence in a hundred has more than `MAX_MORE` more: these are
left out.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from research.batch import Batch, TaskSpec
from research.options import require_between
from research.tasks.synthetic import MAX_STEPS, MAX_SYMBOLS, Draws, SyntheticTask, one_hot

CONTINUE = 0.9
MAX_MORE = 43


@dataclass(frozen=True)
class DelayedRecall(SyntheticTask):
    """A symbol at the start, to be recalled behind many others (Hochreiter & Schmidhuber 1997, experiment 2c)."""

    name: Literal["delayed_recall"] = "delayed_recall"
    delay: int = 50
    """q: fewest distractors between the symbol and the end; more of them come at random, nine on average."""
    distractors: int = 50
    """p: different distractors."""
    classes: int = 2
    """Different symbols to be recalled."""

    def __post_init__(self) -> None:
        require_between(self, "task", delay=(1, MAX_STEPS), distractors=(1, MAX_SYMBOLS), classes=(2, MAX_SYMBOLS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        size = self.classes + self.distractors + 2
        return TaskSpec("features", size, self.delay + MAX_MORE + 3, "class", self.classes)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy, steps = draws.numpy, self.spec.input_length
        begin = self.classes + self.distractors
        end = begin + 1
        classes = draws.integers((count,), 0, self.classes)
        more = numpy.floor(numpy.log1p(-draws.uniform(count) * (1 - CONTINUE ** (MAX_MORE + 1))) / np.log(CONTINUE))
        lengths = self.delay + numpy.minimum(more, MAX_MORE).astype(numpy.int32) + 3
        symbols = draws.integers((count, steps), self.classes, begin)
        positions, last = numpy.arange(steps)[None, :], lengths[:, None] - 1
        symbols = numpy.where(positions == 0, begin, numpy.where(positions == 1, classes[:, None], symbols))
        symbols = numpy.where(positions < last, symbols, numpy.where(positions == last, end, -1))
        return Batch(one_hot(symbols, self.spec.input_size, numpy), lengths, classes)

    def describe(self) -> str:
        return f"recall of one of {self.classes} symbols over {self.delay} steps and more"
