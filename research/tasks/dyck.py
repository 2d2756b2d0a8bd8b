"""Dyck languages of bounded depth: well nested brackets of k kinds, at most m of them open, as Hewitt et al. 2020 draw
them (RNNs can generate bounded hierarchical languages with optimal memory).

Where none is open a bracket opens, where m are open the last one closes, else either has probability 1/2; the kind of
one that opens is uniform. This is their distribution for words that do not end before `length`, of which the first
`length` brackets are taken; they end a word with probability 1/2 where none is open, and keep what is long enough.

The label of a step is the kind of the bracket that may be closed next, or none (0). Their model predicts the next
symbol, and what is scored is whether it prefers the right one of the brackets that close; Suzgun et al. 2019 let it say
all that may come next, which is any opening bracket and the one that the label names.

    eval/accuracy_after_closing   accuracy where it takes memory: behind a bracket that closes

The baseline sees the last bracket only: one that opens is the answer; behind one that closes it gives the label that is
most frequent there.
"""

from typing import ClassVar

import numpy as np

from research.batch import FIRST_SYMBOL, Batch, Interface
from research.config import DyckConfig
from research.tasks import answers, sequences
from research.tasks.answers import Baseline
from research.tasks.drawn import Drawn, Draws
from research.tasks.task import Evaluation, Outcome


class Dyck(Drawn):
    """Well nested brackets: which one may be closed, at each step."""

    name: ClassVar[str] = "dyck"

    def __init__(self, options: DyckConfig) -> None:
        self.options, vocabulary = options, FIRST_SYMBOL + 2 * options.kinds
        self.interface = Interface("tokens", vocabulary, options.length, "labels", options.kinds + 1, options.length)

    def examples(self, draws: Draws, count: int) -> Batch:
        """Opening brackets are the first k symbols, closing ones the next.

        The depth is a random walk that is folded at 0 and at m: there both its steps go the same way.
        """
        options, numpy = self.options, draws.numpy
        shape, most = (count, options.length), options.depth
        walk = numpy.cumsum(2 * draws.integers(shape, 0, 2) - 1, axis=1)
        depth = most - numpy.abs(walk % (2 * most) - most)
        before = numpy.pad(depth[:, :-1], ((0, 0), (1, 0)))
        opens, kinds = depth > before, draws.integers(shape, 1, options.kinds + 1)
        places = numpy.arange(options.length)[None, :]
        labels = numpy.zeros(shape, numpy.int32)
        for level in range(1, most + 1):  # the last that opened at this level is the one that is open there
            last = draws.largest_so_far(numpy.where(opens & (depth == level), places, 0))
            labels = numpy.where(depth == level, numpy.take_along_axis(kinds, last, axis=1), labels)
        closed = numpy.pad(labels[:, :-1], ((0, 0), (1, 0)))
        inputs = FIRST_SYMBOL - 1 + numpy.where(opens, kinds, options.kinds + closed)
        every = numpy.full((count,), options.length, numpy.int32)
        return Batch(inputs.astype(numpy.int32), None, labels.astype(numpy.int32), every)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        held_out = self.held_out(len(outcome.loss))
        behind = np.asarray(held_out.inputs) >= FIRST_SYMBOL + self.options.kinds
        targets = np.asarray(held_out.targets)
        shares = np.bincount(targets[behind], minlength=self.options.kinds + 1) / max(np.sum(behind), 1)
        loss, accuracy = -float(np.sum(shares * np.log(np.maximum(shares, 1e-300)))), float(np.max(shares))
        share = sequences.rate(behind, np.ones_like(behind))
        baseline = Baseline(share * loss, 1 - share * (1 - accuracy))
        return answers.labels(outcome, baseline, {"after_closing": (behind, accuracy)})
