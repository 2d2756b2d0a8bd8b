"""Files of rows: tab- or comma-separated values, JSON lines, and NumPy's .npz; each may end in .gz as well."""

import contextlib
import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from research.data.tables.table import Table
from research.errors import UserError, first_line

SUFFIXES = (".tsv", ".csv", ".jsonl", ".npz")
DELIMITERS = {".tsv": "\t", ".csv": ","}
LENGTHS = "lengths"
"""Array of a .npz file that has the number of valid steps of each row."""


@dataclass(frozen=True)
class Format:
    """How separated values are written."""

    delimiter: str = ""
    """Character between two values; empty: a tab in .tsv, a comma in .csv."""
    quoting: Literal["auto", "none", "double"] = "auto"
    """double: a value may stand in double quotes; none: a quote is a character like any other; auto: none in .tsv."""
    header: bool = True
    """Whether the first row names the columns; otherwise they are 1, 2, …"""
    skip: bool = False
    """Whether damaged rows are left out and listed; else the first of them is an error."""


DEFAULT_FORMAT = Format()


def suffix(path: Path) -> str:
    """Return the suffix that says how a file is written: that before .gz."""
    names = path.name.lower().removesuffix(".gz")
    return next((ending for ending in SUFFIXES if names.endswith(ending)), "")


def read_file(path: Path, written: Format = DEFAULT_FORMAT) -> Table:
    """Return the rows of a file.

    Raises:
        UserError: if it cannot be read, is empty, or a row is damaged; the message names file and line.
    """
    kind = suffix(path)
    if not kind:
        raise UserError(f"{path}: must end in one of {', '.join(SUFFIXES)}, or in one of these and .gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or first_line(error)}") from error
    if not content.strip():
        raise UserError(f"{path}: is empty; must have rows")
    if kind == ".npz":
        return _read_npz(path, content)
    text = _decode(path, content)
    return _read_json_lines(path, text, written) if kind == ".jsonl" else _read_separated(path, text, kind, written)


def _decode(path: Path, content: bytes) -> str:
    """Return UTF-8 text, without a byte order mark."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is not UTF-8 text; must be") from error
    if (place := text.find("\0")) >= 0:
        raise UserError(f"{path}:{text.count(chr(10), 0, place) + 1}: has a NUL character; must have none")
    return text


def _read_separated(path: Path, text: str, kind: str, written: Format) -> Table:
    quoting = written.quoting
    if quoting == "auto":
        quoting = "none" if kind == ".tsv" else "double"
    csv.field_size_limit(sys.maxsize)
    options: Any = {"quoting": csv.QUOTE_NONE} if quoting == "none" else {"strict": True}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=written.delimiter or DELIMITERS[kind], **options)
    rows, lines = [], []
    for line, row in _guarded(path, reader):
        if row:  # an empty line is no row
            rows.append(row)
            lines.append(line)
    names = rows[0] if written.header else [str(number + 1) for number in range(len(rows[0]))]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}:1: two columns are called {repeated[0]!r}; names must differ (or --task.header=false)")
    faults = [
        f"{path}:{line}: has {len(row)} values; must have {len(names)}, as the first row has"
        for row, line in zip(rows, lines, strict=True)
        if len(row) != len(names)
    ]
    if faults and not written.skip:
        raise UserError(f"{faults[0]}; on_error=skip leaves such rows out")
    if faults:
        lines = [line for row, line in zip(rows, lines, strict=True) if len(row) == len(names)]
        rows = [row for row in rows if len(row) == len(names)]
    first = int(written.header)
    if len(rows) == first:
        raise UserError(f"{path}: has a header and no rows; --task.header=false if the first row is none")
    columns = zip(*rows[first:], strict=True)
    return Table(dict(zip(names, columns, strict=True)), path, lines[first:], path.parent, faults)


def _guarded(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows, each with its first line; a damaged one is an error of one line."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            fault = str(error) if line == reader.line_num else f"{error} in line {reader.line_num}"
            if "unexpected end" in str(error):
                fault = "a quoted value of this row has no closing quote"
            raise UserError(f"{path}:{line}: {fault}; --task.quoting=none if quotes are plain text") from error
        if row is None:
            return
        yield line, row


def _read_json_lines(path: Path, text: str, written: Format) -> Table:
    rows, lines, faults = [], [], []
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        row: Any = None
        fault = "is no JSON object; must be one a line"
        with contextlib.suppress(RecursionError):
            try:
                row = json.loads(content)
            except ValueError as error:
                fault = f"is no JSON ({first_line(error)}); must be an object a line"
        if isinstance(row, dict):
            rows.append(row)
            lines.append(line)
        elif written.skip:
            faults.append(f"{path}:{line}: {fault}")
        else:
            raise UserError(f"{path}:{line}: {fault}; on_error=skip leaves such rows out")
    if not rows:
        raise UserError(f"{faults[0]}; no row is left")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table({name: [row.get(name) for row in rows] for name in names}, path, lines, path.parent, faults)


def _read_npz(path: Path, content: bytes) -> Table:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # what NumPy and zipfile raise for damaged files has no common type
        raise UserError(f"{path}: is no .npz file of arrays ({first_line(error)})") from error
    sizes = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(sizes.values())) != 1 or not all(sizes.values()):
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise UserError(f"{path}: its arrays have these numbers of rows: {listed}; must be equal, and not 0")
    lengths = arrays.pop(LENGTHS, None)
    if lengths is None:
        return Table({name: list(array) for name, array in arrays.items()}, path, None, path.parent)
    deepest = max(array.ndim for array in arrays.values())
    steps = max((array.shape[1] for array in arrays.values() if array.ndim == deepest > 1), default=0)
    for row, length in enumerate(lengths.tolist()):
        if not 0 < length <= steps:
            raise UserError(f"{path}: row {row + 1}: {LENGTHS} is {length}; must be from 1 to {steps}")
    columns = {
        name: [
            row[:length] if array.shape[1:2] == (steps,) else row for row, length in zip(array, lengths, strict=True)
        ]
        for name, array in arrays.items()
    }
    return Table(columns, path, None, path.parent)
