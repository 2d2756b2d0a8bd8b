"""The input and the target of each row, read of its columns; a row that cannot be used is told, or skipped."""

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from research.data.audio import concatenation
from research.data.fields import FieldOptions, InputOptions, TargetOptions
from research.data.fields.audio import AudioInput, Joined
from research.data.fields.field_options import StepError
from research.data.fields.text import TextTarget
from research.data.tables.table import Rows, check_columns
from research.errors import UserError, program
from research.terminal import STDERR

FAULTS = (UserError, ValueError)
"""What is raised for a row that cannot be used."""


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
        if group := self.input.group_column:
            check_columns(rows, source, {"task.input.speaker_column": group})
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
    joined: Sequence[tuple[list[int], np.ndarray]] = ()
    """Further pairs, of recordings that are joined, as `concatenation.draw` returns them."""

    @classmethod
    def of(cls, rows: Rows, fields: Fields, columns: tuple[list[str], list[str]], source: str) -> "Values":
        """Return the pairs of rows; those in memory are all read.

        Raises:
            UserError: if the rows do not have the columns, or one of them cannot be used.
        """
        for name, part in zip((fields.input, fields.target), columns, strict=True):
            for column in part:
                check_columns(rows, source, {f"{name.section}.column": column})
        values = cls(rows, fields, columns)
        if not rows.in_memory:
            return values
        pairs, places = [], []
        for row in range(len(rows)):
            with values.refusing(row):
                pair = values._read(row)
                if fields.input.wanted(pair[0]):
                    pairs.append(pair)
                    places.append(row)
        return cls(rows, fields, values.columns, pairs, places, values.skipped)

    def __len__(self) -> int:
        return self.size + len(self.joined)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        if number < self.size:
            return self._read(number) if self.pairs is None else self.pairs[number]
        assert isinstance(self.fields.target, TextTarget)
        members, cuts = self.joined[number - self.size]
        values, targets = zip(*(self[member] for member in members), strict=True)
        return Joined(values, cuts), self.fields.target.join(targets)

    @property
    def size(self) -> int:
        """Number of pairs that are not joined."""
        return len(self.rows) if self.pairs is None else len(self.pairs)

    def with_joined(self, count: int, rows: int) -> "Values":
        """Return these pairs and `count` more, each of two or three of those of the first `rows` rows, joined."""
        assert isinstance(self.fields.input, AudioInput)
        seconds: dict[int, float] = {}
        for number in range(self.size):
            with self.refusing(number):
                if self.place(number) < rows:
                    seconds[number] = self.fields.input.seconds(self[number][0])
        drawn = concatenation.draw(list(seconds.values()), count) if seconds else []
        numbers = list(seconds)
        return replace(self, joined=[([numbers[part] for part in parts], cuts) for parts, cuts in drawn])

    @functools.cached_property
    def survey(self) -> Sequence[Sequence[Any]]:
        """Steps of the input and the target of each pair, without loading the input; () of one that cannot be used."""
        results: list[Sequence[Any]] = [()] * len(self)
        for number in range(len(self)):
            with self.refusing(number):
                value, target = self[number]
                results[number] = (self.fields.input.steps(value), target)
        return results

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without the survey: processes that read examples need none."""
        return {name: value for name, value in vars(self).items() if name != "survey"}

    def group(self, number: int) -> tuple[Any, ...]:
        """Return what is fitted to all that is normalized together with a pair; () where nothing is."""
        return (self._groups[self._group_of(number)],) if self.fields.input.group_column else ()

    def _group_of(self, number: int) -> str:
        return str(self.rows[self.place(number)][self.fields.input.group_column])

    @functools.cached_property
    def _groups(self) -> dict[str, Any]:
        members: dict[str, list[int]] = {}
        for number in range(self.size):
            members.setdefault(self._group_of(number), []).append(number)
        groups = {}
        for name, numbers in members.items():
            loaded = self.load(numbers)
            if first := next(loaded, None):
                groups[name] = self.fields.input.fit_group(value for _, value, _ in itertools.chain([first], loaded))
        return groups

    def targets(self, numbers: Sequence[int]) -> dict[int, Any]:
        """Return the targets of some pairs by number, without those that cannot be used."""
        if self.fields.input.per_file:
            return {number: self.survey[number][1] for number in numbers if self.survey[number]}
        targets = {}
        for number in numbers:
            with self.refusing(number):
                targets[number] = self[number][1]
        return targets

    def load(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any, Any]]:
        """Yield number, loaded input and target of some pairs, without those that cannot be used."""

        def load(number: int) -> tuple[Any, Any] | Exception | None:
            try:
                value, target = self[number]
                return (self.fields.input.load(value), target) if self.fields.input.wanted(value) else None
            except FAULTS as error:
                return error

        threads = min(len(numbers), os.cpu_count() or 1) if numbers and self.fields.input.per_file else 1
        with ThreadPoolExecutor(threads) as pool:
            results = pool.map(load, numbers) if threads > 1 else map(load, numbers)
            for number, result in zip(numbers, results, strict=True):
                if isinstance(result, Exception):
                    self.refuse(self.place(number), result)
                elif result:
                    yield number, *result

    def place(self, number: int) -> int:
        """Return the row of a pair; of a joined one, that of its first part."""
        number = number if number < self.size else self.joined[number - self.size][0][0]
        return self.places[number] if self.places else number

    @contextlib.contextmanager
    def refusing(self, number: int) -> Iterator[None]:
        """Refuse a pair if it is found, in what follows, that it cannot be used."""
        try:
            yield
        except FAULTS as error:
            self.refuse(self.place(number), error)

    def refuse(self, row: int, error: Exception) -> None:
        """Remember that a row is skipped, and what is wrong with it.

        Raises:
            UserError: with the place of the row, if rows are not skipped.
        """
        line = f"{self.rows.place(row, getattr(error, 'step', 0))}: {error}"
        if not self.fields.skip:
            raise UserError(f"{line}; --task.on_error=skip leaves such rows out") from error
        if line not in self.skipped:
            self.skipped.append(line)

    def note(self) -> str:
        """Say which rows were skipped since the last time, and return what was said."""
        if not self.skipped:
            return ""
        first, more = self.skipped[0], len(self.skipped) - 1
        self.skipped.clear()
        rest = f" (and {more} more: `{program()} data check` names them)" if more else ""
        return say(f"note: skipped: {first}{rest}")

    def _read(self, row: int) -> tuple[Any, Any]:
        example = self.rows[row]
        pair = []
        for options, columns in zip((self.fields.input, self.fields.target), self.columns, strict=True):
            try:
                pair.append(options.read(example, columns, self.rows.folder_of(row)))
            except ValueError as error:
                name = getattr(error, "column", "") or ", ".join(columns)
                raise StepError(f"column {name} {error}", getattr(error, "step", 0)) from error
        return pair[0], pair[1]


def say(line: str) -> str:
    """Print a line, unless it is empty, and return it."""
    if line:
        STDERR.print(line, markup=False, highlight=False, soft_wrap=True)
    return line


def columns_of(options: FieldOptions, rows: Rows, source: str, taken: Sequence[str]) -> list[str]:
    """Return the columns of a field, which are none of those that are taken."""
    if options.column in rows.columns:  # whose name may have a comma
        return [options.column]
    if len(options.columns) > 1 and not options.several:
        raise UserError(f"{options.section}.column={options.column}: must be one column, as {options.name} reads one")
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
