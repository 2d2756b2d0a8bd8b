"""The table of an experiment, built once in plain text, which `formats` renders."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from research.errors import escape
from research.reporting.columns import counted
from research.reporting.comparison import Comparison
from research.reporting.differences import Mark
from research.reporting.labels import key_titles
from research.reporting.notes import notes
from research.reporting.numbers import Number, number
from research.reporting.parts import Part, count, frame, parts
from research.reporting.titles import with_unit

BASELINES = {"mean": "mean target"}
"""Baselines whose name alone would be unclear in a table of means."""


@dataclass(frozen=True)
class Table:
    """The table of an experiment, as text."""

    name: str
    claim: str
    """Of the experiment, or the description of the sweep; may be empty."""
    header: tuple[str, ...]
    parts: Mapping[str, Sequence[tuple[str, ...]]]
    """The rows of each setting, by its heading."""
    notes: tuple[str, ...]
    num_keys: int = 1
    """Leading columns that name the row."""
    caption: str = ""
    """Replaces the claim in LaTeX."""
    label: str = ""
    """Of the float in LaTeX; empty: tab:NAME. Of several floats, each adds the name of its setting."""
    marks: Mapping[tuple[str, int, int], Mark] = field(default_factory=dict)
    """Cells that are best or tied, by heading, row and column."""
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    """The numbers unrounded, a line per number, with the runs that each is from."""


def table(comparison: Comparison) -> Table:
    """Return the table of a comparison: a part per section, a row per variant, a column per metric over the seeds.

    Control characters of config values are escaped: they would do something on a terminal, or break a line.
    """
    experiment, keys, content = comparison.experiment, comparison.keys, parts(comparison)
    header = map(escape, (*key_titles(keys), "seeds", *map(with_unit, experiment.columns)))
    rows, marks = {}, {}
    for part in content:
        heading = escape(part.heading)
        rows[heading] = [tuple(map(escape, row)) for row in _rows(part, comparison)]
        places = part.verdict.differences.items()
        marks |= {(heading, row, len(keys) + 1 + column): found.mark for (row, column), found in places if found.mark}
    return Table(
        escape(comparison.name),
        escape(" ".join(experiment.claim.split())),
        tuple(header),
        rows,
        tuple(map(escape, notes(comparison, content))),
        len(keys),
        marks=marks,
        numbers=frame(comparison, content),
    )


def _rows(part: Part, comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the cells of each row, then those of the baselines."""
    cells = comparison.cells
    rows = [
        (*cells.loc[row.index[0]], _seeds(row), *(number.text for number in numbers))
        for row, numbers in zip(part.rows, part.numbers, strict=True)
    ]
    empty = [""] * len(comparison.keys)
    for name, numbers in part.baselines.items():
        found = [_baseline(numbers[place]) if place in numbers else "" for place in range(len(part.numbers[0]))]
        rows.append((f"({BASELINES.get(name, name)})", *empty, *found))
    return rows


def _seeds(row: pd.DataFrame) -> str:
    """Return how many seeds of a row count, of how many, and what became of the others."""
    done = len(counted(row))
    others = ", ".join(f"{found} {name}" for name in ("diverged", "stopped") if (found := count(row, name)))
    seeds = str(done) if done == len(row) else f"{done} of {len(row)}"
    return f"{seeds} ({others})" if others else seeds


def _baseline(found: Number) -> str:
    """Return the value of a baseline, or the lowest and the highest where trials have several."""
    values = found.values * (100 if found.column.unit == "%" else 1)
    return "–".join(dict.fromkeys(number(value) for value in (values.min(), values.max())))
