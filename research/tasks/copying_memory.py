"""The copying memory problem of Arjovsky, Shah, Bengio 2016, after Hochreiter & Schmidhuber 1997.

With a delay of T, 10 symbols to remember and 8 different ones, an input of T + 20 steps and its labels are

    step      0 .. 9     10 .. T + 8    T + 9    T + 10 .. T + 19
    input     symbols    blanks         mark     blanks
    label     blank      blank          blank    the symbols

and the loss is the mean over all steps, of which the trivial ones are T + 10. The baseline `memoryless` knows the step:
it answers blank until step T + 9 and then guesses, at a loss of 10 ln 8 / (T + 20).

    accuracy_recalled     fraction of the symbols to remember that are right
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from research.batch import Batch, TaskSpec
from research.options import require_between
from research.tasks.metrics import classification
from research.tasks.synthetic import MAX_STEPS, MAX_SYMBOLS, Draws, SyntheticTask, one_hot
from research.tasks.task import EvalExamples, Evaluation, Predictions


@dataclass(frozen=True)
class CopyingMemory(SyntheticTask):
    """Symbols at the start, to be recalled at the end, behind many blanks (Arjovsky, Shah, Bengio 2016)."""

    name: Literal["copying_memory"] = "copying_memory"
    delay: int = 100
    """T: steps between the symbols and their recall, including the mark that starts it."""
    num_memorized: int = 10
    """Symbols to remember."""
    symbols: int = 8
    """Different symbols."""

    def __post_init__(self) -> None:
        require_between(self, "task", delay=(1, MAX_STEPS), num_memorized=(1, 2**12), symbols=(2, MAX_SYMBOLS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        steps = self.delay + 2 * self.num_memorized
        return TaskSpec("features", self.symbols + 2, steps, "labels", self.symbols + 1, steps)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy, blank, mark = draws.numpy, self.symbols, self.symbols + 1
        remembered = draws.integers((count, self.num_memorized), 0, self.symbols)

        def blanks(steps: int) -> Any:
            return numpy.full((count, steps), blank, numpy.int32)

        marks = numpy.full((count, 1), mark, numpy.int32)
        symbols = numpy.concatenate([remembered, blanks(self.delay - 1), marks, blanks(self.num_memorized)], axis=1)
        targets = numpy.concatenate([blanks(self.delay + self.num_memorized), remembered], axis=1)
        labels = numpy.full((count,), self.spec.input_length, numpy.int32)
        return Batch(one_hot(symbols, self.symbols + 2, numpy), None, targets, labels)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        steps = self.spec.input_length
        chance, fraction = classification.Baseline.chance(self.symbols), self.num_memorized / steps
        baseline = classification.Baseline("memoryless", fraction * chance.loss, 1 - fraction * (1 - chance.accuracy))
        recalled = np.broadcast_to(np.arange(steps) >= steps - self.num_memorized, predictions.errors.shape)
        return classification.labels(predictions, baseline, {"recalled": (recalled, chance.accuracy)})

    def describe(self) -> str:
        return f"copying memory, {self.num_memorized} of {self.symbols} symbols over {self.delay} steps"
