"""The numbers of a comparison: a part per section, in it a row per variant, in it a number per column."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from research.config.experiment import Column
from research.reporting.columns import counted, ended_trials, has_metric, metrics
from research.reporting.comparison import Comparison, describe, task_of
from research.reporting.differences import Difference, Verdict, compare_rows
from research.reporting.numbers import Number, measure
from research.reporting.titles import better

MARGIN = 1.05
"""How many times the parameters of the smallest model count as equal."""


@dataclass(frozen=True)
class Part:
    """A section with its numbers."""

    trials: pd.DataFrame
    rows: Sequence[pd.DataFrame]
    numbers: Sequence[Sequence[Number]]
    """Of each row, in the order of the columns."""
    verdict: Verdict
    baselines: Mapping[str, Mapping[int, Number]]
    """What needs no training, such as the most frequent output: by its name, and by the column."""

    @property
    def heading(self) -> str:
        """What the trials share, in words."""
        heading = self.trials["heading"].iloc[0]
        return f"{heading}: {describe(self.trials)}" if heading else describe(self.trials)


def parts(comparison: Comparison) -> list[Part]:
    """Return the parts of a comparison."""
    columns, found = comparison.experiment.columns, []
    for section in comparison.sections:
        rows = [row for _, row in section.groupby("row", sort=False)]
        rows = [row for row in rows if not comparison.sort or has_metric(row, comparison.sort)] or rows
        seconds = _least(section, "train/seconds")
        parameters = MARGIN * _least(section, "model/parameters")
        numbers = [[measure(row, column, seconds, parameters) for column in columns] for row in rows]
        found.append(Part(section, rows, numbers, compare_rows(numbers), baselines(section, columns)))
    return found


def frame(comparison: Comparison, content: Sequence[Part]) -> pd.DataFrame:
    """Return the numbers unrounded, a line per number, with the names of the run directories that it is from."""
    names, keys = metrics(comparison.trials), list(comparison.keys)
    lines: list[dict[str, Any]] = []
    for part in content:
        shared = {"setting": part.trials["setting"].iloc[0], "task": task_of(part.trials)}
        shared |= {key: part.trials[key].iloc[0] for key in comparison.section_keys}
        for place, (row, numbers) in enumerate(zip(part.rows, part.numbers, strict=True)):
            known = shared | {"task": task_of(row), **row.iloc[0][keys], **_counts(row)}
            for column, number in enumerate(numbers):
                difference = part.verdict.differences.get((place, column), Difference())
                lines.append(known | _line(number, names, difference))
        for name, numbers in part.baselines.items():
            lines += [shared | {"baseline": name, **_line(number, names, Difference())} for number in numbers.values()]
    baseline = ["baseline"] if any("baseline" in line for line in lines) else []
    columns = ["setting", "task", *comparison.section_keys, *keys, *baseline]
    table = pd.DataFrame(lines, columns=list(dict.fromkeys([*columns, *(lines[0] if lines else ())])))
    counts = [name for name in ("trials", "finished", "diverged", "stopped", "n", "examples") if name in table]
    counts += [key for key in keys if all(type(line.get(key, 0)) is int for line in lines)]
    return table.astype(dict.fromkeys(counts, "Int64"))  # a baseline has no trials


def count(trials: pd.DataFrame, status: str) -> int:
    """Return how many trials have ended with a status."""
    return sum(result.get("status") == status for result in trials["result"].dropna())


def _counts(row: pd.DataFrame) -> dict[str, int]:
    named = {status: count(row, status) for status in ("diverged", "stopped")}
    return {"trials": len(row), "finished": len(ended_trials(row)), **named}


def _line(number: Number, names: Sequence[str], difference: Difference) -> dict[str, Any]:
    column, found = number.column, number.estimate
    matches = fnmatch.filter(names, column.key)
    return {
        "column": column.title,
        "metric": matches[0] if len(matches) == 1 else column.key,
        "statistic": _statistic(column),
        "value": found.center,
        "low": found.low,
        "high": found.high,
        "ends": found.kind,
        "n": found.count,
        "examples": number.examples or None,
        "difference": difference.mean,
        "p": difference.p,
        "mark": difference.mark,
        "runs": ";".join(run.path.name if run else "" for run in number.runs),
    }


def _statistic(column: Column) -> str:
    """Return the statistic of a column in words, such as `success: >= 0.5`."""
    if column.statistic == "success":
        return f"success: {'<=' if better(column) == 'lower' else '>='} {column.threshold:g}"
    return "geometric mean" if (column.statistic, column.scale) == ("mean", "log") else column.statistic


def _least(section: pd.DataFrame, key: str) -> float:
    """Return the least value of a metric of any trial that counts."""
    return min((result["summary"].get(key, math.inf) for result in counted(section)), default=math.inf)


def baselines(section: pd.DataFrame, columns: Sequence[Column]) -> dict[str, dict[int, Number]]:
    """Return the metrics of the task's baselines by name and place of the column, where no column has them already."""
    found: dict[str, dict[int, Number]] = {}
    names = [name for name in metrics(section) if "/baseline/" in name]
    for place, column in enumerate(columns):
        for key, baseline in _baseline_keys(column.key, names) if column.statistic != "success" else ():
            number = measure(section, replace(column, key=key, statistic="mean", equal=""))
            found.setdefault(baseline, {})[place] = number
    return found


def _baseline_keys(key: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the metrics of baselines that a metric is compared with, and the names of these baselines."""
    split, _, rest = key.partition("/")
    rest = rest.removeprefix("free_running/").removeprefix("teacher_forced/")
    pattern = re.compile(f"{re.escape(split)}/baseline/([^/]+)/{re.escape(rest)}")
    for name in names:
        if match := pattern.fullmatch(name):
            yield name, match[1].replace("_", " ")
