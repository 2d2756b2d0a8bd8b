"""Tasks whose examples are sampled at random, by one definition for device and host.

On the device a batch of training is a pure function of key and step; on the host validation and test come from a fixed
seed each. A definition asks for random numbers in a fixed order and computes arrays from them, with whichever library
they belong to.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import EOS, PAD, Batch
from research.tasks.metrics import classification
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, Task

SEEDS: dict[Split, int] = {"test": 0, "validation": 1}
MAX_DRAWS = 8  # of one definition
MAX_STEPS = 2**17
MAX_SYMBOLS = 2**16


class DeviceDraws:
    """Random numbers in a program, from a key; each draw has a stream of its own."""

    numpy: Any = jnp
    """The library of the arrays."""

    def __init__(self, key: Array) -> None:
        self._keys = iter(jax.random.split(key, MAX_DRAWS))

    def uniform(self, *shape: int) -> Any:
        """Return numbers of float32, from 0 to less than 1."""
        return jax.random.uniform(next(self._keys), shape)

    def integers(self, shape: tuple[int, ...], low: Any, high: Any) -> Any:
        """Return integers of int32, from `low` to less than `high`; numbers, or arrays that broadcast to the shape."""
        return jax.random.randint(next(self._keys), shape, low, high)


class HostDraws:
    """The same in NumPy. A row does not depend on the number of rows: the first ten of a thousand are those of ten."""

    numpy: Any = np

    def __init__(self, seed: int) -> None:
        self._rngs = (np.random.default_rng((seed, index)) for index in range(MAX_DRAWS))

    def uniform(self, *shape: int) -> Any:
        return next(self._rngs).random(shape, np.float32)

    def integers(self, shape: tuple[int, ...], low: Any, high: Any) -> Any:
        return next(self._rngs).integers(low, high, shape).astype(np.int32)


Draws = DeviceDraws | HostDraws


@dataclass(frozen=True)
class SyntheticTask(Task):
    """A task whose examples are sampled at random. A subclass defines them."""

    def examples(self, draws: Draws, count: int) -> Batch:
        """Return `count` examples."""
        raise NotImplementedError

    @property
    def same_length(self) -> bool:
        return self.examples(HostDraws(0), 1).input_lengths is None

    @functools.cached_property
    def padding(self) -> float | None:
        """The fraction that a thousand examples have."""
        batch = self.eval_examples("test", 1000).batch
        if batch.input_lengths is None:
            return None
        sides = [(np.sum(batch.input_lengths), batch.inputs.shape[:2])]
        if batch.target_lengths is not None:
            sides.append((np.sum(batch.target_lengths), batch.targets.shape))
        return float(1 - sum(valid for valid, _ in sides) / sum(np.prod(shape) for _, shape in sides))

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        return self.examples(DeviceDraws(jax.random.fold_in(key, step)), batch_size)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        return EvalExamples(split, self.examples(HostDraws(SEEDS[split]), count))

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        """Return the metrics of classes or labels next to those of chance; other targets need a method of their own."""
        scores = {"class": classification.classes, "labels": classification.labels}[self.target_kind]
        return scores(predictions, classification.Baseline.chance(self.spec.target_size))


def one_hot(symbols: Any, size: int, numpy: Any) -> Any:
    """Return symbols [B, S], from 0, as vectors [B, S, size]; a symbol below 0 as zeros."""
    return (symbols[:, :, None] == numpy.arange(size)[None, None, :]).astype(numpy.float32)


def end_with_eos(tokens: Any, lengths: Any, numpy: Any) -> Any:
    """Return targets [B, U + 1]: the first `lengths` [B] of the tokens [B, U], `EOS`, padding."""
    positions = numpy.arange(tokens.shape[1] + 1)[None, :]
    wider = numpy.pad(tokens, ((0, 0), (0, 1)))
    ends = lengths[:, None]
    return numpy.where(positions < ends, wider, numpy.where(positions == ends, EOS, PAD)).astype(numpy.int32)
