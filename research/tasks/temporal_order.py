"""Temporal order: which of two symbols stood at each of two or three places, in three definitions (`task.definition`).

All other steps hold one of four distractors at random; the class is read at the end. With T steps, places from 0:

    hochreiter_1997      T to 1.1 T steps; the first is a start, the last an end symbol of their own
                         two:   T/10 .. T/5, T/2 .. 3T/5                          (experiment 6a)
                         three: T/10 .. T/5, 33T/100 .. 43T/100, 66T/100 .. 76T/100    (6b), both ends included
    pascanu_2013         T steps; two: 1 .. T/10, 5T/10 .. 6T/10, both ends included; as the paper says
    pascanu_2013_code    T steps; two: T/10 .., 5T/10 ..; three: T/10 .., 3T/10 .., 6T/10 .., each T/10 places;
                         as the code does that was released with the paper

Hochreiter & Schmidhuber 1997; Pascanu, Mikolov, Bengio 2013. The places of the former are theirs for T = 100, scaled;
a sequence counts as right where the class is the likeliest, where they ask that all outputs are off by less than 0.3.
"""

from typing import ClassVar

from research.batch import Batch, Interface
from research.config import TemporalOrderConfig
from research.tasks import answers
from research.tasks.answers import Baseline
from research.tasks.drawn import Drawn, Draws, one_hot
from research.tasks.task import Evaluation, Outcome

DISTRACTORS = 4
START, END = 2 + DISTRACTORS, 3 + DISTRACTORS  # behind the two symbols and the distractors


class TemporalOrder(Drawn):
    """The order of two or three symbols that stand far apart among others."""

    name: ClassVar[str] = "temporal_order"

    def __init__(self, options: TemporalOrderConfig) -> None:
        self.options = options
        self.framed = options.definition == "hochreiter_1997"
        """Whether the first and the last step have symbols of their own."""
        self.classes = 2**options.symbols
        longest = options.length + (options.length // 10 if self.framed else 0)
        self.interface = Interface(
            "features", 4 + DISTRACTORS if self.framed else START, longest, "class", self.classes
        )

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        steps = numpy.arange(self.interface.input_length)[None, :]
        ranges = places(options)
        symbols = draws.integers((count, len(ranges)), 0, 2)
        read = draws.integers((count, self.interface.input_length), 2, START)
        for index, (first, last) in enumerate(ranges):
            place = draws.integers((count, 1), first, last + 1)
            read = numpy.where(steps == place, symbols[:, index : index + 1], read)
        lengths = None
        if self.framed:
            lengths = draws.integers((count,), options.length, self.interface.input_length + 1)
            read = numpy.where(steps == 0, START, numpy.where(steps == lengths[:, None] - 1, END, read))
            read = numpy.where(steps < lengths[:, None], read, -1)
        weights = 2 ** numpy.arange(len(ranges) - 1, -1, -1)[None, :]
        classes = numpy.sum(symbols * weights, axis=1).astype(numpy.int32)
        return Batch(one_hot(read, self.interface.input_size, numpy), lengths, classes)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return answers.classes(outcome, Baseline.guess(self.classes))


def places(options: TemporalOrderConfig) -> list[tuple[int, int]]:
    """The first and the last step at which each symbol may stand."""
    length = options.length
    if options.definition == "pascanu_2013":
        return [(1, length // 10), (5 * length // 10, 6 * length // 10)]
    if options.definition == "pascanu_2013_code":
        tenths = (1, 5) if options.symbols == 2 else (1, 3, 6)
        return [(tenth * length // 10, tenth * length // 10 + length // 10 - 1) for tenth in tenths]
    hundredths = (10, 50) if options.symbols == 2 else (10, 33, 66)
    return [(start * length // 100, (start + 10) * length // 100) for start in hundredths]
