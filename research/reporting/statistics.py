"""One number over the seeds of a row: its center, its 95% t-interval, and a count of what has no place in a mean.

Linear columns: arithmetic mean and half-width. Logarithmic columns: geometric mean and the interval as a factor. Zeros
(of a logarithmic column), infinities and NaN are neither dropped nor averaged: they are counted next to the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
DASH = "—"

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Statistic:
    """Center and spread of the values of some trials."""

    scale: Scale
    total: int
    """Trials, with or without a value."""
    regular: int
    """Values in the mean."""
    zeros: int
    infinities: int
    undefined: int
    """Values that are NaN."""
    center: float
    """nan without a regular value."""
    spread: float
    """Half-width, or factor on a logarithmic scale; nan for fewer than two regular values."""


def statistic(values: Sequence[float | None], scale: Scale = "linear") -> Statistic:
    """Return the statistic of one value a trial; None: the trial has none."""
    present = np.array([value for value in values if value is not None], np.float64)
    regular = present[np.isfinite(present) & ((scale == "linear") | (present > 0))]
    zeros = int((present == 0).sum()) if scale == "log" else 0
    counts = (zeros, int(np.isinf(present).sum()), int(np.isnan(present).sum()))
    center, low, high = interval(regular, scale)
    spread = high / center if scale == "log" else (high - low) / 2
    return Statistic(scale, len(values), len(regular), *counts, center, spread)


def interval(values: Sequence[float] | np.ndarray, scale: Scale = "linear") -> tuple[float, float, float]:
    """Return mean, low and high end of the 95% t-interval of finite (log: positive) values; nan where too few."""
    from scipy.special import stdtrit  # the quantile behind scipy.stats.t, at a fifth of the import time

    points = pd.Series(values, dtype=float)
    points = points.map(math.log) if scale == "log" else points
    mean, half = points.mean(), points.sem() * stdtrit(len(points) - 1, (1 + CONFIDENCE) / 2)
    if len(points) > 1 and points.nunique() == 1:
        mean, half = points.iloc[0], 0.0  # exactly: rounding would leave a spread of 1e-17
    bounds = float(mean), float(mean - half), float(mean + half)
    low_high = tuple(math.exp(bound) if not bound > 700 else math.inf for bound in bounds) if scale == "log" else bounds
    return low_high  # pyright: ignore[reportReturnType]


def text(value: Statistic, unit: Literal["", "%"] = "") -> str:
    """Return it as it stands in a table.

    `0.974 ± 0.001`, `3.1e-7 ×/÷ 1.4`, `0 (4/4)`, `2.3e-30 (n=1); 0 (3/4)`, or a dash. A whole number from 1000 on that is
    the same for all seeds is a count: `491,562`.
    """
    parts = []
    if value.regular:
        mean = _center_and_spread(value, 100 if unit == "%" else 1)
        counted = value.regular + value.zeros + value.infinities + value.undefined
        alone = value.regular == 1 or (counted == value.regular < value.total)
        parts.append(f"{mean} (n={value.regular})" if alone else mean)
    named = {"0": value.zeros, "inf": value.infinities, "undefined": value.undefined}
    parts += [f"{name} ({count}/{value.total})" for name, count in named.items() if count]
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


def _center_and_spread(value: Statistic, factor: float) -> str:
    center, spread = value.center, value.spread
    if value.scale == "linear" and not spread > 0 and center.is_integer() and abs(center) >= 1000:
        return f"{center:,.0f}"  # a count, such as of weights, is shown to the last digit
    if math.isnan(spread):
        return number(center * (factor if value.scale == "linear" else 1))
    if value.scale == "log":
        exact = (
            number(spread) if spread >= 10 else f"{spread:.2f}" if spread >= 1.01 or spread == 1 else f"{spread:.4f}"
        )
        return f"{number(center)} ×/÷ {exact}"
    center, spread = center * factor, spread * factor
    if spread == 0:
        return f"{number(center)} ± 0"
    exponent = math.floor(math.log10(max(abs(center), spread)))
    scaled = 10.0**exponent if not -4 < exponent < 5 else 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(spread / scaled))))
    mean = f"{center / scaled:.{decimals}f} ± {spread / scaled:.{decimals}f}"
    return mean if scaled == 1 else f"({mean})e{exponent}"
