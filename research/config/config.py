"""All options of a trial, composed of the options of each package, and the registries of choices.

The dotted name of a field is its command-line flag, its key in a sweep file, in `config.json` and in W&B (see `flat`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from research.cells import CELLS
from research.data.fields import INPUTS, TARGETS
from research.seq2seq.attention import ATTENTIONS
from research.seq2seq.decoding import DECODINGS
from research.tasks import TASKS
from research.tasks.task import Task
from research.training.optimizers import OPTIMIZERS
from research.training.options import TrialOptions
from research.training.schedules import SCHEDULES

CHOICES: Mapping[str, Mapping[str, type[Any]]] = {
    "task": TASKS,
    "task.input": INPUTS,
    "task.target": TARGETS,
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
    """The experiment: the name of a file in `experiments/`, or the path of a file elsewhere."""
    setting: str = ""
    """A named set of the experiment's options that fixes the task and the budget; flags override it."""
    variant: str = ""
    """A named set of the experiment's options, which the experiment compares with others; flags override it."""
    task: Task = field(default_factory=TASKS["pixels"], kw_only=True)


def section_of(config: Config, section: str) -> Any:
    """Return the options of a section, such as "task.input"; None if the chosen task has no such section."""
    options: Any = config
    for name in section.split("."):
        options = getattr(options, name, None)
    return options if is_dataclass(options) else None
