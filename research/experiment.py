"""What an experiment declares: its claim, its base config, what is compared, and how the comparison is shown.

An experiment is a file of `experiments/` that sets `EXPERIMENT`. The command line and the reports find it by name.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from research import catalogue
from research.config import Config
from research.dotted import override
from research.errors import UserError


@dataclass(frozen=True)
class Column:
    """One column of the table: a key of the summary in `result.json`, over the seeds of a row."""

    title: str
    key: str
    scale: Literal["linear", "log"] = "linear"
    """log: geometric mean, and the interval as a factor; zero and infinite values are counted and shown as such."""
    unit: Literal["", "%"] = ""


@dataclass(frozen=True)
class Experiment:
    """A question, the trials that answer it, and the table and figures that show the answer."""

    claim: str
    """What is tested, in a sentence or two."""
    base: Config
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named options that fix the task and the budget: the sections of the table."""
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named options that are compared: the rows of the table."""
    rows: str = "arm"
    """The config key that tells the rows of the table apart."""
    columns: tuple[Column, ...] = ()
    figures: tuple[str, ...] = ()
    """Names of figures of `research.reporting.figures`."""

    def config(self, setting: str = "", arm: str = "") -> Config:
        """The base config with a setting's and an arm's options, in that order.

        Raises:
            UserError: for a setting or an arm that the experiment does not have.
        """
        changes: dict[str, Any] = {}
        for key, chosen, named in (("setting", setting, self.settings), ("arm", arm, self.arms)):
            if chosen and chosen not in named:
                allowed = f"one of {', '.join(named)}" if named else f"absent: the experiment has no {key}s"
                raise UserError(f"{key}={chosen}: must be {allowed}")
            changes |= {key: chosen, **(named[chosen] if chosen else {})}
        return override(self.base, changes)


def load(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        UserError: if there is none.
    """
    known = catalogue.experiments()
    if name not in known:
        raise UserError(f"experiment {name!r}: must be one of {', '.join(known)}")
    return importlib.import_module(f"experiments.{name}").EXPERIMENT
