"""One number over the seeds of a row: its centre, its 95 % t-interval, and a count of what has no place in a mean.

Linear columns: arithmetic mean and half-width. Logarithmic columns: geometric mean and the interval as a factor. Zeros
(of a logarithmic column), infinities and NaN are neither dropped nor averaged: they are counted beside the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.95
DASH = "—"

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Statistic:
    """What the values of some trials amount to."""

    scale: Scale
    total: int
    """Trials asked, with or without a value."""
    regular: int
    """Values in the mean."""
    zeros: int
    infinities: int
    undefined: int
    """Values that are NaN."""
    centre: float
    """nan without a regular value."""
    spread: float
    """Half-width, or factor on a logarithmic scale; nan for fewer than two regular values."""


def statistic(values: Sequence[float | None], scale: Scale = "linear") -> Statistic:
    """The statistic of one value a trial; None: the trial has none."""
    present = [float(value) for value in values if value is not None]
    zeros = sum(value == 0 for value in present) if scale == "log" else 0
    infinities = sum(math.isinf(value) for value in present)
    undefined = sum(math.isnan(value) for value in present)
    regular = [value for value in present if math.isfinite(value) and (scale == "linear" or value > 0)]
    centre, low, high = interval(regular, scale)
    spread = high / centre if scale == "log" else (high - low) / 2
    return Statistic(scale, len(values), len(regular), zeros, infinities, undefined, centre, spread)


def interval(values: Sequence[float], scale: Scale = "linear") -> tuple[float, float, float]:
    """Mean, low and high end of the 95 % t-interval of finite (log: positive) values; nan where there are too few."""
    if not values:
        return math.nan, math.nan, math.nan
    points = [math.log(value) for value in values] if scale == "log" else list(values)
    count = len(points)
    mean = math.fsum(points) / count
    half = math.nan if count == 1 else 0.0
    if min(points) == max(points):
        mean = points[0]  # exactly: rounding would leave a spread of 1e-17
    else:
        from scipy.special import stdtrit  # the quantile behind scipy.stats.t, at a fifth of the import time

        deviation = math.sqrt(math.fsum((point - mean) ** 2 for point in points) / (count - 1))
        half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(count)
    if scale == "log":
        return _exp(mean), _exp(mean - half), _exp(mean + half)
    return mean, mean - half, mean + half


def text(value: Statistic, unit: Literal["", "%"] = "") -> str:
    """As it stands in a table: `0.974 ± 0.001`, `3.1e-7 ×/÷ 1.4`, `0 (4/4)`, `2.3e-30 (n=1); 0 (3/4)`, or a dash.

    A whole number from 1000 on that is the same for all seeds is a count: `491,562`.
    """
    parts = []
    if value.regular:
        mean = _centre_and_spread(value, 100 if unit == "%" else 1)
        counted = value.regular + value.zeros + value.infinities + value.undefined
        alone = value.regular == 1 or (counted == value.regular < value.total)
        parts.append(f"{mean} (n={value.regular})" if alone else mean)
    named = {"0": value.zeros, "inf": value.infinities, "undefined": value.undefined}
    parts += [f"{name} ({count}/{value.total})" for name, count in named.items() if count]
    return "; ".join(parts) or DASH


def number(value: float) -> str:
    """Three significant digits, with an exponent only where it is needed: `0.0123`, `233`, `3.1e-7`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if -4 < exponent < 5:
        return f"{value:.{max(0, 2 - exponent)}f}"
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _centre_and_spread(value: Statistic, factor: float) -> str:
    centre, spread = value.centre, value.spread
    if value.scale == "linear" and not spread > 0 and centre.is_integer() and abs(centre) >= 1000:
        return f"{centre:,.0f}"  # a count, such as of weights, is shown to the last digit
    if math.isnan(spread):
        return number(centre * (factor if value.scale == "linear" else 1))
    if value.scale == "log":
        return f"{number(centre)} ×/÷ {_factor(spread)}"
    centre, spread = centre * factor, spread * factor
    if spread == 0:
        return f"{number(centre)} ± 0"
    size = max(abs(centre), spread)
    exponent = math.floor(math.log10(size))
    scaled = 10.0**exponent if not -4 < exponent < 5 else 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(spread / scaled))))
    mean = f"{centre / scaled:.{decimals}f} ± {spread / scaled:.{decimals}f}"
    return mean if scaled == 1 else f"({mean})e{exponent}"


def _factor(factor: float) -> str:
    if factor >= 10:
        return number(factor)
    return f"{factor:.2f}" if factor >= 1.01 or factor == 1 else f"{factor:.4f}"


def _exp(value: float) -> float:
    return math.exp(value) if not value > 700 else math.inf
