"""Pairs of an input and a target as a model is trained on them, encoded on access."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from research.batch import TargetKind
from research.data.batching import Example, Examples
from research.data.processor import Processor
from research.data.streaming import Records
from research.data.tables.cache import Cache
from research.data.tables.values import Values
from research.errors import UserError

MEMORY = 2**30
"""Bytes of training examples that are held on the device."""


@dataclass(frozen=True)
class Stored(Records):
    """Encoded training examples of an entry of the cache; worker processes open it again."""

    cache: Cache
    examples: Examples

    def __getitem__(self, row: int) -> Example:
        return self.examples.inputs[row], self.examples.targets[row]

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.cache, self.examples.target_kind)


@dataclass(frozen=True)
class Encoded(Records):
    """Training examples, encoded on access."""

    values: Values
    processor: Processor
    max_input_length: int = 0
    """Longest input that is trained on; 0: any."""
    max_target_length: int = 0
    numbers: Int[np.ndarray, "N 2"] | None = None
    """Pair in `values` of each example, and which of the pair's targets; None: not measured yet."""

    @property
    def target_kind(self) -> TargetKind:
        return self.values.fields.target.kind

    def __getitem__(self, row: int) -> Example:
        assert self.numbers is not None
        for number, place in np.roll(self.numbers, -row, axis=0).tolist():  # a damaged file is replaced by the next
            for _, source, targets in self.encode([number]):
                return source, targets[place]
        raise UserError(f"{self.values.rows.place(0)}: no example can be read any more")

    def encode(self, numbers: Sequence[int], stored: bool = True) -> Iterator[tuple[int, np.ndarray, list[Any]]]:
        """Yield number, input and targets of the usable pairs: as stored for training, or as a model reads them."""
        options: Any = self.values.fields.input
        field: Any = self.processor.input
        for number, value, target in self.values.load(numbers):
            with self.values.refusing(number):
                group = self.values.group(number)
                source = options.stored(field, value, *group) if stored else field.encode(value, *group)
                targets = self._targets(target)
                if self.target_kind == "labels" and len(targets[0]) != len(source):
                    steps = f"{len(targets[0])} labels for {len(source)} steps"
                    raise ValueError(f"has {steps}; must have one for each step")
                yield number, source, targets

    def measure(self) -> tuple[Examples | None, Int[np.ndarray, "N 2"], Int[np.ndarray, "N 2"]]:
        """Return all training examples, or None of files that do not fit in memory; `numbers`; and their lengths."""
        everything = range(len(self.values))
        rows: list[tuple[int, ...]] = []
        if self.values.fields.input.per_file:
            first = next((source for number in everything for _, source, _ in self.encode([number])), np.zeros(1))
            for number, known in enumerate(self.values.survey):
                with self.values.refusing(number):
                    rows += self._rows(number, known[0], self._targets(known[1])) if known else ()
            if sum(row[2] for row in rows) * (first.nbytes // len(first)) > MEMORY:
                return None, *_halves(rows)
        rows, inputs, targets = [], [], []
        for number, source, encoded in self.encode(everything):
            for row in self._rows(number, len(source), encoded):
                rows.append(row)
                inputs.append(source)
                targets.append(encoded[row[1]])
        return Examples(inputs, targets, self.target_kind) if rows else None, *_halves(rows)

    def _targets(self, target: Any) -> list[Any]:
        options = self.values.fields.target
        try:
            return [options.encode(self.processor.target, value) for value in options.trained_on(target)]
        except ValueError as error:
            raise ValueError(f"column {', '.join(self.values.columns[1])} {error}") from error

    def _rows(self, number: int, steps: int, targets: Sequence[Any]) -> Iterator[tuple[int, ...]]:
        """Yield number, place of the target, and lengths of the examples of a pair that are not too long."""
        eos, sequence = int(self.target_kind == "tokens"), self.target_kind in ("tokens", "labels")
        for place, target in enumerate(targets):
            length = len(target) + eos if sequence else 1
            longest = self.max_target_length + eos if self.max_target_length else length
            if steps <= (self.max_input_length or steps) and length <= longest:
                yield number, place, steps, length


def _open(cache: Cache, target_kind: TargetKind) -> Stored:
    entry = cache.read("train")
    if entry is None:
        raise UserError(f"{cache.folder}: was deleted or damaged while a training reads it; start the command again")
    return Stored(cache, Examples.from_arrays(entry[0], target_kind))


def _halves(rows: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(rows, np.int32).reshape(-1, 4)
    return array[:, :2], array[:, 2:]
