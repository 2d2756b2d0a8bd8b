"""One number over the seeds of a row: its center, its t-interval, and a count of what has no place in a mean.

Linear columns: arithmetic mean and half-width. Logarithmic columns: geometric mean and the interval as a factor. Zeros
(of a logarithmic column), infinities and NaN are neither dropped nor averaged: they are counted next to the mean.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
INTERVAL = f"{CONFIDENCE:.0%} t-interval"
DASH = "—"

Scale = Literal["linear", "log"]


def interval(values: Sequence[float] | np.ndarray, scale: Scale = "linear") -> tuple[float, float, float]:
    """Return mean, low and high end of the t-interval of finite (log: positive) values; nan where too few."""
    from scipy.special import stdtrit  # the quantile behind scipy.stats.t, at a fifth of the import time

    points = pd.Series(values, dtype=float)
    points = points.map(math.log) if scale == "log" else points
    mean, half = points.mean(), points.sem() * stdtrit(len(points) - 1, (1 + CONFIDENCE) / 2)
    if len(points) > 1 and points.nunique() == 1:
        mean, half = points.iloc[0], 0.0  # exactly: rounding would leave a spread of 1e-17
    bounds = [float(bound) for bound in (mean, mean - half, mean + half)]
    mean, low, high = (math.exp(min(bound, 709.0)) for bound in bounds) if scale == "log" else bounds
    return mean, low, high


def numbers(values: Sequence[float | None], scale: Scale = "linear") -> tuple[float, float, float, int]:
    """Return mean, low and high end of the interval, and the number of values in them, for a file.

    As in `text`, what has no place in a mean is left out; where nothing else is left, its mean stands alone: 0 or inf.
    """
    present = np.array([value for value in values if value is not None], np.float64)
    regular = _regular(present, scale)
    if len(regular) or not len(present):
        return *interval(regular, scale), len(regular)
    return float(np.mean(present)), math.nan, math.nan, len(present)


def text(values: Sequence[float | None], scale: Scale = "linear", unit: Literal["", "%"] = "") -> str:
    """Return the statistic of one value a trial, None where it has none, as it stands in a table.

    `0.974 ± 0.001`, `3.1e-7 ×/÷ 1.4`, `0 (4/4)`, `2.3e-30 (n=1); 0 (3/4)`, or a dash. A whole number above 100 that
    is the same for all seeds is a count: `491,562`.
    """
    present = np.array([value for value in values if value is not None], np.float64)
    regular = _regular(present, scale)
    zeros, negative = (present == 0, present < 0) if scale == "log" else (np.zeros(0), np.isnan(present))
    parts = []
    if len(regular):
        mean = _log_mean(regular) if scale == "log" else _mean(regular * (100 if unit == "%" else 1))
        alone = len(regular) == 1 or len(regular) == len(present) < len(values)
        parts.append(f"{mean} (n={len(regular)})" if alone else mean)
    for name, hits in {"0": zeros, "inf": np.isinf(present), "undefined": np.isnan(present) | negative}.items():
        parts += [f"{name} ({int(hits.sum())}/{len(values)})"] if hits.any() else []
    return "; ".join(parts) or DASH


def number(value: float) -> str:
    """Return three significant digits, with an exponent only where needed: `0.0123`, `233`, `3.1e-7`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if -4 < exponent < 5:
        return f"{value:.{max(0, 2 - exponent)}f}"
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _regular(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return the values that have a place in a mean."""
    return values[np.isfinite(values) & ((scale == "linear") | (values > 0))]


def _log_mean(values: np.ndarray) -> str:
    center, _, high = interval(values, "log")
    factor = high / center
    if math.isnan(factor):
        return number(center)
    digits = number(factor) if factor >= 10 else f"{factor:.2f}" if factor >= 1.01 or factor == 1 else f"{factor:.4f}"
    return f"{number(center)} ×/÷ {digits}"


def _mean(values: np.ndarray) -> str:
    center, low, high = interval(values)
    spread = (high - low) / 2
    if not spread > 0 and center.is_integer() and abs(center) > 100:
        return f"{center:,.0f}"  # a count, such as of weights, is shown to the last digit
    if not spread > 0:
        return number(center) + ("" if math.isnan(spread) else " ± 0")
    exponent = math.floor(math.log10(max(abs(center), spread)))
    scaled = 10.0**exponent if not -4 < exponent < 5 else 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(spread / scaled))))
    mean = f"{center / scaled:.{decimals}f} ± {spread / scaled:.{decimals}f}"
    return mean if scaled == 1 else f"({mean})e{exponent}"
