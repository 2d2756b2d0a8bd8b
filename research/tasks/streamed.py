"""Training examples that do not fit on the device: the host reads and pads them while the device trains.

Buckets, order and batches are those of `research/tasks/resident.py`, so a batch is the same function of (seed, step)
wherever its examples lie. The device holds a window of batches at a time (`research/training/feed.py`), which all are
as wide as the widest bucket; an update takes of its own batch what its bucket is wide.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from research.batch import END, PAD, Batch
from research.tasks.order import Order, Schedule
from research.tasks.resident import Resident, in_buckets


class Records(abc.ABC):
    """Examples by number, read when they are asked for. Worker processes get a copy, so it can be pickled."""

    @abc.abstractmethod
    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        """Input and target of an example, as in `resident.Examples`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Window:
    """The batches of neighbouring steps."""

    start: Int[Array | np.ndarray, "*K"]
    """The first of the steps; a pack's windows have a leading axis of trials."""
    batches: Batch
    """Arrays with an axis of steps."""


@dataclass(frozen=True)
class Stream:
    """A training set in buckets, on a disk."""

    records: Records
    rows: Int[np.ndarray, " N"]
    """The examples bucket by bucket."""
    sizes: tuple[int, ...]
    """Examples of each bucket."""
    widths: tuple[tuple[int, int], ...]
    """Longest source and longest target, the end mark included, of each bucket."""

    def batches(self, key: Array, steps: int, batch_size: int) -> "Batches":
        """Those of the first steps, for the key that `Task.batch` gets."""
        return Batches(self, Order(self.sizes, batch_size).schedule(key, steps))


@dataclass(frozen=True)
class Batches:
    """The batch of each step: as wide as the widest bucket, so that batches can be stacked."""

    stream: Stream
    schedule: Schedule

    def __getitem__(self, step: int) -> Batch[np.ndarray]:
        _, places = self.schedule.at(step)
        examples = [self.stream.records[int(row)] for row in self.stream.rows[places]]
        source, target = np.max(self.stream.widths, axis=0)
        first = np.asarray(examples[0][0])
        inputs = np.zeros((len(examples), source, *first.shape[1:]), first.dtype)
        targets = np.full((len(examples), target), PAD, np.int32)
        lengths, target_lengths = np.zeros((2, len(examples)), np.int32)
        for row, (given, wanted) in enumerate(examples):
            lengths[row], target_lengths[row] = len(given), len(wanted) + 1
            inputs[row, : len(given)] = given
            targets[row, : len(wanted) + 1] = [*wanted, END]
        return Batch(inputs, lengths, targets, target_lengths)


class Streamed(Resident):
    """A task whose training examples are read from a disk as they are needed. A subclass calls `read_from`."""

    def read_from(self, records: Records, lengths: Int[np.ndarray, "N 2"]) -> None:
        """Put the examples into buckets.

        Args:
            lengths: of source and target of each, the end mark included.
        """
        found = in_buckets(lengths)
        self.place(found)
        self.stream = Stream(records, np.concatenate(found.members), self._sizes, tuple(found.widths))

    def chosen(self, data: Window, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        assert self.stream is not None
        own: Any = jax.tree.map(lambda x: x[step - data.start], data.batches)
        source, target = self.stream.widths[bucket]
        return Batch(own.inputs[:, :source], own.input_lengths, own.targets[:, :target], own.target_lengths)
