"""Examples of differing length, padded into batches and put into buckets of similar length.

A bucket is as wide as its longest source and its longest target, and each is compiled into the program once, so there
are as few buckets as keep the padding below a bound. All examples start in one bucket; the cut of a bucket in two, by
the length of the source or of the target, that saves the most padding is made, and so on.
"""

import functools
from collections.abc import Mapping, Sequence
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
class Ragged(Sequence[np.ndarray]):
    """Arrays of differing length, stored end to end."""

    values: np.ndarray
    """All steps, [sum of the lengths, ...]."""
    lengths: Int[np.ndarray, " N"]

    @classmethod
    def of(cls, arrays: Sequence[Any], dtype: Any = None) -> "Ragged":
        """Return arrays, or lists of numbers, end to end."""
        parts = [np.asarray(array, dtype) for array in arrays]
        return cls(np.concatenate(parts), np.array(list(map(len, parts)), np.int64))

    @functools.cached_property
    def starts(self) -> Int[np.ndarray, " N"]:
        """Where each array starts."""
        return np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: Any) -> Any:
        return self.values[self.starts[row] : self.starts[row] + self.lengths[row]]

    def take(self, rows: Int[np.ndarray, " R"]) -> "Ragged":
        """Return the arrays of these rows."""
        lengths = self.lengths[rows]
        steps = np.arange(np.sum(lengths)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return Ragged(self.values[np.repeat(self.starts[rows], lengths) + steps], lengths)

    def padded(self, width: int, fill: int = 0) -> np.ndarray:
        """Return all arrays padded to a width, [N, width, ...]."""
        padded = np.full((len(self), width, *self.values.shape[1:]), fill, self.values.dtype)
        padded[np.arange(width) < self.lengths[:, None]] = self.values
        return padded


@dataclass(frozen=True)
class Examples:
    """Inputs and targets of differing length, on the host; lists become arrays end to end."""

    inputs: Any
    """Tokens [S] or features [S, D] of each example: `Ragged`."""
    targets: Any
    """Target of each, as in `Example`: `Ragged`, or an array where a target is a class or values."""
    target_kind: TargetKind = "tokens"

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, Ragged):
            object.__setattr__(self, "inputs", Ragged.of(self.inputs))
        if not isinstance(self.targets, Ragged | np.ndarray):
            dtype = np.float32 if self.target_kind == "value" else np.int32
            sequence = self.target_kind in ("tokens", "labels")
            targets = Ragged.of(self.targets, dtype) if sequence else np.array(self.targets, dtype)
            object.__setattr__(self, "targets", targets)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], target_kind: TargetKind) -> "Examples":
        """Return the examples that `arrays` returned."""
        targets = arrays["targets"]
        ragged = Ragged(targets, arrays["target_lengths"]) if "target_lengths" in arrays else targets
        return cls(Ragged(arrays["inputs"], arrays["input_lengths"]), ragged, target_kind)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that `from_arrays` needs."""
        arrays = {"inputs": self.inputs.values, "input_lengths": self.inputs.lengths}
        if isinstance(self.targets, Ragged):
            return arrays | {"targets": self.targets.values, "target_lengths": self.targets.lengths}
        return arrays | {"targets": self.targets}

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> Int[np.ndarray, "N 2"]:
        """Steps of each source and of each target, `EOS` included; a class and values have one."""
        ones = np.ones(len(self), np.int64)
        steps = self.targets.lengths + (self.target_kind == "tokens") if isinstance(self.targets, Ragged) else ones
        return np.stack([self.inputs.lengths, steps], axis=1).astype(np.int32)

    def take(self, rows: Int[np.ndarray, " R"]) -> "Examples":
        """Return the examples of these rows."""
        targets = self.targets.take(rows) if isinstance(self.targets, Ragged) else self.targets[rows]
        return Examples(self.inputs.take(rows), targets, self.target_kind)

    def batch(self, *widths: int) -> Batch[np.ndarray]:
        """Return all examples, padded to a source and a target width, by default to the longest.

        Tokens are closed with `EOS`, which counts in their width.
        """
        lengths = self.lengths
        source_width, target_width = widths or lengths.max(axis=0).tolist()
        inputs, input_lengths = self.inputs.padded(source_width), lengths[:, 0]
        if not isinstance(self.targets, Ragged):
            return Batch(inputs, input_lengths, self.targets)
        tokens = self.target_kind == "tokens"
        targets = self.targets.padded(target_width, PAD if tokens else NO_LABEL)
        if tokens:
            targets[np.arange(len(self)), self.targets.lengths] = EOS
        return Batch(inputs, input_lengths, targets, lengths[:, 1])


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
    cuts, members = [_best_cut(lengths, everything)], [everything]
    while True:
        widths = [(int(source), int(target)) for source, target in (lengths[rows].max(axis=0) for rows in members)]
        padded = sum(len(rows) * sum(width) for rows, width in zip(members, widths, strict=True))
        padding = float(1 - lengths.sum() / padded)
        best = max(range(len(cuts)), key=lambda index: cuts[index][0])
        saved, axis, longest = cuts.pop(best)
        if padding <= max_padding or len(members) >= max_buckets or not saved:
            order = sorted(range(len(members)), key=lambda index: (sum(widths[index]), widths[index]))
            return Buckets([members[index] for index in order], [widths[index] for index in order], padding)
        rows = members.pop(best)
        short = lengths[rows, axis] <= longest
        halves = [rows[short], rows[~short]]
        members += halves
        cuts += [_best_cut(lengths, half) for half in halves]


def _best_cut(lengths: Int[np.ndarray, "N 2"], rows: Int[np.ndarray, " R"]) -> tuple[int, int, int]:
    """Return the cut of a bucket in two that saves the most padded steps.

    Returns:
        The steps, 0 where no cut saves any; 0: by the source's length, 1: by the target's; the longest of the short.
    """
    best = (0, 0, 0)
    for axis in (0, 1):
        ordered = lengths[rows[np.argsort(lengths[rows, axis], kind="stable")]]
        short = np.maximum.accumulate(ordered)[:-1].sum(axis=1)
        long = np.maximum.accumulate(ordered[::-1])[::-1][1:].sum(axis=1)
        count = np.arange(1, len(ordered))
        saved = len(ordered) * ordered.max(axis=0).sum() - count * short - (len(ordered) - count) * long
        saved[ordered[:-1, axis] == ordered[1:, axis]] = 0  # examples of one length stay together
        if len(saved) and saved.max() > best[0]:
            place = int(np.argmax(saved))
            best = (int(saved[place]), axis, int(ordered[place, axis]))
    return best
