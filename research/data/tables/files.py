"""Files of rows: tab- or comma-separated values, JSON lines, and NumPy's .npz; each may end in .gz as well."""

import contextlib
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from research.data.tables.table import Table, check_left, leave_out
from research.errors import UserError, first_line

DELIMITERS = {".tsv": "\t", ".csv": ","}
LENGTHS = "lengths"
"""Array of a .npz file that has the number of valid steps of each row."""


@dataclass(frozen=True)
class Format:
    """How separated values are written, as the options of `Reading` say it."""

    delimiter: str = ""
    quoting: Literal["auto", "none", "double"] = "auto"
    header: bool = True
    skip: bool = False
    """Whether damaged rows are left out and listed; else the first of them is an error."""


def suffix(path: Path) -> str:
    """Return the suffix that says how a file is written: that before .gz."""
    names = path.name.lower().removesuffix(".gz")
    return next((ending for ending in READERS if names.endswith(ending)), "")


def read_file(path: Path, written: Format) -> Table:
    """Return the rows of a file.

    Raises:
        UserError: if it cannot be read, is empty, or a row is damaged; the message names file and line.
    """
    kind = suffix(path)
    if not kind:
        raise UserError(f"{path}: must end in one of {', '.join(READERS)}, or in one of these and .gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or first_line(error)}") from error
    return READERS[kind](path, content, written)


def decode(content: bytes) -> str:
    """Return UTF-8 text, without a byte order mark; `text_fault` finds what is not UTF-8."""
    return content.decode("utf-8-sig", "surrogateescape")


def _text(path: Path, content: bytes) -> str:
    text = decode(content)
    if not text.strip():
        raise UserError(f"{path}: is empty; must have rows")
    return text


def text_fault(text: str) -> str:
    """Return what is wrong with the characters of a text; empty: nothing."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is not UTF-8 text; must be"
    return "has a NUL character; must have none" if "\0" in text else ""


def _read_separated(path: Path, content: bytes, written: Format) -> Table:
    text, kind, quoting = _text(path, content), suffix(path), written.quoting
    if quoting == "auto":
        quoting = "none" if kind == ".tsv" else "double"
    csv.field_size_limit(sys.maxsize)
    options: Any = {"quoting": csv.QUOTE_NONE} if quoting == "none" else {"strict": True}
    damaged = bool(text_fault(text))
    rows, lines, faults = [], [], []
    for line, row, fault in _split(text, delimiter=written.delimiter or DELIMITERS[kind], **options):
        fault = fault or (damaged and text_fault("".join(row)))
        if not fault and rows and len(row) not in (0, len(rows[0])):
            fault = f"has {len(row)} value{'s' * (len(row) != 1)}; must have {len(rows[0])}, as the first row has"
        if fault and written.header and not rows:  # without the names of the columns there is nothing
            raise UserError(f"{path}:{line}: {fault}")
        if fault:
            leave_out(faults, f"{path}:{line}: {fault}", written.skip)
        elif row:  # an empty line is no row
            rows.append(row)
            lines.append(line)
    first = int(written.header)
    check_left(rows[first:], faults)
    names = rows[0] if written.header else [str(number + 1) for number in range(len(rows[0]))]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}:1: two columns are called {repeated[0]!r}; names must differ (or --task.header=false)")
    if len(rows) == first:
        raise UserError(f"{path}: has a header and no rows; --task.header=false if the first row is none")
    columns = zip(*rows[first:], strict=True)
    return Table(dict(zip(names, columns, strict=True)), path, lines[first:], path.parent, faults)


def _split(text: str, **options: Any) -> Iterator[tuple[int, list[str], str]]:
    """Yield the first line of each row, its values, and what is wrong with it; behind a damaged row it goes on."""
    lines, line = io.StringIO(text, newline=""), 1
    reader = csv.reader(lines, **options)
    while True:
        start, before = lines.tell(), reader.line_num
        row, fault = [], ""
        try:
            row = next(reader, None)
        except csv.Error as error:
            last = line + reader.line_num - before - 1
            fault = str(error) if line == last else f"{error} in line {last}"
            if unclosed := "unexpected end" in fault:
                fault = "a quoted value of this row has no closing quote"
            fault = f"{fault}; --task.quoting=none if quotes are plain text"
            if unclosed:  # all that follows was taken for the quoted value
                lines.seek(start)
                lines.readline()
                reader, before = csv.reader(lines, **options), -1
        if row is None:
            return
        yield line, row, fault
        line += reader.line_num - before


def _read_json_lines(path: Path, content: bytes, written: Format) -> Table:
    rows, lines, faults = [], [], []
    for line, text in enumerate(_text(path, content).split("\n"), start=1):
        if not text.strip():
            continue
        row: Any = None
        fault = ""
        with contextlib.suppress(RecursionError):
            try:
                row = json.loads(text)
                fault = text_fault(json.dumps(row, ensure_ascii=False) if "\\u" in text else text)
            except ValueError as error:
                fault = f"is no JSON ({first_line(error)}); must be an object a line"
        if isinstance(row, dict) and not fault:
            rows.append(row)
            lines.append(line)
        else:
            leave_out(faults, f"{path}:{line}: {fault or 'is no JSON object; must be one a line'}", written.skip)
    check_left(rows, faults)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table({name: [row.get(name) for row in rows] for name in names}, path, lines, path.parent, faults)


def _read_npz(path: Path, content: bytes, written: Format) -> Table:
    """Return the rows of arrays, which have no `written` format."""
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
    if not arrays or lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        shape = f"{lengths.dtype} of the shape {list(lengths.shape)}"
        raise UserError(f"{path}: {LENGTHS} is {shape}; must be a whole number for each row of the other arrays")
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


READERS: dict[str, Callable[[Path, bytes, Format], Table]] = {
    **dict.fromkeys(DELIMITERS, _read_separated),
    ".jsonl": _read_json_lines,
    ".npz": _read_npz,
}
"""What reads the content of a file, by its suffix."""
