"""A small corpus twice: on the device, and read example by example."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from research.tasks.resident import Examples, Resident
from research.tasks.streamed import Records, Streamed

from research.batch import Interface
from research.tasks import sequences

COUNT, LONGEST = 60, 12


@dataclass
class Listed(Records):
    """Examples in memory, in the place of a disk."""

    examples: Examples
    seconds: float = 0.0
    """That it takes to read one."""
    damaged: bool = False
    reads: int = 0
    """How many have been read, in this process."""

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        if self.damaged:
            raise OSError(5, "Input/output error", "corpus.array_record")
        self.reads += 1
        time.sleep(self.seconds)
        return self.examples.inputs[row], self.examples.targets[row]


def examples(features: bool = False) -> Examples:
    """Of 1 to 12 steps; no two are alike."""
    lengths = np.random.default_rng(1).integers(1, LONGEST + 1, COUNT)
    tokens = [np.full(length, 3 + k, np.int32) for k, length in enumerate(lengths)]
    inputs = [np.stack([one, -one], axis=1).astype(np.float16) for one in tokens] if features else tokens
    return Examples(inputs, [[3 + k % 9] * (1 + k % 3) for k in range(COUNT)])


class OnDevice(Resident):
    def __init__(self, features: bool = False) -> None:
        size = 2 if features else 3 + COUNT
        self.interface = Interface("features" if features else "tokens", size, LONGEST, "tokens", 12, 4)
        self.examples = examples(features)
        self.hold(self.examples)

    def held_out(self, most: int) -> Any:
        return self.examples.take(np.arange(min(most, COUNT))).batch()

    def evaluate(self, outcome: sequences.Outcome) -> sequences.Evaluation:
        return sequences.evaluate(outcome, self.held_out(len(outcome.loss)))


class OnDisk(Streamed, OnDevice):
    def __init__(self, features: bool = False, **about: Any) -> None:
        super().__init__(features)
        self.data = None
        pairs = zip(self.examples.inputs, self.examples.targets, strict=True)
        lengths = np.array([(len(source), len(target) + 1) for source, target in pairs])
        self.read_from(Listed(self.examples, **about), lengths)
