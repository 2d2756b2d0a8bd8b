"""Selective copying, in the definition of Gu & Dao 2023 (Mamba), which Feng et al. 2024 take over.

With 4096 steps of noise, 16 symbols to remember and a vocabulary of 16, which are noise, a mark and 14 symbols: the
symbols stand in a random order at random places among the noise, in 4112 steps; 16 marks follow, which ask for them in
the order in which they stood. Only at the marks is there a label. The output is one of 14 symbols, where theirs may be
any of the vocabulary. To guess costs ln 14.
"""

from typing import Any, ClassVar

from research.batch import FIRST_SYMBOL, NO_LABEL, Batch, Interface
from research.config import SelectiveCopyingConfig
from research.tasks import answers
from research.tasks.answers import Baseline
from research.tasks.drawn import Drawn, Draws
from research.tasks.task import Evaluation, Outcome

NOISE, MARK, SYMBOLS = FIRST_SYMBOL, FIRST_SYMBOL + 1, FIRST_SYMBOL + 2


class SelectiveCopying(Drawn):
    """Symbols at random places among noise, to be said at the end."""

    name: ClassVar[str] = "selective_copying"

    def __init__(self, options: SelectiveCopyingConfig) -> None:
        self.options, steps = options, options.noise + 2 * options.memorised
        self.interface = Interface("tokens", SYMBOLS + options.symbols, steps, "labels", options.symbols, steps)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        steps, memorised = options.noise + options.memorised, options.memorised
        remembered = draws.integers((count, memorised), 0, options.symbols)
        standing = subset(draws, count, steps, memorised)
        order = numpy.cumsum(standing, axis=1) - 1  # at each step, which symbol was the last
        last = numpy.take_along_axis(remembered, numpy.maximum(order, 0), axis=1)
        read = numpy.where(standing, SYMBOLS + last, NOISE).astype(numpy.int32)
        inputs = numpy.concatenate([read, numpy.full((count, memorised), MARK, numpy.int32)], axis=1)
        unasked = numpy.full((count, steps), NO_LABEL, numpy.int32)
        labels = numpy.full((count,), memorised, numpy.int32)
        return Batch(inputs, None, numpy.concatenate([unasked, remembered], axis=1), labels)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return answers.labels(outcome, Baseline.guess(self.options.symbols))


def subset(draws: Draws, count: int, size: int, chosen: int) -> Any:
    """For each of `count` rows a random subset of so many of `size` places, as a mask; all subsets are equally likely.

    Floyd's algorithm (Bentley & Floyd 1987): the k-th draw is from the first size - chosen + k places, and if it was
    drawn before, the last of them is taken.
    """
    numpy, lasts = draws.numpy, range(size - chosen, size)
    drawn = draws.integers((count, chosen), 0, numpy.arange(size - chosen, size)[None, :] + 1)
    rows, mask = numpy.arange(count), numpy.zeros((count, size), bool)
    for k, last in enumerate(lasts):
        place = numpy.where(mask[rows, drawn[:, k]], last, drawn[:, k])
        mask = mask | (numpy.arange(size)[None, :] == place[:, None])
    return mask
