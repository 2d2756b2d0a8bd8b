"""What a metric is called in tables and figures, by its name: a readable title, its unit, and how it is averaged."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from research.config.experiment import Column
from research.tracking.directions import direction

SPLITS = {"test": "", "validation": "validation", "train": "training"}
"""Sections whose metrics have readable titles, and what stands after these."""
WORDS = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "f1": "F1",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "teacher forced": "teacher-forced",
}
PERCENT = re.compile(r"accuracy|error_rate|exact_match|exposure_bias_gap|_fraction")
"""In the last part of the names of metrics that are fractions."""
LOG = re.compile(r"half_life$|first_last_ratio$")
"""At the end of the names of metrics that span orders of magnitude."""

BETTER: Mapping[str, Literal["", "higher", "lower"]] = {"min": "lower", "max": "higher", "": ""}


def better(column: Column) -> Literal["", "higher", "lower"]:
    """Return which values of a column are better; "" where it is no measure of quality of a model."""
    split, _, name = column.key.partition("/")
    if column.better or split not in SPLITS or name.startswith("baseline/") or name.endswith("_gap"):
        return column.better
    return BETTER[direction(name)]


def describe_metric(key: str) -> Column:
    """Return a column for a metric: of a split with a readable title, otherwise with its name as the title."""
    name = key.rpartition("/")[2]
    title = key if "*" in key else _title(key)
    return Column(title, key, "log" if LOG.search(name) else "linear", "%" if PERCENT.search(name) else "")


def with_unit(column: Column) -> str:
    """Return the title of a column with its unit."""
    unit = f" ({column.unit})" if column.unit and column.statistic != "success" else ""
    return column.title.removesuffix(unit) + unit


def _title(key: str) -> str:
    split, *path, name = key.split("/")
    if split not in SPLITS:
        return key
    before = [part for part in path if part == "teacher_forced"]
    after = [part for part in path if part not in ("teacher_forced", "free_running", "baseline")]
    measure, rate, subset = name.partition("_error_rate")
    words = [*before, f"{measure}_error" if rate else name]
    return ", ".join(
        filter(None, [" ".join(map(_spell, words)), *map(_spell, [subset.strip("_"), *after]), SPLITS[split]])
    )


def _spell(part: str) -> str:
    words = part.replace("_", " ")
    for written, spelled in WORDS.items():
        words = re.sub(rf"\b{written}\b", spelled, words)
    return words


def complete(column: Column, declared: Sequence[Column]) -> Column:
    """Return a column of the user with scale and unit, and a title if it has none: those of an experiment's column.

    Args:
        column: its title is its key where the user gave none.
        declared: columns of the experiment; where none is of the metric, the name of the metric tells.
    """
    known = next((item for item in declared if fnmatch.fnmatchcase(column.key, item.key)), describe_metric(column.key))
    title = known.title if known.key == column.key else describe_metric(column.key).title
    return replace(
        column, title=title if column.title == column.key else column.title, scale=known.scale, unit=known.unit
    )
