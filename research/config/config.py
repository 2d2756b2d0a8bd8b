"""All options of a trial, composed of each package's options, and the registries of what is chosen by name.

The dotted name of a field is its command-line flag, its key in a sweep file, in `config.json` and in W&B (see `flat`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from research.cells import CELLS
from research.seq2seq.attention import ATTENTIONS
from research.seq2seq.decoding import DECODINGS
from research.tasks import TASKS
from research.tasks.task import Task
from research.training.optimizers import OPTIMIZERS
from research.training.options import TrialOptions
from research.training.schedules import SCHEDULES

CHOICES: Mapping[str, Mapping[str, type[Any]]] = {
    "task": TASKS,
    "cell": CELLS,
    "attention": ATTENTIONS,
    "decoding": DECODINGS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
"""The registry that the `name` of each of these sections selects a class from."""


@dataclass(frozen=True)
class Config(TrialOptions):
    """One trial."""

    experiment: str = ""
    """Experiment that the trial belongs to: a file of `experiments/`, or the path of one elsewhere."""
    setting: str = ""
    """Named options of the experiment that fix the task and the budget; flags override them."""
    variant: str = ""
    """Named options of the experiment that are compared; flags override them."""
    task: Task = field(default_factory=TASKS["pixels"], kw_only=True)
