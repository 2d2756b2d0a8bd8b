"""The adding problem, in the definition of Arjovsky, Shah, Bengio 2016.

Each step holds a number drawn uniformly from [0, 1) and a mark; one step of the first half and one of the second are
marked with 1, all others with 0. The target is the sum of the two marked numbers. To answer 1 always has a mean squared
error of 1/6. An answer counts as right within 0.04 (Hochreiter & Schmidhuber 1997).
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, Interface
from research.config import AddingConfig
from research.tasks.task import Evaluation, Outcome, Task

HELD_OUT_SEED = 0
RIGHT_WITHIN = 0.04


class Adding(Task):
    """The sum of two marked numbers of a sequence, drawn on the device."""

    name: ClassVar[str] = "adding"

    def __init__(self, options: AddingConfig) -> None:
        self.length = options.length
        self.interface = Interface("features", 2, options.length, "value", 1)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        number_key, first_key, second_key = jax.random.split(jax.random.fold_in(key, step), 3)
        half = self.length // 2
        numbers = jax.random.uniform(number_key, (batch_size, self.length))
        first = jax.random.randint(first_key, (batch_size, 1), 0, half)
        second = jax.random.randint(second_key, (batch_size, 1), half, self.length)
        return self._example(numbers, first, second, jnp)

    def held_out(self, most: int) -> Batch[np.ndarray]:
        number_rng, first_rng, second_rng = (np.random.default_rng((HELD_OUT_SEED, n)) for n in range(3))
        half = self.length // 2
        numbers = number_rng.random((most, self.length), np.float32)
        first = first_rng.integers(0, half, (most, 1))
        second = second_rng.integers(half, self.length, (most, 1))
        return self._example(numbers, first, second, np)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        right = float(np.mean(outcome.errors < RIGHT_WITHIN))
        return Evaluation({"eval/loss": float(np.mean(outcome.loss)), "eval/accuracy": right})

    def _example(self, numbers: Any, first: Any, second: Any, numpy: Any) -> Batch:
        steps = numpy.arange(self.length)[None, :]
        marks = ((steps == first) | (steps == second)).astype(numbers.dtype)
        targets = numpy.sum(numbers * marks, axis=1, keepdims=True)
        return Batch(numpy.stack([numbers, marks], axis=-1), None, targets)
