"""Training examples that do not fit on the device: the host reads and pads them while the device trains.

Buckets, order and batches are those of examples in memory, so a batch is the same function of (seed, step) wherever its
examples are stored. The device holds a window of batches at a time, all as wide as the widest bucket; an update takes
as much of its batch as its bucket is wide.
"""

import abc
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, TargetKind
from research.data.batching import Buckets, Example, Examples
from research.data.order import HostOrder, Order


class Records(abc.ABC):
    """Examples by number, read on access. Worker processes get a copy, so a subclass can be pickled."""

    @abc.abstractmethod
    def __getitem__(self, row: int) -> Example:
        """Return the input and the target of an example, as in `batching.Examples`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Window:
    """The batches of neighboring steps."""

    start: Int[Array | np.ndarray, "*K"]
    """First of the steps; the windows of a pack have a leading axis of trials."""
    batches: Batch
    """Arrays with an axis of steps."""


@dataclass(frozen=True)
class Stream:
    """A training set in buckets, on a disk."""

    records: Records
    buckets: Buckets
    target_kind: TargetKind = "tokens"

    def batches(self, key: Array, steps: int, batch_size: int) -> "Batches":
        """Return the batches of the first steps, for the key that `Task.batch` gets."""
        rows = np.concatenate(self.buckets.members)
        return Batches(self, rows, Order(self.buckets.sizes, batch_size).on_host(key, steps))


@dataclass(frozen=True)
class Batches:
    """The batch of each step: as wide as the widest bucket, so that batches can be stacked."""

    stream: Stream
    rows: Int[np.ndarray, " N"]
    """Examples bucket by bucket."""
    order: HostOrder

    def __getitem__(self, step: int) -> Batch[np.ndarray]:
        _, places = self.order.at(step)
        examples = [self.stream.records[int(row)] for row in self.rows[places]]
        source_width, target_width = np.max(self.stream.buckets.widths, axis=0).tolist()
        inputs, targets = zip(*examples, strict=True)
        return Examples(inputs, targets, self.stream.target_kind).batch(source_width, target_width)
