"""Rows of a data set with named columns, and where each row is from."""

import abc
import itertools
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from research.data.fields.field_options import as_number, as_text
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
    def place(self, row: int, step: int = 0) -> str:
        """Return where a row is from, for a message: "pairs.tsv:17"; of a series, where a step of it is from."""

    def folder_of(self, row: int) -> Path:
        """Return the folder that the paths in a row are relative to."""
        return self.folder


@dataclass(frozen=True)
class Table(Rows):
    """Rows in memory, by column."""

    values: Mapping[str, Sequence[Any]]
    """Values of each column."""
    path: Path | Sequence[Path]
    """The file, or that of each row."""
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

    def place(self, row: int, step: int = 0) -> str:
        path = self.path if isinstance(self.path, Path) else self.path[row]
        return f"{path}: row {row + 1}" if self.lines is None else f"{path}:{self.lines[row]}"


@dataclass(frozen=True, kw_only=True)
class Grouped(Table):
    """A row for each series, whose values are lists of those of its steps."""

    rows: Rows
    """A row for each step."""
    members: Sequence[Sequence[int]]
    """Rows of the steps of each series."""

    def place(self, row: int, step: int = 0) -> str:
        return self.rows.place(self.members[row][step])


@dataclass(frozen=True)
class Selection(Rows):
    """Some rows of one table or several; the columns are those of the first."""

    parts: Sequence[Rows]
    chosen: np.ndarray
    """Numbers of the rows, counted over all parts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_memory", all(part.in_memory for part in self.parts))

    @property
    def columns(self) -> Sequence[str]:
        return self.parts[0].columns

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        part, place = self._find(row)
        return part[place]

    def place(self, row: int, step: int = 0) -> str:
        part, place = self._find(row)
        return part.place(place, step)

    def folder_of(self, row: int) -> Path:
        part, place = self._find(row)
        return part.folder_of(place)

    def _find(self, row: int) -> tuple[Rows, int]:
        number = int(self.chosen[row])
        for part in self.parts:
            if number < len(part):
                return part, number
            number -= len(part)
        raise IndexError(row)


def check_columns(rows: Rows, path: Any, columns: Mapping[str, str]) -> None:
    """Refuse a column, named by the option of its key, that the rows of a source do not have."""
    for key, column in columns.items():
        if column not in rows.columns:
            raise UserError(f"{key}={column}: {path} has no such column; {suggest(column, rows.columns)}")


def leave_out(faults: list[str], line: str, skip: bool) -> None:
    """Add the line of a row that cannot be used to the faults; raise it as an error if such rows are not skipped."""
    if not skip:
        raise UserError(f"{line}; --task.on_error=skip leaves such rows out")
    faults.append(line)


def check_left(rows: Sized, faults: Sequence[str]) -> None:
    """Refuse rows of which none is left."""
    if faults and not len(rows):
        raise UserError(f"{faults[0]}; no row is left")


def group(rows: Rows, by: str, order: str, skip: bool) -> Table:
    """Return a row for each value of a column, whose values are lists of those of its rows.

    Args:
        rows: a row for each step of each series.
        by: column whose value tells the series.
        order: column of numbers that orders the steps; empty: they are in order.
        skip: whether series whose order is unknown are left out and listed; else the first of them is an error.
    """
    members: dict[Any, list[int]] = {}
    faults = list(rows.faults)
    for row in range(len(rows)):
        try:
            as_text(rows[row][by])
        except ValueError as error:
            leave_out(faults, f"{rows.place(row)}: column {by} {error}", skip)
        else:
            members.setdefault(rows[row][by], []).append(row)
    if order:
        for series, steps in list(members.items()):
            if fault := _sort(rows, steps, by, order):
                leave_out(faults, fault, skip)
                del members[series]
    check_left(members, faults)
    values: dict[str, list[Any]] = {name: [] for name in rows.columns}
    for steps in members.values():
        examples = [rows[row] for row in steps]
        for name, column in values.items():
            column.append([example[name] for example in examples])
    values[by] = list(members)
    parts = list(members.values())
    return Grouped(values, Path(), None, rows.folder, faults, rows=rows, members=parts)


def _sort(rows: Rows, steps: list[int], by: str, order: str) -> str:
    """Sort the rows of a series by a column; return what is wrong with it, or an empty text."""
    times = {}
    for row in steps:
        try:
            times[row] = as_number(rows[row][order])
        except ValueError as error:
            return f"{rows.place(row)}: column {order} {error}, as it orders the steps"
    steps.sort(key=times.__getitem__)
    for row, after in itertools.pairwise(steps):
        if times[row] == times[after]:
            twice = f"the {by}={rows[row][by]} has another row with {order}={rows[row][order]}"
            return f"{rows.place(after)}: {twice}; must have one"
    return ""
