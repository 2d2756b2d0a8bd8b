"""Pairs of an input and a target as a model is trained on them, encoded on access."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from research.batch import TargetKind
from research.data.batching import Example, Examples, target_steps
from research.data.processor import Processor
from research.data.streaming import Records
from research.data.tables.values import Values

MEMORY = 2**30
"""Bytes of training examples that are held on the device."""


@dataclass(frozen=True)
class Encoded(Records):
    """Training examples, encoded on access."""

    values: Values
    target_kind: TargetKind
    max_input_length: int
    """Longest input that is trained on; 0: any."""
    max_target_length: int
    processor: Processor
    numbers: Int[np.ndarray, " N"] | None = None
    """Number of each example in `values`; None: all."""

    def __getitem__(self, row: int) -> Example:
        assert self.numbers is not None
        ((_, example),) = self.encode([int(self.numbers[row])])
        return example

    def encode(self, numbers: Sequence[int], stored: bool = True) -> Iterator[tuple[int, Example]]:
        """Yield the usable ones of some examples by number: as stored for training, or as a model reads them."""
        options, processor = self.values.fields, self.processor
        for number, value, target in self.values.load(numbers):
            with self.values.guarded(self.values.place(number)):
                source = options.input.stored(processor.input, value) if stored else processor.input.encode(value)
                try:
                    encoded = options.target.encode(processor.target, target)
                except ValueError as error:
                    raise ValueError(f"column {', '.join(self.values.columns[1])} {error}") from error
                if self.target_kind == "labels" and len(encoded) != len(source):
                    raise ValueError(f"has {len(encoded)} labels for {len(source)} steps; must have one for each step")
                yield number, (source, encoded)

    def measure(self) -> tuple[Examples | None, Int[np.ndarray, "N 2"]]:
        """Return all examples, if they fit in memory, and their lengths: 0 of those that are not trained on."""
        options, count = self.values.fields, len(self.values)
        lengths = np.zeros((count, 2), np.int32)
        if options.input.per_file:
            first = next((source for number in range(count) for _, (source, _) in self.encode([number])), np.zeros(1))
            size = first.nbytes // len(first)
            for number, target in self.values.targets(range(count)).items():
                with self.values.guarded(self.values.place(number)):
                    encoded = options.target.encode(self.processor.target, target)
                    lengths[number] = options.input.steps(self.values[number][0]), self._steps(encoded)
            self._bound(lengths)
            if int(np.sum(lengths[:, 0], dtype=np.int64)) * size > MEMORY:
                return None, lengths
        inputs: list[np.ndarray] = [np.zeros(0)] * count
        targets: list[Any] = [()] * count
        total = 0
        for number, (source, target) in self.encode(range(count)):
            total += source.nbytes
            lengths[number] = len(source), self._steps(target)
            if total <= MEMORY:
                inputs[number], targets[number] = source, target
        self._bound(lengths)
        return Examples(inputs, targets, self.target_kind) if total <= MEMORY else None, lengths

    def _steps(self, target: Any) -> int:
        return target_steps(target, self.target_kind)

    def _bound(self, lengths: np.ndarray) -> None:
        eos = int(self.target_kind == "tokens")
        bounds = [
            self.max_input_length or 2**31 - 1,
            self.max_target_length + eos if self.max_target_length else 2**31 - 1,
        ]
        lengths[np.any(lengths > bounds, axis=1)] = 0
