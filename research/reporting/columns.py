"""The columns of a table, and the metrics of the runs that they stand for."""

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from research.config.experiment import Column, find_metric
from research.errors import UserError, shorten
from research.reporting.titles import describe_metric

ALIKE = 0.9
"""How similar to a metric of the runs an experiment's metric that none of them has must be to count as misspelled."""


def values(trials: pd.DataFrame, key: str) -> list[float | None]:
    """Return a metric of each trial's summary that counts; None where it has no such metric."""
    return [find_metric(result["summary"], key) for result in counted(trials)]


def has_metric(trials: pd.DataFrame, key: str) -> bool:
    """Return whether a trial that counts has a metric."""
    return any(value is not None for value in values(trials, key))


def counted(trials: pd.DataFrame) -> list[Any]:
    """Return the results of the trials that have ended, without those that the sweep has stopped early."""
    return list(ended_trials(trials)["result"])


def ended_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of `counted`."""
    ended = [bool(result) and result.get("status") != "stopped" for result in trials["result"]]
    return trials.loc[np.array(ended, bool)]


def metrics(trials: pd.DataFrame) -> list[str]:
    """Return the names of all metrics that the summaries have, a probe's last ones as `final` alone."""
    summaries = [result["summary"] for result in trials["result"].dropna()]
    return sorted(set().union(*summaries) - {name for summary in summaries for name in repeated(summary)})


def repeated(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the metrics of a summary that it has once more: `gradient/x`, where there is `gradient/final/x`."""
    for name in summary:
        section, _, rest = name.partition("/")
        if f"{section}/final/{rest}" in summary:
            yield name


def check(columns: Sequence[Column], trials: pd.DataFrame, similarity: float = 0.0, what: str = "column") -> None:
    """Reject a column that no finished trial has the metric of.

    Args:
        columns: of a table.
        trials: of which none may be finished; then there is nothing to check.
        similarity: only a column that resembles a metric of the trials that much is rejected; 0: any.
        what: the word for a column in the error.
    """
    names = metrics(trials)
    for key in [
        column.key for column in columns if names and all(value is None for value in values(trials, column.key))
    ]:
        close = difflib.get_close_matches(key, names, cutoff=similarity)
        if close:
            nearest = f"the nearest are {', '.join(close)}; --list-metrics names all"
            raise UserError(f"{what} {shorten(key)}: no run has this metric; {nearest}")


def expand(columns: Sequence[Column], trials: pd.DataFrame) -> Iterator[Column]:
    """Yield the columns; for a `*` that stands for several metrics of one trial, a column for each of them.

    A metric that has another name in each trial, such as that of the last layer, stays one column.
    """
    names = metrics(trials)
    for column in columns:
        matching = fnmatch.filter(names, column.key)
        counts = (sum(name in result["summary"] for name in matching) for result in trials["result"].dropna())
        if max(counts, default=0) < 2:
            yield column
            continue
        for name, rest in zip(matching, _differences(matching), strict=True):
            words = name if column.title == column.key else ", ".join(filter(None, [column.title, rest]))
            yield replace(column, title=words, key=name)


def _differences(names: Sequence[str]) -> Sequence[str]:
    """Return the parts of each name, between slashes, that not all of them have."""
    paths = [name.split("/") for name in names]
    shared = set.intersection(*map(set, paths))
    parts = ["/".join(part for part in path if part not in shared) for path in paths]
    return parts if len({*parts}) == len(parts) else names


def measured(columns: Sequence[Column], trials: pd.DataFrame) -> tuple[Column, ...]:
    """Return the columns that the trials have a metric for; if they have none, a column for each metric of the test."""
    present = [column for column in columns if any(value is not None for value in values(trials, column.key))]
    tested = [key for key in metrics(trials) if key.startswith("test/") and "/baseline/" not in key]
    tested.sort(key=lambda key: key.endswith("_gap"))  # no measure of quality is first
    return tuple(present or map(describe_metric, tested))
