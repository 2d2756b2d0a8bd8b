"""Examples of differing length, padded into batches and put into buckets of similar length.

A bucket is as wide as its longest source and its longest target, and each is compiled into the program once, so there
are as few buckets as keep the padding below a bound. All examples start in one bucket; the cut of a bucket in two, by
the length of the source or of the target, that saves the most padding is made, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from research.batch import EOS, NO_LABEL, PAD, Batch, TargetKind

MAX_PADDING = 0.2
MAX_BUCKETS = 12
"""With this many buckets there may be more padding than `MAX_PADDING`."""

Example = tuple[np.ndarray, Any]
"""An input, tokens [S] or features [S, D], and its target: tokens without `EOS`, labels [S], a class, or values [D]."""


@dataclass(frozen=True)
class Examples:
    """Inputs and targets of differing length, on the host."""

    inputs: Sequence[np.ndarray]
    """Tokens [S] or features [S, D] of each example."""
    targets: Sequence[Any]
    """Target of each, as in `Example`."""
    target_kind: TargetKind = "tokens"

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> Int[np.ndarray, "N 2"]:
        """Steps of each source and of each target, `EOS` included."""
        targets = [target_steps(target, self.target_kind) for target in self.targets]
        return np.array([list(map(len, self.inputs)), targets], np.int32).T

    def take(self, rows: np.ndarray) -> "Examples":
        """Return the examples of these rows."""
        return Examples([self.inputs[row] for row in rows], [self.targets[row] for row in rows], self.target_kind)

    def batch(self, *widths: int) -> Batch[np.ndarray]:
        """Return all examples, padded to a source and a target width, by default to the longest."""
        pairs = list(zip(self.inputs, self.targets, strict=True))
        source_width, target_width = widths or self.lengths.max(axis=0).tolist()
        return pad(pairs, source_width, target_width, self.target_kind)


def target_steps(target: Any, kind: TargetKind) -> int:
    """Return the steps of a target, `EOS` included; a class and values have one."""
    return len(target) + 1 if kind == "tokens" else len(target) if kind == "labels" else 1


def pad(
    examples: Sequence[Example], source_width: int, target_width: int, target_kind: TargetKind = "tokens"
) -> Batch[np.ndarray]:
    """Return a batch as wide as given; tokens are closed with `EOS`, which counts in their width."""
    first = np.asarray(examples[0][0])
    inputs = np.zeros((len(examples), source_width, *first.shape[1:]), first.dtype)
    lengths = np.zeros(len(examples), np.int32)
    for row, (source, _) in enumerate(examples):
        lengths[row] = len(source)
        inputs[row, : len(source)] = source
    if target_kind in ("class", "value"):
        dtype = np.int32 if target_kind == "class" else np.float32
        return Batch(inputs, lengths, np.array([target for _, target in examples], dtype))
    tokens = target_kind == "tokens"
    targets = np.full((len(examples), target_width), PAD if tokens else NO_LABEL, np.int32)
    target_lengths = np.array([target_steps(target, target_kind) for _, target in examples], np.int32)
    for row, (_, target) in enumerate(examples):
        targets[row, : target_lengths[row]] = [*target, EOS] if tokens else target
    return Batch(inputs, lengths, targets, target_lengths)


@dataclass(frozen=True)
class Buckets:
    """Groups of examples of similar length."""

    members: Sequence[Int[np.ndarray, " _"]]
    """Rows of the examples of each bucket."""
    widths: Sequence[tuple[int, int]]
    """Longest source and longest target of each bucket."""
    padding: float
    """Fraction of the steps of all batches that are padding."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of examples of each bucket."""
        return tuple(len(rows) for rows in self.members)


def in_buckets(
    lengths: Int[np.ndarray, "N 2"], max_padding: float = MAX_PADDING, max_buckets: int = MAX_BUCKETS
) -> Buckets:
    """Return as few buckets as keep the fraction of padding at or below a bound, from short to long.

    Args:
        lengths: steps of source and target, `EOS` included.
        max_padding: fraction of the steps of all batches.
        max_buckets: number of buckets at which padding no longer matters.
    """
    everything = np.arange(len(lengths))
    cuts = [_best_cut(lengths, everything)]
    members = [everything]
    while True:
        widths = [(int(source), int(target)) for source, target in (lengths[rows].max(axis=0) for rows in members)]
        padded = sum(len(rows) * sum(width) for rows, width in zip(members, widths, strict=True))
        padding = float(1 - lengths.sum() / padded)
        best = max(range(len(cuts)), key=lambda index: cuts[index].saved)
        if padding <= max_padding or len(members) >= max_buckets or not cuts[best].saved:
            order = sorted(range(len(members)), key=lambda index: (sum(widths[index]), widths[index]))
            return Buckets([members[index] for index in order], [widths[index] for index in order], padding)
        rows, cut = members.pop(best), cuts.pop(best)
        short = lengths[rows, cut.axis] <= cut.longest
        halves = [rows[short], rows[~short]]
        members += halves
        cuts += [_best_cut(lengths, half) for half in halves]


@dataclass(frozen=True)
class _Cut:
    """A cut of a bucket: examples up to a length go into one bucket, the others into another."""

    saved: int
    """Padded steps; 0 where no cut saves any."""
    axis: int
    """0: cut by the source's length; 1: by the target's."""
    longest: int


def _best_cut(lengths: Int[np.ndarray, "N 2"], rows: Int[np.ndarray, " R"]) -> _Cut:
    """Return the cut that saves the most padded steps."""
    best = _Cut(0, 0, 0)
    for axis in (0, 1):
        ordered = lengths[rows[np.argsort(lengths[rows, axis], kind="stable")]]
        short = np.maximum.accumulate(ordered)[:-1].sum(axis=1)
        long = np.maximum.accumulate(ordered[::-1])[::-1][1:].sum(axis=1)
        count = np.arange(1, len(ordered))
        saved = len(ordered) * ordered.max(axis=0).sum() - count * short - (len(ordered) - count) * long
        saved[ordered[:-1, axis] == ordered[1:, axis]] = 0  # examples of one length stay together
        if len(saved) and saved.max() > best.saved:
            place = int(np.argmax(saved))
            best = _Cut(int(saved[place]), axis, int(ordered[place, axis]))
    return best
