"""Training examples that fit on the device, in buckets of similar length.

A bucket is as wide as its longest source and its longest target, and each is compiled into the program once; so they
are as few as keep the padding below a bound. All examples start in one bucket; the cut of a bucket in two, by the
length of the source or of the target, that saves most padding is made, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import END, PAD, Batch
from research.tasks.order import Order
from research.tasks.task import Task

MOST_PADDING = 0.2
MOST_BUCKETS = 12
"""Where even so many are not enough, there is more padding."""


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


def in_buckets(lengths: Int[np.ndarray, "N 2"], padding: float = MOST_PADDING, most: int = MOST_BUCKETS) -> Buckets:
    """As few buckets as keep the padding at or below that share; no more than `most`.

    Args:
        lengths: of source and target, the end mark included.
    """
    whole = np.arange(len(lengths))
    cuts = [_best_cut(lengths, whole)]
    members = [whole]
    while True:
        widths = [(int(source), int(target)) for source, target in (lengths[rows].max(axis=0) for rows in members)]
        padded = sum(len(rows) * sum(width) for rows, width in zip(members, widths, strict=True))
        share = float(1 - lengths.sum() / padded)
        chosen = max(range(len(cuts)), key=lambda index: cuts[index].saved)
        if share <= padding or len(members) >= most or not cuts[chosen].saved:
            order = sorted(range(len(members)), key=lambda index: (sum(widths[index]), widths[index]))
            return Buckets([members[index] for index in order], [widths[index] for index in order], share)
        rows, cut = members.pop(chosen), cuts.pop(chosen)
        short = lengths[rows, cut.axis] <= cut.longest
        members += (halves := [rows[short], rows[~short]])
        cuts += [_best_cut(lengths, half) for half in halves]


@dataclass(frozen=True)
class _Cut:
    """Of a bucket: those up to this length go into one, the others into another."""

    saved: int
    """Padded steps; 0 where no cut saves any."""
    axis: int
    """0: by the source; 1: by the target."""
    longest: int


def _best_cut(lengths: Int[np.ndarray, "N 2"], rows: Int[np.ndarray, " R"]) -> _Cut:
    """The cut that saves most."""
    best = _Cut(0, 0, 0)
    for axis in (0, 1):
        own = lengths[rows[np.argsort(lengths[rows, axis], kind="stable")]]
        short = np.maximum.accumulate(own)[:-1].sum(axis=1)
        long = np.maximum.accumulate(own[::-1])[::-1][1:].sum(axis=1)
        count = np.arange(1, len(own))
        saved = len(own) * own.max(axis=0).sum() - count * short - (len(own) - count) * long
        saved[own[:-1, axis] == own[1:, axis]] = 0  # examples of one length stay together
        if len(saved) and saved.max() > best.saved:
            place = int(np.argmax(saved))
            best = _Cut(int(saved[place]), axis, int(own[place, axis]))
    return best
