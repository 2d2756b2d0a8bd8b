"""Selective copying, in the definition of Gu & Dao 2023 (Mamba), which Feng et al. 2024 take over.

With 4096 steps of noise, 16 symbols to remember and a vocabulary of 16 (noise, a mark and 14 symbols), the symbols
stand in a random order at random places among the noise, in 4112 steps; 16 marks follow, which ask for them in the
order in which they stood. Only the marks have labels. The output is one of 14 symbols, where theirs may be any of the
vocabulary. To guess costs ln 14.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

from research.batch import FIRST_SYMBOL, NO_LABEL, Batch, TaskSpec
from research.options import require_between
from research.tasks.synthetic import MAX_STEPS, MAX_SYMBOLS, Draws, SyntheticTask

NOISE, MARK, SYMBOLS = FIRST_SYMBOL, FIRST_SYMBOL + 1, FIRST_SYMBOL + 2


@dataclass(frozen=True)
class SelectiveCopying(SyntheticTask):
    """Symbols at random places among noise, to be recalled at the end (Gu & Dao 2023; Feng et al. 2024)."""

    name: Literal["selective_copying"] = "selective_copying"
    noise: int = 4096
    """Steps of noise."""
    num_memorized: int = 16
    """Symbols to remember."""
    symbols: int = 14
    """Different symbols: the papers' vocabulary of 16 without noise and mark."""

    def __post_init__(self) -> None:
        require_between(self, "task", noise=(0, MAX_STEPS), num_memorized=(1, 2**8), symbols=(2, MAX_SYMBOLS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        steps = self.noise + 2 * self.num_memorized
        return TaskSpec("tokens", SYMBOLS + self.symbols, steps, "labels", self.symbols, steps)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy, steps, memorized = draws.numpy, self.noise + self.num_memorized, self.num_memorized
        remembered = draws.integers((count, memorized), 0, self.symbols)
        is_symbol = random_subset(draws, count, steps, memorized)
        order = numpy.cumsum(is_symbol, axis=1) - 1  # at each step, which symbol was the last
        last = numpy.take_along_axis(remembered, numpy.maximum(order, 0), axis=1)
        tokens = numpy.where(is_symbol, SYMBOLS + last, NOISE).astype(numpy.int32)
        inputs = numpy.concatenate([tokens, numpy.full((count, memorized), MARK, numpy.int32)], axis=1)
        unlabeled = numpy.full((count, steps), NO_LABEL, numpy.int32)
        labels = numpy.full((count,), memorized, numpy.int32)
        return Batch(inputs, None, numpy.concatenate([unlabeled, remembered], axis=1), labels)

    def describe(self) -> str:
        return f"selective copying, {self.num_memorized} of {self.symbols} symbols among {self.noise} steps of noise"


def random_subset(draws: Draws, count: int, size: int, chosen: int) -> Any:
    """Return for each of `count` rows a random subset of `chosen` of `size` places, as a mask, all equally likely.

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
