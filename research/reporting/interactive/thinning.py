"""Numbers of JSON: few of them, and short."""

import math
from typing import Any

import numpy as np


def number(value: Any, decimals: int | None = None) -> float | str | None:
    """Return a number of JSON, rounded to decimals or else to 4 digits; "inf", "-inf", or None if there is none."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.4g}") if decimals is None else round(float(value), decimals)


def spread(length: int, most: int) -> list[int]:
    """Return at most `most` evenly spaced indices of 0 .. length - 1, including both ends."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int)).tolist()
