"""Runs side by side: the config keys that differ, final metrics with their differences, metrics during training."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from research.config.experiment import find_metric
from research.errors import UserError, escape, shorten
from research.options import NEUTRAL_KEYS
from research.reporting import measures, runs
from research.reporting.labels import key_titles, label
from research.reporting.measures import Profile
from research.reporting.numbers import DASH
from research.reporting.runs import ADDED
from research.reporting.tables import Table
from research.tracking.run_directory import METRICS, RunDirectory

MAX_RUNS = 20
MAX_DIFFERENCES = 3
"""Of more runs, only the values are shown."""
MAX_LETTERS = 40
"""Of a value, and of a label."""
FIRST = ("experiment", "setting", "variant", "seed")
"""Keys that come first."""
SHOWN = ("test/*", "validation/*", "train/loss", "train/seconds", "train/steps_per_second", "model/parameters")
"""Final metrics that are shown by default, in this order, without baselines."""
DEFAULT_CURVES = ("train/loss", "validation/loss", "validation/free_running/*", "validation/*")
"""The first three of these are shown by default."""
NUM_STEPS = 8
"""Rows of a table of a curve, without the last steps of runs that end early."""


class SideBySide:
    """Some runs, numbered from 1."""

    def __init__(self, directories: Sequence[Path]) -> None:
        """Read the runs at or under some directories.

        Raises:
            UserError: if they are fewer than two or more than `MAX_RUNS`, or for a directory without runs.
        """
        self.trials, self.faults = runs.read(directories)
        count = len(self.trials)
        if not 2 <= count <= MAX_RUNS:
            hint = "; `report` shows more" if count > 1 else ""
            raise UserError(f"RUNS: {count} run{'s' * (count > 1)}; must be 2 to {MAX_RUNS}{hint}")
        self.numbers = [str(number) for number in range(1, count + 1)]

    @cached_property
    def differing(self) -> pd.DataFrame:
        """Values of the config keys that differ, a row per key, a column per run; NaN where a run does not have it."""
        keys = [key for key in self.trials.columns.drop(ADDED, errors="ignore") if not key.startswith(NEUTRAL_KEYS)]
        options = self.trials[keys].set_axis(self.numbers).T
        texts = options.astype(str).where(options.notna(), "")
        first = [key for key in FIRST if key in keys]
        order = [*first, *(key for key in keys if key not in first)]
        return options.loc[[key for key in order if texts.loc[key].nunique() > 1]]

    @cached_property
    def labels(self) -> list[str]:
        """Names of the runs in a figure: their number, and the values of the keys that differ."""
        shared = self.differing.dropna()  # others are options of a choice that differs
        names = ["" if isinstance(shared.loc[key].iloc[0], str) else f"{title} " for key, title in _titles(shared)]
        labels = []
        for number in self.numbers:
            words = [f"{name}{label(value)}" for name, value in zip(names, shared[number], strict=True)]
            labels.append(shorten(": ".join([number, *filter(None, [", ".join(words)])]), MAX_LETTERS))
        return labels

    @cached_property
    def summaries(self) -> list[Mapping[str, Any]]:
        """The summary of each run; of an unfinished one, the last values that it has recorded."""
        return [
            result["summary"] if result else _last_values(run)
            for run, result in zip(self.trials["run"], self.trials["result"], strict=True)
        ]

    def find_metrics(self, patterns: Sequence[str], default: Sequence[str]) -> list[str]:
        """Return the metrics that patterns stand for, in their order; by default others, without baselines.

        Raises:
            UserError: for a pattern that stands for none.
        """
        names = sorted({name for summary in self.summaries for name in summary})
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                close = difflib.get_close_matches(pattern, names)
                hint = f"did you mean {' or '.join(close)}?" if close else f"such as {', '.join(names[:3])}"
                raise UserError(f"{shorten(pattern)}: no run has this metric; {hint}")
        chosen = [name for pattern in patterns or default for name in fnmatch.filter(names, pattern)]
        return [name for name in dict.fromkeys(chosen) if patterns or "/baseline/" not in name]

    def curve(self, metric: str) -> pd.DataFrame:
        """Return the recorded values of a metric: a row per step, a column per run."""
        columns = []
        for number, run in zip(self.numbers, self.trials["run"], strict=True):
            records = pd.DataFrame(run.records(METRICS, metric), columns=["step", metric]).dropna()
            columns.append(records.drop_duplicates("step", keep="last").set_index("step")[metric].rename(number))
        return pd.concat(columns, axis=1).sort_index()

    def profiles(self, when: Literal["first", "last"]) -> dict[str, Profile]:
        """Return the norms of dL/dh_t of the runs that have recorded them, by number."""
        rows = [self.trials.iloc[[place]] for place in range(len(self.trials))]
        lines = {number: measures.profile(row, when=when) for number, row in zip(self.numbers, rows, strict=True)}
        return {number: line for number, line in lines.items() if line is not None}

    def tables(self, metrics: Sequence[str], curves: Sequence[str]) -> Iterator[Table]:
        """Yield the tables of the runs, the config, the final metrics, and each curve."""
        states = [result["status"] if result else "unfinished" for result in self.trials["result"]]
        paths = [str(run.path) for run in self.trials["run"]]
        yield _table("Runs", ["run", "directory", "status"], list(zip(self.numbers, paths, states, strict=True)), 2)
        yield self._config_table()
        yield self._metric_table(metrics)
        for metric in curves:
            if len(steps := _spaced(curve := self.curve(metric))):
                rows = [[str(step), *map(_number, curve.loc[step])] for step in steps]
                shown = f"{metric}, at {len(steps)} of {len(curve)} steps" if len(steps) < len(curve) else metric
                yield _table(shown, ["step", *self.numbers], rows)

    def _config_table(self) -> Table:
        rows = [[key, *map(_value, self.differing.loc[key])] for key in self.differing.index]
        title = "Config: keys that differ" if rows else "Config: no key differs"
        return _table(title, ["key", *self.numbers], rows)

    def _metric_table(self, metrics: Sequence[str]) -> Table:
        first, *others = self.numbers if len(self.numbers) <= MAX_DIFFERENCES + 1 else self.numbers[:1]
        rows = []
        for metric in metrics:
            values = [find_metric(summary, metric) for summary in self.summaries]
            differences = [
                "" if None in (values[0], x) else _signed(x - values[0]) for x in values[1 : len(others) + 1]
            ]
            rows.append([metric, *map(_number, values), *differences])
        return _table("Final metrics", ["metric", *self.numbers, *(f"{other} - {first}" for other in others)], rows)


def _table(heading: str, header: Sequence[str], rows: Sequence[Sequence[str]], num_keys: int = 1) -> Table:
    cells = [tuple(map(escape, row)) for row in rows]
    return Table("", "", tuple(header), {heading: cells}, (), num_keys)


def _titles(differing: pd.DataFrame) -> list[tuple[str, str]]:
    keys = list(differing.index)
    return list(zip(keys, key_titles(keys), strict=True))


def _last_values(run: RunDirectory) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for record in run.records(METRICS):
        values |= record
    values.pop("step", None)
    return values


def _spaced(curve: pd.DataFrame) -> list[int]:
    """Return steps at which a curve is shown: spaced among those that all runs have, and the last of each run."""
    steps = curve.dropna().index if len(curve.dropna()) > 1 else curve.index
    spaced = steps[np.unique(np.linspace(0, len(steps) - 1, NUM_STEPS).round().astype(int))] if len(steps) else []
    ends = [curve[run].last_valid_index() for run in curve]
    return sorted({int(step) for step in (*spaced, *ends) if step is not None})


def _number(value: Any) -> str:
    return DASH if value is None or pd.isna(value) else f"{value:.6g}"


def _signed(difference: float) -> str:
    return f"{difference:+d}" if isinstance(difference, int) else f"{difference:+.3g}"


def _value(value: Any) -> str:
    return shorten(label(value), MAX_LETTERS)
