"""Training examples that fit on the device, in buckets of similar length.

A bucket is as wide as its longest example, and each is compiled into the program once; so they are as few as keep the
padding below a bound. The boundaries are those that pad least, by dynamic programming over the lengths of the examples:
of an example that is the length of its source or of its target, whichever is longer, so that both fit the bucket.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import END, PAD, Batch
from research.tasks.order import Order
from research.tasks.task import Task

MOST_PADDING = 0.15
MOST_BUCKETS = 5


@dataclass(frozen=True)
class Examples:
    """Inputs and targets of differing length, on the host."""

    inputs: Sequence[np.ndarray]
    """Of each example: tokens [S], or features [S, D]."""
    targets: Sequence[Sequence[int]]
    """Without end marks."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: np.ndarray) -> "Examples":
        return Examples([self.inputs[row] for row in rows], [self.targets[row] for row in rows])

    def batch(self) -> Batch[np.ndarray]:
        """All of them, padded to the longest; targets are closed with the end mark."""
        lengths = np.array([len(one) for one in self.inputs], np.int32)
        target_lengths = np.array([len(one) + 1 for one in self.targets], np.int32)
        first = np.asarray(self.inputs[0])
        inputs = np.zeros((len(self), int(lengths.max()), *first.shape[1:]), first.dtype)
        targets = np.full((len(self), int(target_lengths.max())), PAD, np.int32)
        for row, (source, target) in enumerate(zip(self.inputs, self.targets, strict=True)):
            inputs[row, : len(source)] = source
            targets[row, : len(target)] = target
            targets[row, len(target)] = END
        return Batch(inputs, lengths, targets, target_lengths)


class Resident(Task):
    """A task whose training examples lie on the device. A subclass calls `hold`, and may change batches there."""

    def hold(self, train: Examples) -> None:
        """Put the training examples into buckets."""
        pairs = zip(train.inputs, train.targets, strict=True)
        found = in_buckets(np.array([(len(source), len(target) + 1) for source, target in pairs]))
        self.data = tuple(train.take(rows).batch() for rows in found.members)
        self.place(found)

    def place(self, found: "Buckets") -> None:
        """Batches come from these."""
        self.buckets, self.padding, self.widths = len(found.members), found.padding, found.widths
        self._sizes = tuple(len(rows) for rows in found.members)

    def bucket(self, key: Array, step: Int[Array, ""], batch_size: int) -> Int[Array, ""]:
        return Order(self._sizes, batch_size).bucket(key, step)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        chosen = self.chosen(data, key, step, batch_size, bucket)
        assert chosen.input_lengths is not None
        draw = jax.random.fold_in(jax.random.fold_in(key, 1), step)
        inputs = self.augmented(chosen.inputs, chosen.input_lengths, draw)
        return replace(chosen, inputs=inputs)

    def chosen(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        """This step's examples as they are held, padded to the width of their bucket."""
        order = Order(self._sizes, batch_size)
        rows = order.rows(key, step, bucket) - int(np.sum(self._sizes[:bucket]))
        return jax.tree.map(lambda x: x[rows], data[bucket])

    def augmented(self, inputs: Array, lengths: Int[Array, " B"], key: Array) -> Array:
        """The inputs as this update sees them, of the types that a model reads."""
        return inputs.astype(jnp.int32) if self.interface.inputs == "tokens" else inputs.astype(jnp.float32)


@dataclass(frozen=True)
class Buckets:
    """Examples of similar length, put together."""

    members: Sequence[Int[np.ndarray, " _"]]
    """The examples of each."""
    widths: Sequence[tuple[int, int]]
    """The longest source and the longest target of each."""
    padding: float
    """Share of the steps of all batches."""


def in_buckets(lengths: Int[np.ndarray, "N 2"]) -> Buckets:
    """Buckets by the longer of source and target.

    Args:
        lengths: of source and target, the end mark included.
    """
    edges, _ = boundaries(lengths.max(axis=1), MOST_PADDING, MOST_BUCKETS)
    place = np.searchsorted(edges, lengths.max(axis=1))
    members = [np.flatnonzero(place == index) for index in range(len(edges))]
    widths = [(int(source), int(target)) for source, target in (lengths[rows].max(axis=0) for rows in members)]
    padded = sum(len(rows) * sum(width) for rows, width in zip(members, widths, strict=True))
    return Buckets(members, widths, float(1 - lengths.sum() / padded))


def boundaries(lengths: Int[np.ndarray, " N"], padding: float, most: int) -> tuple[Int[np.ndarray, " E"], float]:
    """The longest length of each bucket, ascending, and the share of padding.

    As few buckets as keep the padding at or below that share; `most` of them where even they do not.
    """
    widths, counts = np.unique(lengths, return_counts=True)
    widths, counts = _merged(widths, counts)
    steps = int(np.sum(lengths))
    cost, choices = _partitions(widths, counts, min(most, len(widths)))
    shares = 1 - steps / cost
    enough = np.flatnonzero(shares <= padding)
    last = int(enough[0]) if len(enough) else len(cost) - 1
    edges, end = [], len(widths)
    for index in range(last, -1, -1):
        edges.append(widths[end - 1])
        end = choices[index][end]
    return np.array(edges[::-1]), float(shares[last])


def _merged(widths: np.ndarray, counts: np.ndarray, most: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """At most so many widths, neighbours in one: the search is quadratic in their number."""
    if len(widths) <= most:
        return widths, counts
    ends = np.unique(np.linspace(0, len(widths) - 1, most + 1).round().astype(int)[1:])
    sums = np.cumsum(counts)[ends]
    return widths[ends], np.diff(sums, prepend=0)


def _partitions(
    widths: np.ndarray, counts: np.ndarray, most: int
) -> tuple[Float[np.ndarray, " M"], list[Int[np.ndarray, " W"]]]:
    """Padded steps of the best partition into 1 … `most` buckets, and where its last bucket begins, by its end."""
    size = len(widths)
    total = np.concatenate([[0], np.cumsum(counts)]).astype(float)
    start = np.where(np.arange(size + 1) == 0, 0.0, np.inf)
    costs, choices = [], []
    for _ in range(most):
        best, choice = np.full(size + 1, np.inf), np.zeros(size + 1, int)
        for end in range(1, size + 1):
            candidates = start[:end] + widths[end - 1] * (total[end] - total[:end])
            choice[end] = int(np.argmin(candidates))
            best[end] = candidates[choice[end]]
        costs.append(best[size])
        choices.append(choice)
        start = best
    return np.array(costs), choices
