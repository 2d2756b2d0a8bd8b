"""Rows of a data set by split, as pairs of an input and a target: what `task.name=dataset` reads.

The source says what its splits are, or they are made by a hash of a column (`research/data/tables/splits.py`). A row
that cannot be used stops the program with one line, or is skipped and counted (`task.on_error`).
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from research.data.fields import InputOptions, TargetOptions
from research.data.fields.audio import AudioInput
from research.data.fields.field_options import scalar
from research.data.fields.series import SeriesInput
from research.data.fields.text import TextInput, TextTarget
from research.data.tables.files import Format
from research.data.tables.source import read_source
from research.data.tables.splits import split_rows
from research.data.tables.table import Rows, Selection, check_columns, group
from research.data.tables.values import Fields, Values, columns_of
from research.data.text import normalize
from research.errors import UserError
from research.options import require, require_between

EVALUATED = ("validation", "test")


@dataclass(frozen=True)
class Reading:
    """Which rows are read, and how they are split."""

    source: str = ""
    """A file (.tsv, .csv, .jsonl, .npz, also .gz), a folder, tfds:NAME[/CONFIG], or a corpus of `data list`."""
    train: str = ""
    """File of the training split within the source, or TFDS's name of it; empty: found by its name."""
    validation: str = ""
    """The same of the validation split."""
    test: str = ""
    """The same of the test split."""
    split_by: str = ""
    """Column whose hash decides the split of a row if the source has no splits, such as speaker; empty: the input."""
    delimiter: str = ""
    """Character between two values of a row; empty: a tab in .tsv, a comma in .csv."""
    quoting: Literal["auto", "none", "double"] = "auto"
    """Whether values may stand in double quotes; auto: in .csv, not in .tsv."""
    header: bool = True
    """Whether the first row names the columns; otherwise their names are 1, 2, ..."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a row that cannot be used does: stop with an error, or be skipped and counted."""
    extra_train: str = ""
    """Another source with the same columns, whose training examples train as well; NAME:COUNT: the first COUNT."""
    joined: int = 0
    """How many training examples to add: each puts two or three recordings, and their texts, one after the other."""
    max_input_length: int = 0
    """Training examples with a longer input are left out; 0: none."""
    max_target_length: int = 0
    """Training examples with a longer target are left out; 0: none."""
    input: InputOptions = field(default_factory=TextInput)
    target: TargetOptions = field(default_factory=TextTarget)

    def __post_init__(self) -> None:
        bounds = dict.fromkeys(("max_input_length", "max_target_length"), (0, 2**31))
        require_between(self, "task", **bounds, joined=(0, 1_000_000))
        speech = isinstance(self.input, AudioInput) and isinstance(self.target, TextTarget)
        allowed = "0 unless audio is the input and text the target"
        require(speech or not self.joined, "task.joined", self.joined, allowed)
        require(len(self.delimiter) <= 1, "task.delimiter", repr(self.delimiter), "one character")

    @functools.cached_property
    def tables(self) -> Mapping[str, Rows]:
        """Rows of all splits."""
        tables = self.read()
        self.faults.extend(fault for rows in tables.values() for fault in rows.faults)
        first = tables["train"] if "train" in tables else next(iter(tables.values()))
        by = self.split_column(first)
        check_columns(first, self.source, {"task.split_by": by})
        made = [split for split in EVALUATED if split not in tables]
        require(bool(made or not self.split_by), "task.split_by", self.split_by, "empty, as the source has all splits")
        splits = split_rows(tables, lambda row: self.split_key(row, by), self.source)
        if made:
            unit = "series" if isinstance(self.input, SeriesInput) and self.input.id else "rows"
            sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in splits.items())
            self.notes.append(f"note: {self.source}: {' and '.join(made)} by a hash of {by}: {sizes} {unit}")
        return splits

    @functools.cached_property
    def notes(self) -> list[str]:
        """Lines to be told of what was read."""
        return []

    @functools.cached_property
    def faults(self) -> list[str]:
        """A line for each damaged row of the files."""
        return []

    def split_column(self, rows: Rows) -> str:
        """Return the column whose hash decides the split of a row."""
        identity = self.input.id if isinstance(self.input, SeriesInput) else ""
        return self.split_by or identity or self.fields.columns(rows, self.source)[0][0]

    def split_key(self, row: Mapping[str, Any], column: str) -> str:
        """Return what decides the split of a row: texts that are one for the model have one key.

        Raises:
            ValueError: if the row is a series whose steps differ in the column.
        """
        grouped = isinstance(self.input, SeriesInput) and self.input.id
        value = scalar(row[column]) if grouped else row[column]
        if isinstance(value, np.ndarray):
            value = np.ascontiguousarray(value).tobytes()
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest()
        text = str(value)
        if isinstance(self.input, TextInput) and column != self.split_by:
            return normalize(text.lower() if self.input.lowercase else text, self.input.unicode)
        return normalize(text)

    def input_columns(self, rows: Rows, source: str) -> list[str]:
        """Return the columns of the input, where the target may be missing."""
        return columns_of(self.input, rows, source, [])

    @property
    def names(self) -> Mapping[str, str]:
        """File or name of each split; empty: found by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def read(self) -> Mapping[str, Rows]:
        """Return the rows by split, under "" where the source has none; a series in a row."""
        tables = read_source(
            self.source, self.names, Format(self.delimiter, self.quoting, self.header, self.on_error == "skip")
        )
        if isinstance(self.input, SeriesInput) and (by := self.input.id):
            order = {"task.input.time": self.input.time} if self.input.time else {}
            for rows in tables.values():
                check_columns(rows, self.source, {"task.input.id": by, **order})
            grouped = {split: group(rows, by, self.input.time, self.fields.skip) for split, rows in tables.items()}
            tables = grouped
        if isinstance(self.input, TextInput) and (tags := self.input.tags_column):
            check_columns(next(iter(tables.values())), self.source, {"task.input.tags_column": tags})
        return tables

    @functools.cached_property
    def splits(self) -> Mapping[str, Values]:
        """Usable pairs of each split."""
        tables = dict(self.tables)
        if self.extra_train:
            parts = (tables["train"], self._extra())
            tables["train"] = Selection(parts, np.arange(sum(map(len, parts))))
        columns = self.fields.columns(tables["train" if "train" in tables else next(iter(tables))], self.source)
        splits = {split: Values.of(rows, self.fields, columns, self.source) for split, rows in tables.items()}
        if self.joined:
            splits["train"] = splits["train"].with_joined(self.joined, len(self.tables["train"]))
        next(iter(splits.values())).skipped.extend(self.faults)
        return splits

    @property
    def extra_source(self) -> tuple[str, str]:
        """Source and number of rows of `task.extra_train`; "" for all rows."""
        name, _, count = self.extra_train.rpartition(":")
        return (name, count) if name and count.isdecimal() else (self.extra_train, "")

    def _extra(self) -> Rows:
        """Return the rows of `task.extra_train`."""
        name, count = self.extra_source
        tables = replace(self, source=name, train="", validation="", test="").read()
        rows = tables.get("train", tables.get(""))
        if rows is None or len(rows) < int(count or 1):
            raise UserError(f"task.extra_train={self.extra_train}: {name} has {len(rows or ())} training rows")
        self.faults.extend(rows.faults)
        group, columns = self.input.group_column, self.fields.columns(self.tables["train"], self.source)
        for column in (*columns[0], *columns[1], *([group] if group else [])):
            check_columns(rows, name, {"task.extra_train": column})
        rows = Selection((rows,), np.arange(int(count or len(rows))))
        if not rows.in_memory:
            return rows
        key, column = self.split_key, columns[0][0]
        held = {key(self.tables[split][row], column) for split in EVALUATED for row in range(len(self.tables[split]))}
        kept = [row for row in range(len(rows)) if key(rows[row], column) not in held]
        if len(kept) < len(rows):
            inputs = f"{len(rows) - len(kept)} rows of {name} are left out"
            self.notes.append(f"note: {inputs}: their inputs are in validation or test")
        return Selection((rows,), np.array(kept, int))

    @functools.cached_property
    def fields(self) -> Fields:
        """The two fields."""
        return Fields(self.input, self.target, self.on_error == "skip")
