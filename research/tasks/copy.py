"""The copy task of Graves, Wayne, Danihelka 2014 (Neural Turing Machines, 4.1).

A sequence is 1 to 20 random vectors of 8 bits, and then a mark on a channel of its own; the target is the vectors.
Their net reads no input while it puts out eight independent bits a step; here a decoder says each vector as one of
2**8 symbols, from what it said before, and an end mark behind the last. The cost in bits is theirs but for that mark:

    eval/teacher_forced/bits_per_sequence     loss of a sequence

The trivial baseline knows how long a target is, and says the same symbol throughout: eval/baseline/error_rate.
"""

from typing import Any, ClassVar

import numpy as np

from research.batch import FIRST_SYMBOL, Batch, Interface
from research.config import CopyConfig
from research.tasks import sequences
from research.tasks.drawn import Drawn, Draws, closed
from research.tasks.task import Evaluation, Outcome


class Copy(Drawn):
    """Random vectors of bits, to be said again."""

    name: ClassVar[str] = "copy"

    def __init__(self, options: CopyConfig) -> None:
        self.options, longest = options, options.max_length + 1
        vocabulary = FIRST_SYMBOL + 2**options.bits
        self.interface = Interface("features", options.bits + 1, longest, "tokens", vocabulary, longest)

    def examples(self, draws: Draws, count: int) -> Batch:
        options, numpy = self.options, draws.numpy
        lengths = draws.integers((count,), options.min_length, options.max_length + 1)
        vectors = draws.integers((count, options.max_length), 0, 2**options.bits)
        mark = numpy.ones((count,), numpy.float32)
        inputs = bits_and_mark(vectors, lengths, mark, options.bits, numpy)
        return Batch(inputs, lengths + 1, closed(vectors + FIRST_SYMBOL, lengths, numpy), lengths + 1)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        return evaluated(outcome, self.held_out(len(outcome.loss)))


def bits_and_mark(vectors: Any, lengths: Any, mark: Any, bits: int, numpy: Any) -> Any:
    """The bits of whole numbers [B, L] and a channel for a mark [B] behind the last, [B, L + 1, bits + 1]."""
    steps = numpy.arange(vectors.shape[1] + 1)[None, :]
    wider = numpy.pad(vectors, ((0, 0), (0, 1)))
    ones = (wider[:, :, None] >> numpy.arange(bits)[None, None, :]) & 1
    within, behind = steps < lengths[:, None], steps == lengths[:, None]
    channel = numpy.where(behind, mark[:, None], 0)
    return numpy.concatenate([numpy.where(within[:, :, None], ones, 0), channel[:, :, None]], axis=-1).astype(
        numpy.float32
    )


def evaluated(outcome: Outcome, held_out: Batch[np.ndarray]) -> Evaluation:
    """Metrics of drawn symbols that are to be said."""
    found = sequences.evaluate(outcome, held_out)
    references = [[sequences.symbols(target)] for target in held_out.targets]
    assert held_out.target_lengths is not None
    same = np.full((len(references), int(np.max(held_out.target_lengths))), FIRST_SYMBOL)
    same[np.arange(same.shape[1])[None, :] == held_out.target_lengths[:, None] - 1] = sequences.END
    constant = sequences.score(same, references)
    found.metrics["eval/baseline/error_rate"] = sequences.rate(constant.distance, constant.symbols)
    found.metrics["eval/teacher_forced/bits_per_sequence"] = float(np.mean(np.sum(outcome.loss, axis=1)) / np.log(2))
    return found
