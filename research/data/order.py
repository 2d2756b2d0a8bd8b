"""The order of examples: a pure function of (seed, step), so that a resumed run needs no iterator state.

Each epoch visits each example once, in a random order. The permutation is never stored: a Feistel network permutes the
next larger power of four, and an index that falls outside the range is permuted again until it falls inside (cycle
walking; Black & Rogaway 2002). Examples are stored bucket by bucket; a batch comes from one bucket, and the batches of
an epoch come in random order.

The bucket of a step depends on the step alone, so that all trials of a pack have the same one: a batched pack would
otherwise compute every bucket for every trial (`vmap` turns a switch into a selection). Which examples of the bucket
make the batch depends on the key of the trial.

`Order` is computed where the model trains. `HostOrder` is the same in NumPy, for examples that are read from a disk.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt, UInt32

from research.batch import ArrayT

ORDER, AUGMENT, SAMPLE, SLOTS = 1, 2, 3, 4
"""Tags of random streams: the order of a bucket's examples, their augmentation, other samples, the order of the batches
of all buckets. `stream` folds the tag into the key first, then the epoch or the step."""
ROUNDS = 6


def stream(key: Array, tag: int, step: Int[Array, ""]) -> Array:
    """Return the key of one random stream at one step (or epoch): no other stream or step has it."""
    return jax.random.fold_in(jax.random.fold_in(key, tag), step)


@dataclass(frozen=True)
class Order:
    """The order of batches over buckets of `sizes` examples; what does not fill a batch waits for another epoch."""

    sizes: tuple[int, ...]
    batch_size: int

    @property
    def batches(self) -> tuple[int, ...]:
        """Batches of each bucket in an epoch; a bucket smaller than a batch repeats examples within it.

        An empty bucket has none: the permutation of an empty range would never end.
        """
        return tuple(max(1, size // self.batch_size) if size else 0 for size in self.sizes)

    def bucket(self, step: Int[Array, ""]) -> Int[Array, ""]:
        """Return the bucket that the batch of this step comes from, whatever the key."""
        return jnp.searchsorted(jnp.asarray(np.cumsum(self.batches), jnp.int32), self._slot(step), side="right")

    def rows(self, key: Array, step: Int[Array, ""], bucket: int) -> Int[Array, " B"]:
        """Return the examples of this step's batch, counted over all buckets, if it comes from `bucket`."""
        epoch_key = stream(key, ORDER, step // sum(self.batches))
        first_batch = int(np.sum(self.batches[:bucket]))
        position = (self._slot(step) - first_batch) * self.batch_size + jnp.arange(self.batch_size)
        row = permute(position % self.sizes[bucket], self.sizes[bucket], jax.random.fold_in(epoch_key, bucket + 1))
        return row + int(np.sum(self.sizes[:bucket]))

    def on_host(self, key: Array, steps: int) -> "HostOrder":
        """Return the batches of at least the first steps, for the host."""
        epochs = jnp.arange(-(-steps // sum(self.batches)))
        return HostOrder(self, np.asarray(_epoch_round_keys(key, epochs, len(self.sizes))))

    def _slot(self, step: Int[Array, ""]) -> Int[Array, ""]:
        """Return the place of this step's batch among those of an epoch, which are counted bucket by bucket."""
        total = sum(self.batches)
        return permute((step % total)[None], total, _slots_key(step // total))[0]


@dataclass(frozen=True)
class HostOrder:
    """The batches of an `Order` for one key, in NumPy."""

    order: Order
    keys: UInt32[np.ndarray, "E P R"]
    """Round keys of each epoch's permutations: that of its batches, then that of each bucket."""

    def at(self, step: int) -> tuple[int, Int[np.ndarray, " B"]]:
        """Return the bucket of this step's batch, and its examples, counted over all buckets."""
        batches, batch_size = self.order.batches, self.order.batch_size
        epoch, place = divmod(step, sum(batches))
        slot = int(permute_on_host(np.array([place]), sum(batches), self.keys[epoch, 0])[0])
        ends = np.cumsum(batches)
        bucket = int(np.searchsorted(ends, slot, side="right"))
        position = (slot - (ends[bucket] - batches[bucket])) * batch_size + np.arange(batch_size)
        size = self.order.sizes[bucket]
        row = permute_on_host(position % size, size, self.keys[epoch, bucket + 1])
        return bucket, row + sum(self.order.sizes[:bucket])


def permute(index: Int[Array, " N"], size: int, key: Array) -> Int[Array, " N"]:
    """Return where a random permutation of 0 … size - 1 sends `index`; the same key is the same permutation."""
    encrypt = partial(_encrypt, keys=round_keys(key), half_bits=_half_bits(size))

    def outside(value: UInt[Array, " N"]) -> Array:
        return jnp.any(value >= size)

    def walk(value: UInt[Array, " N"]) -> UInt[Array, " N"]:
        return jnp.where(value >= size, encrypt(value), value)

    return jax.lax.while_loop(outside, walk, encrypt(index.astype(jnp.uint32))).astype(jnp.int32)


def permute_on_host(index: Int[np.ndarray, " N"], size: int, keys: UInt32[np.ndarray, " R"]) -> Int[np.ndarray, " N"]:
    """Compute `permute` in NumPy, with the `round_keys` of the key."""
    encrypt = partial(_encrypt, keys=keys, half_bits=_half_bits(size))
    value = encrypt(index.astype(np.uint32))
    while np.any(value >= size):
        value = np.where(value >= size, encrypt(value), value)
    return value.astype(np.int64)


def round_keys(key: Array) -> UInt32[Array, " R"]:
    """Return the random numbers of a permutation's rounds."""
    return jax.random.bits(key, (ROUNDS,), jnp.uint32)


def _slots_key(epoch: Int[Array, ""]) -> Array:
    """Return the key of the order of an epoch's batches, the same in all trials."""
    return stream(jax.random.key(0), SLOTS, epoch)


@partial(jax.jit, static_argnums=2)
def _epoch_round_keys(key: Array, epochs: Int[Array, " E"], buckets: int) -> UInt32[Array, "E P R"]:
    """Return the `keys` of a `HostOrder`."""

    def of_epoch(epoch: Int[Array, ""]) -> UInt32[Array, "P R"]:
        epoch_key = stream(key, ORDER, epoch)
        keys = [_slots_key(epoch), *(jax.random.fold_in(epoch_key, bucket + 1) for bucket in range(buckets))]
        return jnp.stack([round_keys(permutation_key) for permutation_key in keys])

    return jax.vmap(of_epoch)(epochs)


def _half_bits(size: int) -> int:
    return max(1, ((size - 1).bit_length() + 1) // 2)


def _encrypt(value: UInt[ArrayT, " N"], keys: UInt32[ArrayT, " R"], half_bits: int) -> UInt[ArrayT, " N"]:
    left: Any
    right: Any
    left, right = value >> half_bits, value & ((1 << half_bits) - 1)
    for r in range(ROUNDS):
        left, right = right, left ^ (_mix(right ^ keys[r]) & ((1 << half_bits) - 1))
    return (left << half_bits) | right


def _mix(value: UInt[ArrayT, " N"]) -> UInt[ArrayT, " N"]:
    """Apply the finalizer of MurmurHash3: every input bit reaches every output bit."""
    once: Any = (value ^ (value >> 16)) * np.uint32(0x85EBCA6B)
    twice: Any = (once ^ (once >> 13)) * np.uint32(0xC2B2AE35)
    return twice ^ (twice >> 16)
