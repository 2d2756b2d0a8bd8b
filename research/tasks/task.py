"""The contract of a task: what it asks of a model, its training batches, its held-out examples, and its metrics.

A task is a class in one file of this folder that sets `name`; its options are the dataclass of the same name in
`research/config/task.py`.
"""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Int

from research import catalogue
from research.batch import Batch, Interface
from research.config import TaskConfig
from research.tasks.reader import Reader


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Outcome:
    """What the model did on N held-out examples; all arrays are NumPy."""

    loss: np.ndarray
    """Teacher-forced loss of each token or label, [N, U], zeros where there is none; U = 1 if the target is no
    sequence."""
    errors: np.ndarray
    """Teacher-forced errors of each token or label, [N, U]."""
    count: np.ndarray
    """Valid tokens or labels of each example, [N]."""
    outputs: np.ndarray
    """The model's own output, free-running: tokens [N, most], labels [N, U], logits or values."""
    forced: np.ndarray | None = None
    """What it says of each token given the true ones before it, [N, U]; None if the target is no sequence."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics; where the target is a sequence also its losses and errors in parts (`research/tasks/sequences.py`)."""

    metrics: dict[str, float]
    by_length: dict[str, list[float]] | None = None
    """By the length of the input: columns of one length."""
    by_position: dict[str, list[float]] | None = None
    """By the position in the target."""
    signatures: dict[str, str] | None = None
    """Of metrics whose definition has variants: which one it is, by the metric's name."""


class Task:
    """What is learnt. `data` is what the train step reads, held on the device; synthetic tasks need none."""

    name: ClassVar[str]
    interface: Interface
    data: Any = None
    stream: Any = None
    """What reads its batches while it is trained, a `streamed.Stream`, instead of `data`; None: nothing does."""
    buckets: int = 1
    """Batches of different shapes; each is compiled into the program once."""
    padding: float | None = None
    """Share of the steps of training batches that are padding, source and target; None: inputs are of one length."""
    reader: ClassVar[type[Reader] | None] = None
    """What answers `predict`; None: nothing does."""

    def __init__(self, options: TaskConfig) -> None:
        raise NotImplementedError

    def bucket(self, key: Array, step: Int[Array, ""], batch_size: int) -> Int[Array, ""] | int:
        """The bucket of this step's batch; `key` is the one that `batch` gets."""
        return 0

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        """This step's batch, a pure function of key and step; `bucket` is known, so shapes are static."""
        raise NotImplementedError

    def held_out(self, most: int) -> Batch[np.ndarray]:
        """The first `most` held-out examples as NumPy arrays, the same in every run."""
        raise NotImplementedError

    def own_reader(self) -> Reader | None:
        """A reader for the runs of this task, to be saved with them."""
        return None

    def evaluate(self, outcome: Outcome) -> Evaluation:
        """Metrics of the model's outcome on `held_out(len(outcome.loss))`."""
        raise NotImplementedError


@functools.lru_cache(maxsize=16)
def create(options: TaskConfig) -> Task:
    """The task that the options belong to; its corpus is loaded once in a process."""
    return catalogue.load("tasks", options.name)(options)
