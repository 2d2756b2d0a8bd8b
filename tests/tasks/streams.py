"""A small corpus twice: on the device, and read example by example."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.batch import TaskSpec
from research.data.batching import Examples, in_buckets
from research.data.streaming import Records, Stream
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared, sample
from research.tasks.metrics import edits
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split

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


@dataclass(frozen=True)
class OnDevice(CorpusTask):
    name: str = "on_device"
    features: bool = False

    @property
    def input_kind(self) -> Any:
        return "features" if self.features else "tokens"

    @functools.cached_property
    def prepared(self) -> Prepared:
        return Prepared(InMemory.of(examples(self.features)), "")

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec(self.input_kind, 2 if self.features else 3 + COUNT, LONGEST, "tokens", 12, 4)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        all_examples = examples(self.features)
        pairs = list(zip(all_examples.inputs, all_examples.targets, strict=True))
        return sample(split, pairs, count, lambda pair: (*pair, None))

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        return edits.evaluate(predictions, examples.batch)


@dataclass(frozen=True)
class OnDisk(OnDevice):
    name: str = "on_disk"
    seconds: float = 0.0
    damaged: bool = False

    @functools.cached_property
    def prepared(self) -> Prepared:
        listed = Listed(examples(self.features), self.seconds, self.damaged)
        return Prepared(Stream(listed, in_buckets(listed.examples.lengths)), "")
