"""The order of examples: a pure function of (seed, step), so that a resumed run needs no iterator state.

Each epoch visits each example once, in an order of its own. The permutation is never stored: a Feistel network permutes
the next larger power of four, and an index that falls outside the range is permuted again until it falls inside
(cycle walking; Black & Rogaway 2002). Examples stand in buckets of similar length, one after the other; a batch comes
from one bucket, and the batches of an epoch come in random order.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt

ROUNDS = 6


@dataclass(frozen=True)
class Order:
    """The order of batches over buckets of `sizes` examples; what does not fill a batch waits for another epoch."""

    sizes: tuple[int, ...]
    batch_size: int

    @property
    def batches(self) -> tuple[int, ...]:
        """Batches of each bucket in an epoch; a bucket smaller than a batch repeats examples within it.

        An empty one has none: no permutation of nothing would ever end.
        """
        return tuple(max(1, size // self.batch_size) if size else 0 for size in self.sizes)

    def bucket(self, key: Array, step: Int[Array, ""]) -> Int[Array, ""]:
        """The bucket that the batch of this step comes from."""
        return self._place(key, step)[1]

    def rows(self, key: Array, step: Int[Array, ""], bucket: int) -> Int[Array, " B"]:
        """The examples of this step's batch, as rows of the whole, given that it comes from `bucket`."""
        epoch_key, _, slot = self._place(key, step)
        first_batch = int(np.sum(self.batches[:bucket]))
        position = (slot - first_batch) * self.batch_size + jnp.arange(self.batch_size)
        row = permute(position % self.sizes[bucket], self.sizes[bucket], jax.random.fold_in(epoch_key, bucket + 1))
        return row + int(np.sum(self.sizes[:bucket]))

    def _place(self, key: Array, step: Int[Array, ""]) -> tuple[Array, Array, Array]:
        total = int(np.sum(self.batches))
        epoch_key = jax.random.fold_in(key, step // total)
        slot = permute((step % total)[None], total, epoch_key)[0]
        bucket = jnp.searchsorted(jnp.asarray(np.cumsum(self.batches), jnp.int32), slot, side="right")
        return epoch_key, bucket, slot


def permute(index: Int[Array, " N"], size: int, key: Array) -> Int[Array, " N"]:
    """Where a random permutation of 0 … size - 1 sends `index`; the same key is the same permutation."""
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = jax.random.bits(key, (ROUNDS,), jnp.uint32)

    def encrypt(value: UInt[Array, " N"]) -> UInt[Array, " N"]:
        left, right = value >> half_bits, value & ((1 << half_bits) - 1)
        for r in range(ROUNDS):
            left, right = right, left ^ (_mix(right ^ keys[r]) & ((1 << half_bits) - 1))
        return (left << half_bits) | right

    def outside(value: UInt[Array, " N"]) -> Array:
        return jnp.any(value >= size)

    def walk(value: UInt[Array, " N"]) -> UInt[Array, " N"]:
        return jnp.where(value >= size, encrypt(value), value)

    return jax.lax.while_loop(outside, walk, encrypt(index.astype(jnp.uint32))).astype(jnp.int32)


def _mix(value: UInt[Array, " N"]) -> UInt[Array, " N"]:
    """The finaliser of MurmurHash3: every input bit reaches every output bit."""
    value = (value ^ (value >> 16)) * jnp.uint32(0x85EBCA6B)
    value = (value ^ (value >> 13)) * jnp.uint32(0xC2B2AE35)
    return value ^ (value >> 16)
