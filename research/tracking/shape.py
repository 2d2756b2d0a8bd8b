"""What the files of a run directory may hold: seen to once, where they are read, so that no reader meets anything else.

Each function returns what is wrong, in words that follow the name of the file, or None.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

PROFILES = ("h", "c")
TABLES = {"by_length": ("length", "count"), "by_position": ("position", "count", "references")}
"""The tables of `result.json`: what their rows are, and what they count."""
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
    """Of `result.json`: a status, a summary of numbers, signatures, columns of one length in each table, if any."""
    summary = result.get("summary")
    if not isinstance(result.get("status"), str) or not isinstance(summary, dict):
        return "must hold a status and a summary"
    faults = [f"summary: {key}: must be a number" for key, value in summary.items() if not is_number(value)]
    signatures = result.get("signatures") or {}
    if not (isinstance(signatures, dict) and all(isinstance(value, str) for value in signatures.values())):
        return "signatures: must hold words"
    tables = (_table_faults(name, result[name]) for name in TABLES if result.get(name) is not None)
    return next(chain(faults, *tables), None)


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


def _table_faults(name: str, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{name}: must hold columns"
        return
    place = TABLES[name][0]
    for key in (*TABLES[name], "free_running", *table) if table else ():
        column = table.get(key)
        if not isinstance(column, list) or not all(map(is_number, column)):
            yield f"{name}: {key}: must be a list of numbers"
        elif len(column) != len(table[place]):
            yield f"{name}: {key}: has {len(column)} numbers; must have {len(table[place])}, as {place}"
        elif not key.endswith("loss") and not all(_sound(value, key in TABLES[name]) for value in column):
            yield f"{name}: {key}: must be finite"


def _sound(value: float, counted: bool) -> bool:
    """Whether it is finite; a rate of what is counted nowhere is nan."""
    return math.isfinite(value) or (not counted and math.isnan(value))
