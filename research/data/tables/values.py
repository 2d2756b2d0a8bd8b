"""The input and the target of each row, read of its columns; a row that cannot be used is told, or skipped."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from research.data.fields import FieldOptions, InputOptions, TargetOptions
from research.data.tables.table import Rows, check_columns
from research.errors import UserError
from research.terminal import STDERR


@dataclass(frozen=True)
class Fields:
    """Which columns are the input and the target, and what happens to rows that cannot be used."""

    input: InputOptions
    target: TargetOptions
    skip: bool
    """Whether they are skipped; else the first of them is an error."""

    def columns(self, rows: Rows, source: str) -> tuple[list[str], list[str]]:
        """Return the columns of the input and of the target.

        Raises:
            UserError: if the rows do not have those that the options name.
        """
        inputs = columns_of(self.input, rows, source, [])
        return inputs, columns_of(self.target, rows, source, inputs)


@dataclass(frozen=True)
class Values:
    """Pairs of an input and a target."""

    rows: Rows
    fields: Fields
    columns: tuple[list[str], list[str]]
    pairs: Sequence[tuple[Any, Any]] | None = None
    """Pairs that were read; None: each is read when it is needed."""
    places: Sequence[int] = ()
    """Row of each pair."""
    skipped: list[str] = field(default_factory=list)
    """A line for each row that cannot be used."""

    @classmethod
    def of(cls, rows: Rows, fields: Fields, source: str) -> "Values":
        """Return the pairs of rows; those in memory are all read."""
        values = cls(rows, fields, fields.columns(rows, source))
        if not rows.in_memory:
            return values
        pairs, places = [], []
        for row in range(len(rows)):
            with values.guarded(row):
                pair = values._read(row)
                if fields.input.wanted(pair[0]):
                    pairs.append(pair)
                    places.append(row)
        return cls(rows, fields, values.columns, pairs, places, values.skipped)

    def __len__(self) -> int:
        return len(self.rows) if self.pairs is None else len(self.pairs)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return self._read(number) if self.pairs is None else self.pairs[number]

    def targets(self, numbers: Sequence[int]) -> dict[int, Any]:
        """Return the targets of some pairs by number, without those that cannot be used."""
        targets = {}
        for number in numbers:
            with self.guarded(self.place(number)):
                targets[number] = self[number][1]
        return targets

    def load(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any, Any]]:
        """Yield number, loaded input and target of some pairs, without those that cannot be used."""

        def load(number: int) -> tuple[Any, Any] | Exception | None:
            try:
                value, target = self[number]
                return (self.fields.input.load(value), target) if self.fields.input.wanted(value) else None
            except (UserError, ValueError) as error:
                return error

        threads = min(len(numbers), os.cpu_count() or 1) if self.fields.input.per_file else 1
        with ThreadPoolExecutor(threads) as pool:
            results = pool.map(load, numbers) if threads > 1 else map(load, numbers)
            for number, result in zip(numbers, results, strict=True):
                with self.guarded(self.place(number)):
                    if isinstance(result, Exception):
                        raise result
                    if result:
                        yield number, *result

    def place(self, number: int) -> int:
        """Return the row of a pair."""
        return self.places[number] if self.places else number

    @contextlib.contextmanager
    def guarded(self, row: int) -> Iterator[None]:
        """Turn what is wrong with a row into an error that names the row, or remember that it is skipped."""
        try:
            yield
        except (UserError, ValueError) as error:
            line = f"{self.rows.place(row)}: {error}"
            if not self.fields.skip:
                raise UserError(f"{line}; on_error=skip leaves such rows out") from error
            self.skipped.append(line)

    def note(self) -> None:
        """Say which rows were skipped since the last time."""
        if self.skipped:
            first, more = self.skipped[0], len(self.skipped) - 1
            rest = f" (and {more} more: `research data check` names them)" if more else ""
            STDERR.print(f"note: skipped: {first}{rest}", markup=False, highlight=False, soft_wrap=True)
            self.skipped.clear()

    def _read(self, row: int) -> tuple[Any, Any]:
        example = self.rows[row]
        pair = []
        for options, columns in zip((self.fields.input, self.fields.target), self.columns, strict=True):
            try:
                pair.append(options.read(example, columns, self.rows.folder))
            except ValueError as error:
                raise ValueError(f"column {', '.join(columns)} {error}") from error
        return pair[0], pair[1]


def columns_of(options: FieldOptions, rows: Rows, source: str, taken: Sequence[str]) -> list[str]:
    """Return the columns of a field, which are none of those that are taken."""
    if options.columns:
        for name in options.columns:
            check_columns(rows, source, {f"{options.section}.column": name})
        return options.columns
    free = [name for name in rows.columns if name not in taken]
    if usual := [name for name in options.usual if name in free]:
        return usual[:1]
    if not free:
        hint = "task.delimiter says which character is between two values"
        raise UserError(f"{options.section}.column: {source} has only the column {', '.join(rows.columns)}; {hint}")
    return free[:1]
