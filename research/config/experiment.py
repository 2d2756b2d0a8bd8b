"""What an experiment declares: its claim, its base config, what is compared, and how the comparison is shown.

An experiment is a file that sets `EXPERIMENT`: one of `experiments/`, known by its name, or any other, by its path.
"""

import fnmatch
import importlib.util
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from research.config.config import Config
from research.config.flat import override
from research.errors import UserError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Column:
    """One column of the table: a key of the summary in `result.json`, over the seeds of a row."""

    title: str
    key: str
    """May have a * in the place of a word that tasks differ in: test/baseline/*/loss."""
    scale: Literal["linear", "log"] = "linear"
    """log: geometric mean, and the interval as a factor; zero and infinite values are counted and shown as such."""
    unit: Literal["", "%"] = ""


def find_metric(summary: Mapping[str, Any], key: str) -> Any:
    """Return the metric of a column's key, or the first that matches it; None where there is none."""
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
    """Named options that fix the task and the budget: the sections of the table."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named options that are compared: the rows of the table."""
    rows: str = "variant"
    """The config key that tells the rows of the table apart."""
    columns: tuple[Column, ...] = ()
    figures: tuple[str, ...] = ()
    """Names of figures of `research.reporting.figures`."""

    def config(self, setting: str = "", variant: str = "") -> Config:
        """Return the base config with a setting's and a variant's options, the variant's over the setting's."""
        layers: list[Mapping[str, Any]] = []
        for key, name, named in (("setting", setting, self.settings), ("variant", variant, self.variants)):
            if name and name not in named:
                allowed = f"one of {', '.join(named)}" if named else f"absent: the experiment has no {key}s"
                raise UserError(f"{key}={name}: must be {allowed}")
            layers.append({key: name, **(named[name] if name else {})})
        return override(self.base, *layers)


def names() -> tuple[str, ...]:
    """Return the names of the experiments of `experiments/`."""
    paths = sorted((ROOT / "experiments").glob("*.py"))
    return tuple(path.stem for path in paths if path.stem != "__init__")


def load(name: str) -> Experiment:
    """Return the experiment of that name, or of the Python file at that path."""
    declared = getattr(_module(name), "EXPERIMENT", None)
    if not isinstance(declared, Experiment):
        raise UserError(f"experiment {name!r}: must set EXPERIMENT to an Experiment")
    return declared


def describe(name: str) -> str:
    """Return the first line of what the experiment's file says of itself."""
    return (_module(name).__doc__ or "").strip().partition("\n")[0]


def summaries() -> dict[str, str]:
    """Return what each experiment of `experiments/` asks, in a line, by name."""
    return {name: describe(name) for name in names()}


def recorded_name(name: str) -> str:
    """Return what a run records of its experiment: the name of one of `experiments/`, or the full path of a file."""
    if not name.endswith(".py"):
        return name
    path = Path(name).resolve()
    return path.stem if path.parent == ROOT / "experiments" else str(path)


def _module(name: str) -> ModuleType:
    known = recorded_name(name)
    if not known.endswith(".py"):
        if known not in names():
            raise UserError(f"experiment {name!r}: must be the path of a Python file, or one of {', '.join(names())}")
        path, title = ROOT / "experiments" / f"{known}.py", f"experiments.{known}"
    else:
        path = Path(known)
        title = f"user_experiment_{path.stem}_{zlib.crc32(bytes(path)):08x}"  # no name of another module
        if not path.is_file():
            raise UserError(f"experiment {name!r}: no such file")
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
