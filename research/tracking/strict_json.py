"""Strict JSON files, replaced atomically. Floats that are not finite are the strings "inf", "-inf" and "nan".

In a file of records they are 1e999, -1e999 and null, which pandas reads as numbers, in lists too. After a crash, such a
file may end in an incomplete line. Readers skip it, and a resumed run removes it.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from research.errors import UserError, first_line, shorten

NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
NOT_DECODED = re.compile(rb'null|"(-?inf|nan)"')
"""What a record has if `json.loads` does not return its values: NaN, and what older versions wrote."""
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')
IN_RECORDS = {"Infinity": "1e999", "-Infinity": "-1e999", "NaN": "null"}
"""What Python's `json` writes, which is not JSON, and what stands for it in records."""
NAMES = {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}
"""What Python's `json` writes, which is not JSON, and what this module writes."""
ALL, FIRST, LAST = slice(None), slice(1), slice(-2, None)
"""Which lines of a file of records are read. LAST: two, as the last one may be incomplete."""
LARGEST_STEP = 2**53  # a float holds no larger step exactly


def is_number(value: Any) -> bool:
    """Return whether a value is a float or an int. Booleans are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def encode(value: Any, finite: bool = True) -> Any:
    """Return plain values for JSON, by default strict. Arrays and scalars of NumPy and JAX become lists and numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) or not finite else str(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item, finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item, finite) for item in value]
    return encode(value.tolist(), finite) if hasattr(value, "tolist") else value


def decode(value: Any, null: float | None = None) -> Any:
    """Return the value with "inf", "-inf" and "nan" as floats: the inverse of `encode`. `null` is the value of null."""
    if value is None:
        return null
    if isinstance(value, str):
        return NON_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: decode(item, null) for key, item in value.items()}
    return [decode(item, null) for item in value] if isinstance(value, list) else value


def write(path: Path, value: Mapping[str, Any], indent: int | None = 1) -> None:
    """Write an object to the file, atomically: after a crash it has the old or the new content."""
    text = json.dumps(encode(value), indent=indent, allow_nan=False)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read(path: Path, decoded: bool = False) -> dict[str, Any]:
    """Return the object in the file, `decoded` or unchanged; raise a UserError if there is none."""
    _require_file(path)
    try:
        value = _parse(path.read_bytes())
        value = decode(value) if decoded else value
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}:{getattr(error, 'lineno', 1)}: not JSON: {first_line(error)}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}:1: must be a JSON object")
    return value


def _require_file(path: Path) -> None:
    """Refuse a pipe or a device, whose reading may never end; a folder says so itself."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path}: must be a file")


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Append a record, an object with a `step`, as one line."""
    with path.open("a", encoding="utf-8") as file:
        text = json.dumps(encode(record, finite=False))
        file.write(TOKEN.sub(lambda token: IN_RECORDS.get(token[0], token[0]), text) + "\n")


def read_records(path: Path, key: str = "", chosen: slice = ALL) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the decoded record of each line; nothing if there is no file.

    With a `key`, only lines that have it are decoded, and of these only the `chosen` ones.

    Raises:
        UserError: if a decoded line is not a record, unless it is an incomplete last line.
    """
    _require_file(path)
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    name = json.dumps(key).encode() if key else b""
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if name in line]
    for number, line in numbered[chosen]:
        record = _record(line)
        if record is not None:
            yield number, record
        elif line.strip() and number < len(lines):
            raise UserError(f"{path}:{number}: not a record: {line[:40].decode(errors='replace')!r}")


def read_tail(path: Path, size: int) -> list[dict[str, Any]]:
    """Return the decoded records in the last `size` bytes of a file, without lines that are no record.

    Raises:
        UserError: if the file cannot be read, or if none of several lines is a record.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    records = [record for line in lines if (record := _record(line)) is not None]
    if not records and len(lines) > 1:
        raise UserError(f"{path}: its last lines are no records")
    return records


def _parse(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: if it is not strict JSON in UTF-8, or holds an integer beyond 64 bits or half a surrogate pair.
        RecursionError: if it is nested too deeply.
    """
    value = json.loads(text.decode(), parse_constant=_refuse, parse_int=_integer)
    if b"\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} must be written as a string, "{NAMES[constant]}"')


def _integer(digits: str) -> int:
    value = int(digits)
    if value.bit_length() > 63:
        raise ValueError(f"{shorten(digits)} is beyond 64 bits")
    return value


def _record(line: bytes) -> dict[str, Any] | None:
    """Return the decoded object of a line; None if it is not an object with a step."""
    try:
        value = _parse(line)
        value = decode(value, math.nan) if NOT_DECODED.search(line) else value
    except (ValueError, RecursionError):
        return None
    step = value.get("step") if isinstance(value, dict) else None
    return value if isinstance(step, int) and not isinstance(step, bool) and 0 <= step < LARGEST_STEP else None
