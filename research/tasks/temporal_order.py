"""Temporal order: which of two symbols stood at each of two or three places, in three definitions (`task.definition`).

All other steps hold one of four distractors at random; the class is read at the end. With T steps, places from 0:

    hochreiter_1997      T to 1.1 T steps; the first is a start symbol, the last an end symbol
                         two:   T/10 .. T/5, T/2 .. 3T/5                          (experiment 6a)
                         three: T/10 .. T/5, 33T/100 .. 43T/100, 66T/100 .. 76T/100    (6b), both ends included
    pascanu_2013         T steps; two: 1 .. T/10, 5T/10 .. 6T/10, both ends included; as the code that was released
                         with the paper describes its task
    pascanu_2013_code    T steps; two: T/10 .., 5T/10 ..; three: T/10 .., 3T/10 .., 6T/10 .., each T/10 places;
                         as that code draws them

Hochreiter & Schmidhuber 1997; Pascanu, Mikolov, Bengio 2013. The places of the former are theirs for T = 100, scaled;
a sequence counts as right where the class is the likeliest, where they ask that all outputs are off by less than 0.3.
"""

import functools
from dataclasses import dataclass
from typing import Literal

from research.batch import Batch, TaskSpec
from research.options import require, require_between
from research.tasks.synthetic import MAX_STEPS, Draws, SyntheticTask, one_hot

DISTRACTORS = 4
START, END = 2 + DISTRACTORS, 3 + DISTRACTORS  # behind the two symbols and the distractors
Definition = Literal["hochreiter_1997", "pascanu_2013", "pascanu_2013_code"]


@dataclass(frozen=True)
class TemporalOrder(SyntheticTask):
    """Order of two or three symbols that stand far apart among others (Hochreiter & Schmidhuber 1997)."""

    name: Literal["temporal_order"] = "temporal_order"
    length: int = 100
    """Time steps of a sequence; hochreiter_1997 adds up to a tenth."""
    symbols: int = 2
    """Symbols whose order counts: 2 or 3."""
    definition: Definition = "hochreiter_1997"
    """Where the symbols stand: as in the paper of 1997, or as the code of Pascanu, Mikolov, Bengio 2013 describes or
    draws them."""

    def __post_init__(self) -> None:
        require_between(self, "task", symbols=(2, 3), length=(20, MAX_STEPS))
        defined = self.symbols == 2 or self.definition != "pascanu_2013"
        require(defined, "task.definition", self.definition, "hochreiter_1997 or pascanu_2013_code with task.symbols=3")

    @property
    def has_ends(self) -> bool:
        """Whether the first and the last step are start and end symbols."""
        return self.definition == "hochreiter_1997"

    @functools.cached_property
    def spec(self) -> TaskSpec:
        longest = self.length + (self.length // 10 if self.has_ends else 0)
        return TaskSpec("features", END + 1 if self.has_ends else START, longest, "class", 2**self.symbols)

    def examples(self, draws: Draws, count: int) -> Batch:
        numpy, steps = draws.numpy, draws.numpy.arange(self.spec.input_length)[None, :]
        ranges = self.symbol_ranges()
        symbols = draws.integers((count, len(ranges)), 0, 2)
        sequence = draws.integers((count, self.spec.input_length), 2, START)
        for index, (first, last) in enumerate(ranges):
            position = draws.integers((count, 1), first, last + 1)
            sequence = numpy.where(steps == position, symbols[:, index : index + 1], sequence)
        lengths = None
        if self.has_ends:
            lengths = draws.integers((count,), self.length, self.spec.input_length + 1)
            sequence = numpy.where(steps == 0, START, numpy.where(steps == lengths[:, None] - 1, END, sequence))
            sequence = numpy.where(steps < lengths[:, None], sequence, -1)
        weights = 2 ** numpy.arange(len(ranges) - 1, -1, -1)[None, :]
        classes = numpy.sum(symbols * weights, axis=1).astype(numpy.int32)
        return Batch(one_hot(sequence, self.spec.input_size, numpy), lengths, classes)

    def describe(self) -> str:
        return f"temporal order of {self.symbols} symbols, {self.length} steps, as {self.definition.replace('_', ' ')}"

    def symbol_ranges(self) -> list[tuple[int, int]]:
        """Return the first and the last step at which each symbol may stand."""
        length = self.length
        if self.definition == "pascanu_2013":
            return [(1, length // 10), (5 * length // 10, 6 * length // 10)]
        if self.definition == "pascanu_2013_code":
            tenths = (1, 5) if self.symbols == 2 else (1, 3, 6)
            return [(tenth * length // 10, tenth * length // 10 + length // 10 - 1) for tenth in tenths]
        hundredths = (10, 50) if self.symbols == 2 else (10, 33, 66)
        return [(start * length // 100, (start + 10) * length // 100) for start in hundredths]
