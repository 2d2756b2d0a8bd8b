"""Tasks whose examples are drawn at random, by one definition for both places: on the device, where a batch of training
is a pure function of key and step, and on the host, where held-out examples come from a fixed seed.

A definition asks for random numbers in a fixed order and makes arrays of them, with whichever library they belong to.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import END, PAD, Batch
from research.tasks.task import Task

HELD_OUT_SEED = 0
MOST_DRAWS = 8  # of one definition


class Draws(abc.ABC):
    """Random numbers; each draw has a stream of its own."""

    numpy: Any
    """The library of their arrays."""

    @abc.abstractmethod
    def uniform(self, *shape: int) -> Any:
        """Numbers of float32, from 0 to less than 1."""

    @abc.abstractmethod
    def integers(self, shape: tuple[int, ...], least: Any, below: Any) -> Any:
        """Whole numbers of int32, from `least` to less than `below`; arrays that broadcast to the shape, or numbers."""

    @abc.abstractmethod
    def largest_so_far(self, values: Any) -> Any:
        """The running maximum along the steps of values [B, S]."""


class DeviceDraws(Draws):
    """In a program, from a key."""

    numpy = jnp

    def __init__(self, key: Array) -> None:
        self._keys = iter(jax.random.split(key, MOST_DRAWS))

    def uniform(self, *shape: int) -> Array:
        return jax.random.uniform(next(self._keys), shape)

    def integers(self, shape: tuple[int, ...], least: Any, below: Any) -> Array:
        return jax.random.randint(next(self._keys), shape, least, below)

    def largest_so_far(self, values: Array) -> Array:
        return jax.lax.cummax(values, axis=1)


class HostDraws(Draws):
    """In NumPy. Rows do not depend on how many are drawn: the first examples of a thousand are those of ten."""

    numpy = np

    def __init__(self, seed: int) -> None:
        self._rngs = (np.random.default_rng((seed, index)) for index in range(MOST_DRAWS))

    def uniform(self, *shape: int) -> np.ndarray:
        return next(self._rngs).random(shape, np.float32)

    def integers(self, shape: tuple[int, ...], least: Any, below: Any) -> np.ndarray:
        return next(self._rngs).integers(least, below, shape).astype(np.int32)

    def largest_so_far(self, values: np.ndarray) -> np.ndarray:
        return np.maximum.accumulate(values, axis=1)


class Drawn(Task):
    """A task that is drawn at random. A subclass says what an example is."""

    def examples(self, draws: Draws, count: int) -> Batch:
        """So many examples."""
        raise NotImplementedError

    @property
    def padding(self) -> float | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As measured on a thousand examples."""
        batch = self.held_out(1000)
        if batch.input_lengths is None:
            return None
        sides = [(np.sum(batch.input_lengths), batch.inputs.shape[:2])]
        if batch.target_lengths is not None:
            sides.append((np.sum(batch.target_lengths), batch.targets.shape))
        return float(1 - sum(valid for valid, _ in sides) / sum(np.prod(shape) for _, shape in sides))

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        return self.examples(DeviceDraws(jax.random.fold_in(key, step)), batch_size)

    def held_out(self, most: int) -> Batch[np.ndarray]:
        return self.examples(HostDraws(HELD_OUT_SEED), most)


def one_hot(symbols: Any, size: int, numpy: Any) -> Any:
    """Symbols [B, S], from 0, as vectors [B, S, size]; a symbol below 0 as zeros."""
    return (symbols[:, :, None] == numpy.arange(size)[None, None, :]).astype(numpy.float32)


def closed(tokens: Any, lengths: Any, numpy: Any) -> Any:
    """Targets [B, U + 1]: the first `lengths` [B] of the tokens [B, U], the end mark, padding."""
    places = numpy.arange(tokens.shape[1] + 1)[None, :]
    wider = numpy.pad(tokens, ((0, 0), (0, 1)))
    ends = lengths[:, None]
    return numpy.where(places < ends, wider, numpy.where(places == ends, END, PAD)).astype(numpy.int32)
