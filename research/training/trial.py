"""A trial, resolved once: its options, its task with data, the sizes of its model, and its run directory."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from research.batch import TaskSpec
from research.errors import UserError
from research.recurrence.kernels import cudnn
from research.seq2seq.budget import resolve_hidden_size
from research.tasks import task as tasks
from research.tasks.task import Task
from research.tracking.run_directory import RunDirectory
from research.training import shards
from research.training.options import TrialOptions


@dataclass(frozen=True)
class Trial:
    """All that training, evaluation and records need to know of one trial."""

    name: str
    config: TrialOptions
    """As the user asked for it, and as it is recorded."""
    options: TrialOptions
    """With the hidden size that a parameter budget stands for."""
    task: Task
    """Loaded."""
    run: RunDirectory

    @classmethod
    def resolve(cls, name: str, config: TrialOptions, run: RunDirectory) -> "Trial":
        """Load the data and decide every size.

        Raises:
            UserError: if the data cannot be read, or no model or output has the sizes that the options ask for.
        """
        task = tasks.load(config.task)
        options = resolve_hidden_size(config, task.spec)
        if task.target == "tokens":
            options.decoding.resolve(task.spec.target_length)
        return cls(name, config, options, task, run)

    @property
    def spec(self) -> TaskSpec:
        """Kinds and sizes of the task's inputs and targets."""
        return self.task.spec

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.run.path / "checkpoint"


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    name: str
    path: Path
    status: str
    """finished, or diverged."""
    summary: dict[str, Any]
    skipped: bool = False
    """The run directory held a result already."""
    signatures: dict[str, str] = field(default_factory=dict)
    """Exact definition of metrics that have several, by the metric's name."""
