"""Tasks that learn sequences from a corpus, whose training examples are in buckets of similar length.

Examples that fit on the device are put there once (`InMemory`); others are read, padded and sent while the device
trains (`research/data/streaming.py`). Either way a batch is the same function of key and step.
"""

import abc
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, InputKind, TargetKind
from research.data.batching import Buckets, Examples, in_buckets
from research.data.order import AUGMENT, Order, stream
from research.data.streaming import Stream, Window
from research.tasks.task import EvalExamples, Split, Task


@dataclass(frozen=True)
class InMemory:
    """A training set in buckets, on the device."""

    buckets: Buckets
    data: tuple[Batch, ...]
    """Examples of each bucket, padded to its widths."""

    @classmethod
    def of(cls, examples: Examples) -> "InMemory":
        """Return examples in as few buckets as keep the padding within bounds."""
        buckets = in_buckets(examples.lengths)
        return cls(buckets, tuple(examples.take(rows).batch() for rows in buckets.members))


@dataclass(frozen=True)
class Prepared:
    """A training set in the form that a task needs, computed once in a process."""

    train: InMemory | Stream
    most_frequent: str
    """Text to answer without reading the input; of training."""
    processor: Any = None
    """The task's processor, fitted to the training set."""


@dataclass(frozen=True)
class CorpusTask(Task, abc.ABC):
    """A task whose targets are tokens and whose training examples are those of a corpus, as `prepared` returns them."""

    @property
    def input_kind(self) -> InputKind:
        return "features"

    @property
    def target_kind(self) -> TargetKind:
        return "tokens"

    @property
    def same_length(self) -> bool:
        return False

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The training set, and what fits itself to it."""
        raise NotImplementedError

    def processor(self) -> Any:
        return self.prepared.processor

    @functools.cached_property
    def data(self) -> Any:
        train = self.prepared.train
        return train.data if isinstance(train, InMemory) else None

    @functools.cached_property
    def stream(self) -> Stream | None:
        train = self.prepared.train
        return train if isinstance(train, Stream) else None

    @functools.cached_property
    def buckets(self) -> int:
        return len(self.prepared.train.buckets.members)

    @functools.cached_property
    def padding(self) -> float | None:
        return self.prepared.train.buckets.padding

    @property
    def longest(self) -> tuple[int, int]:
        """Steps of the longest source and of the longest target in training, the end mark included."""
        source, target = np.max(self.prepared.train.buckets.widths, axis=0).tolist()
        return source, target

    def bucket(self, step: Int[Array, ""], batch_size: int) -> Int[Array, ""]:
        return Order(self.prepared.train.buckets.sizes, batch_size).bucket(step)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        chosen = self._select(data, key, step, batch_size, bucket)
        assert chosen.input_lengths is not None
        inputs, lengths = self.augment(chosen.inputs, chosen.input_lengths, stream(key, AUGMENT, step))
        return replace(chosen, inputs=inputs, input_lengths=lengths)

    def augment(self, inputs: Array, lengths: Int[Array, " B"], key: Array) -> tuple[Array, Int[Array, " B"]]:
        """Return the inputs of an update, of the types that a model reads, and their lengths."""
        return inputs.astype(jnp.int32 if self.input_kind == "tokens" else jnp.float32), lengths

    def _select(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        """Return this step's examples as they are stored, padded to the widths of their bucket."""
        buckets = self.prepared.train.buckets
        if isinstance(data, Window):
            batch: Any = jax.tree.map(lambda x: x[step - data.start], data.batches)
            source, target = buckets.widths[bucket]
            sequence = self.target_kind in ("tokens", "labels")
            targets = batch.targets[:, :target] if sequence else batch.targets
            return replace(batch, inputs=batch.inputs[:, :source], targets=targets)
        rows = Order(buckets.sizes, batch_size).rows(key, step, bucket) - int(np.sum(buckets.sizes[:bucket]))
        return jax.tree.map(lambda x: x[rows], data[bucket])


def sample(
    split: Split,
    records: Sequence[Any],
    count: int,
    example: Callable[[Any], tuple[np.ndarray, Sequence[int], Any]],
) -> EvalExamples:
    """Return the first `count` records of a fixed random order as evaluation examples.

    Shorter inputs come first, so that those of a batch end together. `example` returns the input and the target tokens
    of a record, and what the output is compared with.
    """
    rows = np.random.default_rng(0).permutation(len(records))[:count].tolist()
    chosen = sorted((example(records[row]) for row in rows), key=lambda parts: len(parts[0]))
    inputs, targets, references = zip(*chosen, strict=True)
    return EvalExamples(split, Examples(inputs, targets).batch(), list(references))


def spread(size: int, count: int) -> list[int]:
    """Return at most `count` rows that are spread evenly over `size`."""
    return np.linspace(0, size - 1, min(count, size)).astype(int).tolist()
