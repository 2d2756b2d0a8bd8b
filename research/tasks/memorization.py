"""Memorization, as in the measurement of capacity of Collins, Sohl-Dickstein, Sussillo 2017.

Each item is a vector of random numbers, which is shown at every step, and a random label of two. Nothing can be learned
but by heart, so training, validation and test have the same items, the same in all runs: the metrics say how much of
what a model was trained on it has stored. With a fraction of errors p, that is

    bits    items * (1 - H(p)) with H(p) = -p log2 p - (1 - p) log2 (1 - p); 0 for p above 1/2
"""

import functools
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, TaskSpec
from research.data.order import Order
from research.options import require_between
from research.tasks.synthetic import MAX_STEPS, SEEDS, Draws, HostDraws, SyntheticTask
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split


@dataclass(frozen=True)
class Memorization(SyntheticTask):
    """Random vectors with random labels, the same in training and test (Collins, Sohl-Dickstein, Sussillo 2017)."""

    name: Literal["memorization"] = "memorization"
    items: int = 1000
    """Vectors to memorize the labels of."""
    input_size: int = 8
    """Numbers of a vector, uniform between -1 and 1."""
    length: int = 5
    """Steps at which the vector is shown."""

    def __post_init__(self) -> None:
        require_between(self, "task", items=(1, 2**20), input_size=(1, 2**10), length=(1, MAX_STEPS))

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec("features", self.input_size, self.length, "class", 2)

    def examples(self, draws: Draws, count: int) -> Batch:
        vectors = 2 * draws.uniform(count, 1, self.input_size) - 1
        inputs = vectors.repeat(self.length, axis=1)
        return Batch(inputs, None, draws.integers((count,), 0, 2))

    @functools.cached_property
    def data(self) -> Batch[np.ndarray]:
        return self.examples(HostDraws(SEEDS["test"]), self.items)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        rows = Order((self.items,), batch_size).rows(key, step, bucket)
        return jax.tree.map(lambda x: x[rows], data)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        return EvalExamples(split, jax.tree.map(lambda x: x[:count], self.data))

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        evaluation = super().evaluate(predictions, examples)
        accuracy = max(evaluation.metrics["accuracy"], 0.5)
        shares = np.array([accuracy, 1 - accuracy])
        entropy = -float(np.sum(shares * np.log2(np.maximum(shares, 1e-300))))
        return replace(evaluation, metrics=evaluation.metrics | {"bits": self.items * (1 - entropy)})

    def describe(self) -> str:
        return f"labels of {self.items} random vectors, to be memorized"
