"""Rows of a data set with named columns, and where each row is from."""

import abc
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from research.errors import UserError, suggest


class Rows(abc.ABC):
    """Rows by number."""

    folder: Path = Path()
    """Folder that the paths in the rows are relative to."""
    in_memory: bool = True
    """Whether all rows are in memory."""
    faults: Sequence[str] = ()
    """A line for each damaged row of the file that is left out."""

    @property
    @abc.abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the columns."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self, row: int) -> Mapping[str, Any]: ...

    @abc.abstractmethod
    def place(self, row: int) -> str:
        """Return where a row is from, for a message: "pairs.tsv:17"."""

    def folder_of(self, row: int) -> Path:
        """Return the folder that the paths in a row are relative to."""
        return self.folder


@dataclass(frozen=True)
class Table(Rows):
    """Rows in memory, by column."""

    values: Mapping[str, Sequence[Any]]
    """Values of each column."""
    path: Path
    """The file."""
    lines: Sequence[int] | None = None
    """Line of each row in the file; None: rows have numbers instead."""
    folder: Path = Path()
    faults: Sequence[str] = ()

    @property
    def columns(self) -> Sequence[str]:
        return list(self.values)

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: values[row] for name, values in self.values.items()}

    def place(self, row: int) -> str:
        return f"{self.path}: row {row + 1}" if self.lines is None else f"{self.path}:{self.lines[row]}"


@dataclass(frozen=True)
class Selection(Rows):
    """Some rows of another table."""

    rows: Rows
    chosen: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.rows.folder)
        object.__setattr__(self, "in_memory", self.rows.in_memory)

    @property
    def columns(self) -> Sequence[str]:
        return self.rows.columns

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        return self.rows[int(self.chosen[row])]

    def place(self, row: int) -> str:
        return self.rows.place(int(self.chosen[row]))


@dataclass(frozen=True)
class Chain(Rows):
    """Rows of several tables, one after the other; the columns are those of the first."""

    parts: Sequence[Rows]

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_memory", all(part.in_memory for part in self.parts))

    @property
    def columns(self) -> Sequence[str]:
        return self.parts[0].columns

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        part, place = self._find(row)
        return part[place]

    def place(self, row: int) -> str:
        part, place = self._find(row)
        return part.place(place)

    def folder_of(self, row: int) -> Path:
        part, place = self._find(row)
        return part.folder_of(place)

    def _find(self, row: int) -> tuple[Rows, int]:
        for part in self.parts:
            if row < len(part):
                return part, row
            row -= len(part)
        raise IndexError(row)


def check_columns(rows: Rows, path: Any, columns: Mapping[str, str]) -> None:
    """Refuse a column that the rows do not have.

    Args:
        rows: the rows.
        path: name of the source.
        columns: name of each column that is needed, by the key of the option that names it.
    """
    for key, column in columns.items():
        if column not in rows.columns:
            raise UserError(f"{key}={column}: {path} has no such column; {suggest(column, rows.columns)}")


def group(rows: Rows, by: str, order: str, path: Path) -> Table:
    """Return a row for each value of a column, whose values are lists of those of its rows.

    Args:
        rows: a row for each step of each series.
        by: column whose value tells the series.
        order: column of numbers that orders the steps; empty: they are in order.
        path: the file, for messages.
    """
    members: dict[Any, list[int]] = {}
    for row in range(len(rows)):
        members.setdefault(rows[row][by], []).append(row)
    if order:
        for steps in members.values():
            times = {row: _number(rows, row, order) for row in steps}
            steps.sort(key=times.__getitem__)
            for row, after in itertools.pairwise(steps):
                if times[row] == times[after]:
                    twice = f"the {by}={rows[row][by]} has another row with {order}={rows[row][order]}"
                    raise UserError(f"{rows.place(after)}: {twice}; must have one")
    values = {name: [[rows[row][name] for row in steps] for steps in members.values()] for name in rows.columns}
    values[by] = list(members)
    lines = getattr(rows, "lines", None)
    firsts = None if lines is None else [lines[steps[0]] for steps in members.values()]
    return Table(values, path, firsts, rows.folder, rows.faults)


def _number(rows: Rows, row: int, column: str) -> float:
    value = rows[row][column]
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{rows.place(row)}: {column}={value!r:.40}: must be a number, as it orders the steps"
        ) from None
