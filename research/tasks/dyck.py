"""Dyck languages of bounded depth: well nested brackets of k kinds, at most m of them open.

The definition is that of Hewitt et al. 2020, "RNNs can generate bounded hierarchical languages with optimal memory".
Where none is open a bracket opens, where m are open the last one closes, else either has probability 1/2; the kind of
one that opens is uniform. This is their distribution for words that do not end before `length`, of which the first
`length` brackets are taken; they end a word with probability 1/2 where none is open, and keep what is long enough.

The label of a step is the kind of the bracket that may be closed next, or none (0). Their model predicts the next
symbol, and the score is whether it prefers the right one of the brackets that close; Suzgun et al. 2019 let it predict
all symbols that may come next: any opening bracket and the one that the label names.

    accuracy_after_closing   accuracy where it takes memory: behind a bracket that closes

The baseline `memoryless` sees the last bracket only: one that opens is the answer; behind one that closes it gives the
label that is most frequent there.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from research.batch import FIRST_SYMBOL, Batch, TaskSpec
from research.options import require_between
from research.tasks.metrics import classification
from research.tasks.synthetic import MAX_STEPS, MAX_SYMBOLS, Draws, SyntheticTask
from research.tasks.task import EvalExamples, Evaluation, Predictions


@dataclass(frozen=True)
class Dyck(SyntheticTask):
    """Well nested brackets of several kinds: which one may be closed, at each step (Hewitt et al. 2020)."""

    name: Literal["dyck"] = "dyck"
    length: int = 84
    """Brackets of a sequence."""
    kinds: int = 2
    """k: kinds of brackets."""
    depth: int = 3
    """m: most brackets that are open at once."""

    def __post_init__(self) -> None:
        require_between(self, "task", length=(1, MAX_STEPS), kinds=(1, MAX_SYMBOLS), depth=(1, 2**6))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        vocabulary = FIRST_SYMBOL + 2 * self.kinds
        return TaskSpec("tokens", vocabulary, self.length, "labels", self.kinds + 1, self.length)

    def examples(self, draws: Draws, count: int) -> Batch:
        """Return `count` examples; opening brackets are the first k symbols, closing ones the next.

        The depth is a random walk that is folded at 0 and at m: there both its steps go the same way.
        """
        numpy, shape, most = draws.numpy, (count, self.length), self.depth
        walk = numpy.cumsum(2 * draws.integers(shape, 0, 2) - 1, axis=1)
        depth = most - numpy.abs(walk % (2 * most) - most)
        before = numpy.pad(depth[:, :-1], ((0, 0), (1, 0)))
        opens, kinds = depth > before, draws.integers(shape, 1, self.kinds + 1)
        positions = numpy.arange(self.length)[None, :]
        running_max = functools.partial(jax.lax.cummax if numpy is jnp else np.maximum.accumulate, axis=1)
        labels = numpy.zeros(shape, numpy.int32)
        for level in range(1, most + 1):  # the last that opened at this level is the one that is open there
            last = running_max(numpy.where(opens & (depth == level), positions, 0))
            labels = numpy.where(depth == level, numpy.take_along_axis(kinds, last, axis=1), labels)
        closed = numpy.pad(labels[:, :-1], ((0, 0), (1, 0)))
        inputs = FIRST_SYMBOL - 1 + numpy.where(opens, kinds, self.kinds + closed)
        all_steps = numpy.full((count,), self.length, numpy.int32)
        return Batch(inputs.astype(numpy.int32), None, labels.astype(numpy.int32), all_steps)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        batch = examples.batch
        closing = batch.inputs >= FIRST_SYMBOL + self.kinds
        frequencies = np.bincount(batch.targets[closing], minlength=self.kinds + 1) / max(np.sum(closing), 1)
        loss = -float(np.sum(frequencies * np.log(np.maximum(frequencies, 1e-300))))
        accuracy = float(np.max(frequencies))
        fraction = float(np.mean(closing))
        baseline = classification.Baseline("memoryless", fraction * loss, 1 - fraction * (1 - accuracy))
        return classification.labels(predictions, baseline, {"after_closing": (closing, accuracy)})

    def describe(self) -> str:
        return f"nested brackets of {self.kinds} kinds, at most {self.depth} deep, {self.length} steps"
