"""Experiments: a claim, a base config, what is compared, and how the comparison is shown.

An experiment is a Python file that sets `EXPERIMENT`. Those in `experiments/` are known by their names, those in
`experiments/claims/` as claims/NAME, others by their paths.
"""

import fnmatch
import importlib.util
import math
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from research.config.config import CHOICES, Config
from research.config.flat import override
from research.errors import UserError, nearest, shorten

ROOT = Path(__file__).parents[2]


Statistic = Literal["mean", "iqm", "median", "success"]


@dataclass(frozen=True)
class Column:
    """One column of the table: a metric over the seeds of a row. docs/statistics.md explains the statistics."""

    title: str
    key: str
    """Key of the metric in the summary of `result.json`. A `*` stands for any text, as in test/baseline/*/loss."""
    scale: Literal["linear", "log"] = "linear"
    """log: the statistic is that of the logarithms. Rows with a zero or an infinite value show that value and the
    number of seeds that have it."""
    unit: Literal["", "%"] = ""
    statistic: Statistic = "mean"
    """iqm: mean of the middle half; success: fraction of the seeds that reach `threshold`."""
    threshold: float = math.nan
    """Of `success`: at least that, or at most that where lower is better."""
    better: Literal["", "higher", "lower"] = ""
    """Which values are better; by default the name of the metric tells."""
    equal: Literal["", "time", "parameters"] = ""
    """time: the last value that was recorded within the training time of the fastest trial of the part; parameters: of
    models with at most 1.05 times the parameters of its smallest one."""

    def __post_init__(self) -> None:
        if (self.statistic == "success") == math.isnan(self.threshold):
            raise UserError(f"column {self.title}: must have a threshold exactly if its statistic is success")


def find_metric(summary: Mapping[str, Any], key: str) -> Any:
    """Return the first metric whose name matches the key of a column; None if there is none."""
    if "*" not in key:
        return summary.get(key)
    return next((value for name, value in summary.items() if fnmatch.fnmatchcase(name, key)), None)


@dataclass(frozen=True)
class Experiment:
    """A question, the trials that answer it, and the table and figures that show the answer."""

    claim: str
    """What is tested, in a sentence or two."""
    base: Config
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options that fix the task and the budget, by name: one table each."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options that are compared, by name: one row each."""
    tune: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of options from which a sweep chooses for each variant, on validation data, before it trains the seeds of
    the sweep file: {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2]}."""
    columns: tuple[Column, ...] = ()
    figures: tuple[str, ...] = ()
    """Names of figures in `research.reporting.figures`."""

    def config(self, setting: str = "", variant: str = "") -> Config:
        """Return the base config with a setting's and a variant's options, the variant's over the setting's."""
        layers: list[Mapping[str, Any]] = []
        for key, name, named in (("setting", setting, self.settings), ("variant", variant, self.variants)):
            if name and name not in named:
                allowed = (
                    f"one of {', '.join(named)}{nearest(name, named)}"
                    if named
                    else f"absent: the experiment has no {key}s"
                )
                raise UserError(f"{key}={shorten(name)}: must be {allowed}")
            layers.append({key: name, **(named[name] if name else {})})
        return override(self.base, *layers)


def names() -> tuple[str, ...]:
    """Return the names of the experiments in `experiments/`."""
    paths = sorted((ROOT / "experiments").glob("*.py"))
    return tuple(path.stem for path in paths if path.stem != "__init__")


def load(name: str) -> Experiment:
    """Return the experiment of that name, or of the Python file at that path."""
    declared = getattr(_module(name), "EXPERIMENT", None)
    if not isinstance(declared, Experiment):
        raise UserError(f"experiment {name!r}: must set EXPERIMENT to an Experiment")
    return declared


def describe(name: str) -> str:
    """Return the first line of the docstring of the experiment's file."""
    return (_module(name).__doc__ or "").strip().partition("\n")[0]


def summaries() -> dict[str, str]:
    """Return the first line of the docstring of each experiment in `experiments/`, by name."""
    return {name: describe(name) for name in names()}


def recorded_name(name: str) -> str:
    """Return what runs record of an experiment: its name if it is in `experiments/`, or else its full path."""
    if not name.endswith(".py"):
        return name
    path, folder = Path(name).resolve(), ROOT / "experiments"
    return path.relative_to(folder).with_suffix("").as_posix() if path.is_relative_to(folder) else str(path)


def _module(name: str) -> ModuleType:
    known = recorded_name(name)
    if not known.endswith(".py"):
        path, title = ROOT / "experiments" / f"{known}.py", f"experiments.{known.replace('/', '.')}"
        if known not in names() and not (known.startswith("claims/") and path.is_file()):
            allowed = f"; must be the path of a Python file, or one of {', '.join(names())}"
            if name in CHOICES["task"]:
                allowed = f"; it is a task, which an experiment takes as --task.name={name}"
            raise UserError(f"experiment {shorten(name)!r}: no such experiment{nearest(name, names()) or allowed}")
    else:
        path = Path(known)
        title = f"user_experiment_{path.stem}_{zlib.crc32(bytes(path)):08x}"  # not that of another module
        if not path.is_file():
            siblings = [other.name for other in path.parent.glob("*.py")]
            raise UserError(f"experiment {name!r}: no such file{nearest(path.name, siblings)}")
    module = sys.modules.get(title)
    if module is None or module.__file__ != str(path):
        spec = importlib.util.spec_from_file_location(title, path)
        assert spec and spec.loader
        module = sys.modules[title] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[title]
            raise
    return module
