"""One number of a table: a metric of the trials of a row, and how it reads."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportReturnType=false

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from research.config.experiment import Column, find_metric
from research.reporting import sampling
from research.reporting.columns import ended_trials
from research.reporting.sampling import SPLIT, Scores
from research.reporting.statistics import Array, Estimate, Scale, estimate
from research.reporting.titles import PERCENT, better
from research.tracking.directions import direction
from research.tracking.run_directory import METRICS, RunDirectory

DASH = "—"
SAMPLED = ("test/", "validation/")
"""Sections whose metrics are over examples."""


@dataclass(frozen=True)
class Number:
    """A metric of the trials of a row.

    Zeros (of a logarithmic column), infinities and NaN are neither dropped nor averaged: they are counted next to the
    statistic of the others.
    """

    column: Column
    values: Array
    """Of the trials that have the metric."""
    seeds: tuple[Any, ...]
    """Of these trials."""
    runs: tuple[RunDirectory | None, ...]
    """Their run directories."""
    trials: int
    """Trials that count."""
    examples: int = 0
    """That a rate is over; 0: none, or not known."""
    error: float = math.nan
    """Standard error by the choice of examples, of a trial; NaN: not known."""

    @property
    def regular(self) -> np.ndarray:
        """Whether each value has a place in the statistic."""
        return np.isfinite(self.values) & ((self.column.scale == "linear") | (self.values > 0))

    @property
    def is_rate(self) -> bool:
        """Whether the values are fractions."""
        points = self.values[self.regular]
        name = self.column.key.rpartition("/")[2]
        named = (self.column.unit == "%" or bool(PERCENT.search(name))) and "_gap" not in name
        return named and bool(np.all((points >= 0) & (points <= 1)))

    @property
    def is_nonnegative(self) -> bool:
        """Whether the metric cannot be negative, as a loss or an error."""
        name = self.column.key.rpartition("/")[2]
        return direction(name) == "min" and "_gap" not in name and bool(np.all(self.values[self.regular] >= 0))

    @property
    def compared(self) -> Array:
        """The values as two rows are compared: logarithms on a log scale, of `success` 1 and 0."""
        if self.column.statistic == "success":
            reached = np.less_equal if better(self.column) == "lower" else np.greater_equal
            return reached(self.values, self.column.threshold).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(self.values) if self.column.scale == "log" else self.values

    def influences(self, seeds: Sequence[Any], read: Callable[[RunDirectory], Scores]) -> Array | None:
        """Return how much each test example counts in the values of `compared` [seeds, N]; None: not known.

        Args:
            seeds: of the values.
            read: returns the scores of a run by test example.
        """
        column = self.column
        if column.statistic != "mean" or column.equal == "time" or not column.key.startswith(sampling.SPLIT):
            return None
        runs = dict(zip(self.seeds, self.runs, strict=True))
        scores = [read(run) if (run := runs[seed]) else {} for seed in seeds]
        return sampling.influences(scores, column.key, logarithm=column.scale == "log")

    @functools.cached_property
    def estimate(self) -> Estimate:
        """The statistic; where no value has a place in it, the values' own mean: 0, inf or NaN."""
        column, points = self.column, self.values[self.regular]
        if column.statistic == "success":
            return estimate(self.compared, "success")
        if not len(points) and len(self.values):
            return Estimate(float(np.mean(self.values)), count=len(self.values))
        sampled = self.examples if self.is_rate and column.key.startswith(SAMPLED) else 0
        error = self.error / points.mean() if column.scale == "log" and len(points) else self.error
        found = estimate(points, column.statistic, column.scale, is_rate=self.is_rate, examples=sampled, error=error)
        return replace(found, low=max(found.low, 0.0)) if self.is_nonnegative else found

    @property
    def text(self) -> str:
        """The number as it stands in a table.

        `9.4 (9.1 9.5 9.6)` has a mean and its seeds, `9.4 [9.1, 9.7]` a mean and its interval. A number alone is the
        same with all seeds. `0 (3/3)`, `5.2 (n=1); inf (2/3)`: zeros, infinities and NaN are counted.
        """
        points = self.values[self.regular]
        parts = []
        if self.column.statistic == "success":
            return _success(self.estimate) if len(self.values) else DASH
        if len(points):
            found = _text(self.estimate, np.sort(points), self.column)
            alone = len(points) == 1 or len(points) == len(self.values) < self.trials
            parts.append(f"{found} (n={len(points)})" if alone else found)
        logarithms = self.column.scale == "log"
        zeros, infinite = (self.values == 0) & logarithms, np.isinf(self.values)
        undefined = np.isnan(self.values) | ((self.values < 0) & logarithms)
        for name, hits in {"0": zeros, "inf": infinite, "undefined": undefined}.items():
            parts += [f"{name} ({int(hits.sum())}/{self.trials})"] if hits.any() else []
        return "; ".join(parts) or DASH


def measure(row: pd.DataFrame, column: Column, seconds: float = math.inf, parameters: float = math.inf) -> Number:
    """Return the number of a row.

    Args:
        row: its trials.
        column: of the number.
        seconds: training time after which nothing counts, of a column at equal time.
        parameters: most that a model may have, of a column at equal parameters.
    """
    ended = ended_trials(row)
    if column.equal == "parameters":
        sizes = [result["summary"].get("model/parameters", math.inf) for result in ended["result"]]
        ended = ended[np.array(sizes) <= parameters]
    if column.equal == "time":
        values = [_value_after(run, column.key, seconds) for run in ended["run"]]
    else:
        values = [find_metric(result["summary"], column.key) for result in ended["result"]]
    present = [value is not None for value in values]
    ended = ended[np.array(present, bool)]
    return Number(
        column,
        np.array([value for value in values if value is not None], np.float64),
        tuple(ended["seed"]),
        tuple(ended["run"]),
        len(values),
        *_sampling(ended, column),
    )


def _sampling(trials: pd.DataFrame, column: Column) -> tuple[int, float]:
    """Return how many examples a metric is over, and its standard error by their choice: that of a typical trial."""
    if not column.key.startswith(SAMPLED):
        return 0, math.nan
    known = [result.get("sampling") or {} for result in trials["result"]]
    names = [next((name for name in found if fnmatchcase(f"{SPLIT}{name}", column.key)), None) for found in known]
    if column.equal == "time" or not names or None in names:
        return num_examples(trials), math.nan
    found = [found[name] for found, name in zip(known, names, strict=True)]
    return min(each["examples"] for each in found), math.sqrt(np.mean([each["error"] ** 2 for each in found]))


def num_examples(trials: pd.DataFrame) -> int:
    """Return how many test examples finished trials were scored on: the fewest of any; 0: they do not say so."""
    asked = trials.get("training.eval_examples", pd.Series(0, trials.index))
    counts = []
    for result, most in zip(trials["result"], asked, strict=True):
        lengths = (result.get("by_length") or {}).get("count")  # of older versions
        counts.append(int(result.get("num_examples") or sum(lengths or ()) or most))
    return min(counts, default=0)


def number(value: float, digits: int = 3) -> str:
    """Return significant digits, with an exponent only where needed: `0.0123`, `233`, `3.1e-7`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if -4 < exponent < 5:
        value = float(f"{value:.{max(digits, 3) - 1}e}") if exponent > 2 else value
        return f"{value:.{max(0, digits - 1 - exponent)}f}"
    mantissa, _, power = f"{value:.{max(0, min(digits, 2) - 1)}e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _value_after(run: RunDirectory, key: str, seconds: float) -> float | None:
    """Return the last value that was recorded within a training time."""
    records = [record for record in run.records(METRICS, key) if key in record]
    values = [record[key] for record in records if record.get("train/seconds", math.inf) <= seconds]
    return values[-1] if values else None


def _text(found: Estimate, points: Array, column: Column) -> str:
    """Return a statistic with its seeds, which are in order, or with its interval: `2.1 (1.8 2.2)e-26`."""
    unit = 100.0 if column.unit == "%" else 1.0
    center, low, high = (unit * end for end in (found.center, found.low, found.high))
    if not low < high:
        counts = float(center).is_integer() and abs(center) > 100 and column.scale == "linear"
        return f"{center:,.0f}" if counts else number(center)  # of weights, such as 18,314, to the last digit
    if column.statistic != "mean" and found.kind != "seeds" and high - low > 1e3 * abs(center) > 0:
        return f"{number(center)} [{number(low)}, {number(high)}]"  # of which one seed is far from the others
    exponent = math.floor(math.log10(max(abs(center), high - low)))
    if -4 < exponent < 5 or (column.scale == "log" and high / low > 10):
        exponent = 0
    center, low, high = (end / 10.0**exponent for end in (center, low, high))
    write = _writer(low, high, column.scale)
    around = (
        f"({' '.join(map(write, points * unit / 10.0**exponent))})"
        if found.kind == "seeds"
        else f"[{write(low)}, {write(high)}]"
    )
    return f"{write(center)} {around}{f'e{exponent}' if exponent else ''}"


def _success(found: Estimate) -> str:
    reached = round(found.center * found.count)
    return f"{reached}/{found.count} [{100 * found.low:.0f}, {100 * found.high:.0f}]%"


def _writer(low: float, high: float, scale: Scale) -> Callable[[float], str]:
    """Return what writes a statistic and its seeds: with as many digits as tell the ends apart."""
    if scale == "log":
        factor = high / low
        digits = 1 if factor >= 10 else 2 if factor >= 1.1 else 3 if factor >= 1.01 else 4
        return lambda value: number(value, digits)
    exponent = math.floor(math.log10(high - low))
    places = min(6, max(0, ((high - low) / 10.0**exponent < 5) - exponent))
    return lambda value: f"{value:.{places}f}"
