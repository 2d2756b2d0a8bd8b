"""The copying memory problem of Arjovsky, Shah, Bengio 2016, after Hochreiter & Schmidhuber 1997.

With a delay of T, 10 symbols to remember and 8 different ones, an input of T + 20 steps and its labels are

    step      0 .. 9     10 .. T + 8    T + 9    T + 10 .. T + 19
    input     symbols    blanks         mark     blanks
    label     blank      blank          blank    the symbols

and the loss is the mean over all steps, of which the trivial ones are T + 10. The baseline has no memory but knows the
step: it says blank until step T + 9 and then guesses, at a loss of 10 ln 8 / (T + 20).

    eval/accuracy_recalled     share of the symbols that are right, of those to be remembered
"""

from typing import Any, ClassVar

import numpy as np

from research.batch import Batch, Interface
from research.config import CopyingMemoryConfig
from research.tasks import answers
from research.tasks.answers import Baseline
from research.tasks.drawn import Drawn, Draws, one_hot
from research.tasks.task import Evaluation, Outcome


class CopyingMemory(Drawn):
    """Symbols at the start, to be said at the end, behind many blanks."""

    name: ClassVar[str] = "copying_memory"

    def __init__(self, options: CopyingMemoryConfig) -> None:
        self.options, steps = options, options.delay + 2 * options.memorised
        self.interface = Interface("features", options.symbols + 2, steps, "labels", options.symbols + 1, steps)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        blank, mark = options.symbols, options.symbols + 1
        remembered = draws.integers((count, options.memorised), 0, options.symbols)

        def blanks(steps: int) -> Any:
            return numpy.full((count, steps), blank, numpy.int32)

        marks = numpy.full((count, 1), mark, numpy.int32)
        read = numpy.concatenate([remembered, blanks(options.delay - 1), marks, blanks(options.memorised)], axis=1)
        targets = numpy.concatenate([blanks(options.delay + options.memorised), remembered], axis=1)
        labels = numpy.full((count,), self.interface.input_length, numpy.int32)
        return Batch(one_hot(read, options.symbols + 2, numpy), None, targets, labels)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        options, steps = self.options, self.interface.input_length
        guess, share = Baseline.guess(options.symbols), options.memorised / steps
        baseline = Baseline(share * guess.loss, 1 - share * (1 - guess.accuracy))
        recalled = np.broadcast_to(np.arange(steps) >= steps - options.memorised, outcome.errors.shape)
        return answers.labels(outcome, baseline, {"recalled": (recalled, guess.accuracy)})
