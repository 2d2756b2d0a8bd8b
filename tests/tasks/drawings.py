"""The tasks that are drawn at random, in all their definitions, and small."""

from functools import cache
from typing import Any

import numpy as np

from research.batch import Batch
from research.config import (
    AddingConfig,
    CopyConfig,
    CopyingMemoryConfig,
    DelayedRecallConfig,
    DyckConfig,
    MultiplicationConfig,
    RepeatCopyConfig,
    ReverseConfig,
    SelectiveCopyingConfig,
    TaskConfig,
    TemporalOrderConfig,
)
from research.tasks import task as tasks
from research.tasks.drawn import Drawn

COUNT = 4000
SMALL: dict[str, TaskConfig] = {
    "copy": CopyConfig(min_length=2, max_length=5, bits=3),
    "repeat_copy": RepeatCopyConfig(max_length=3, max_repeats=4, bits=2),
    "reverse": ReverseConfig(min_length=2, max_length=6, symbols=5),
    "copying_memory": CopyingMemoryConfig(delay=4, memorised=3, symbols=5),
    "selective_copying": SelectiveCopyingConfig(noise=5, memorised=3, symbols=4),
    "adding": AddingConfig(length=11),
    "adding, pascanu": AddingConfig(length=30, definition="pascanu_2013"),
    "adding, hochreiter": AddingConfig(length=30, definition="hochreiter_1997"),
    "multiplication": MultiplicationConfig(length=30),
    "temporal_order": TemporalOrderConfig(length=40),
    "temporal_order, three": TemporalOrderConfig(length=40, symbols=3),
    "temporal_order, pascanu": TemporalOrderConfig(length=40, definition="pascanu_2013"),
    "temporal_order, pascanu's code": TemporalOrderConfig(length=40, definition="pascanu_2013_code"),
    "temporal_order, three, pascanu's code": TemporalOrderConfig(length=40, symbols=3, definition="pascanu_2013_code"),
    "delayed_recall": DelayedRecallConfig(delay=5, distractors=4, classes=3),
    "dyck": DyckConfig(length=12, kinds=2, depth=3),
}


def task_of(options: TaskConfig) -> Any:
    task = tasks.create(options)
    assert isinstance(task, Drawn)
    return task


@cache
def examples(options: TaskConfig, count: int = COUNT) -> Batch[np.ndarray]:
    """Held-out examples."""
    return task_of(options).held_out(count)


def lengths(batch: Batch[np.ndarray]) -> np.ndarray:
    """Steps of each input."""
    return np.full(len(batch.inputs), batch.inputs.shape[1]) if batch.input_lengths is None else batch.input_lengths


def counts(batch: Batch[np.ndarray]) -> np.ndarray:
    """Tokens or labels of each target."""
    assert batch.target_lengths is not None
    return batch.target_lengths


def rows(batch: Batch[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each input and target, without what is past their lengths."""
    ends = [None] * len(batch.targets) if batch.target_lengths is None else batch.target_lengths
    pairs = zip(batch.inputs, lengths(batch), batch.targets, ends, strict=True)
    return [(source[:step], target if end is None else target[:end]) for source, step, target, end in pairs]
