"""What the files of a run directory may hold: seen to once, where they are read, so that no reader meets anything else.

Each function returns what is wrong, in words that follow the name of the file, or None.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

PROFILES = ("h", "c")
LARGEST_STEP = 2**53  # beyond it floats, and so the axes of figures, cannot hold a step


def is_number(value: Any) -> bool:
    """Whether it is an int or float that a float can hold; inf and nan are numbers, true and false are not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() <= 1023
    return isinstance(value, float)


def is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST_STEP


def options_fault(options: Mapping[str, Any]) -> str | None:
    """Of `config.json`: every option is a word, a number, or true or false."""
    wrong = (key for key, value in options.items() if not (isinstance(value, str | bool) or is_number(value)))
    return next((f"{key}: must be a word, a number, true or false" for key in wrong), None)


def result_fault(result: Mapping[str, Any]) -> str | None:
    """Of `result.json`: a status, a summary of numbers, and columns of one length in a `by_length`, if any."""
    summary, by_length = result.get("summary"), result.get("by_length")
    if not isinstance(result.get("status"), str) or not isinstance(summary, dict):
        return "must hold a status and a summary"
    faults = (f"summary: {key}: must be a number" for key, value in summary.items() if not is_number(value))
    return next(chain(faults, _by_length_faults(by_length) if by_length is not None else ()), None)


def metrics_fault(record: Mapping[str, Any]) -> str | None:
    """Of a record of `metrics.jsonl`: nothing but numbers."""
    return next((f"{key}: must be a number" for key, value in record.items() if not is_number(value)), None)


def gradient_flow_fault(record: Mapping[str, Any], first: Mapping[str, Any]) -> str | None:
    """Of a record of `gradient_flow.jsonl`: profiles, "h" at least, as long as in the first record of the file."""
    if "h" not in record:
        return "h: must be given"
    for key, value in record.items():
        if key not in PROFILES and is_number(value):
            continue
        if not (isinstance(value, list) and value and all(map(is_number, value))):
            return f"{key}: must be a list of at least one number"
        if len(value) != len(first["h"]):
            return f"{key}: has {len(value)} numbers; must have {len(first['h'])}, as h of the first record"
    return None


def _by_length_faults(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "by_length: must hold columns"
        return
    for key in ("length", "count", "free_running", *table) if table else ():
        column = table.get(key)
        if not isinstance(column, list) or not all(map(is_number, column)):
            yield f"by_length: {key}: must be a list of numbers"
        elif len(column) != len(table["length"]):
            yield f"by_length: {key}: has {len(column)} numbers; must have {len(table['length'])}, as length"
        elif not all(math.isfinite(value) for value, count in zip(column, _counts(table), strict=True) if count):
            yield f"by_length: {key}: must be finite"


def _counts(table: Mapping[str, Any]) -> list[Any]:
    """The column of counts; ones where it is not to be had, or is the one at fault."""
    count, rows = table.get("count"), len(table["length"])
    return count if isinstance(count, list) and len(count) == rows else [1] * rows
