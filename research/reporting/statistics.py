"""What the seeds of a row say about one number: a center and an interval. docs/statistics.md says why these.

With fewer than `MIN_SEEDS` seeds no interval is worth its name: the ends are those of the seeds. With more,

    mean      rates in [0, 1]: t-interval on the logit scale by the delta method; others: studentized bootstrap
    iqm       mean of the middle half; BCa bootstrap (Efron 1987; Agarwal et al. 2021)
    median    order statistics, which assume nothing of the distribution
    success   fraction of the seeds that reach a threshold; Wilson (1927), with any number of seeds

Logarithmic columns have the same of the logarithms. A rate over test examples also has their sampling error: Wilson's
interval, which is combined with that of the seeds (MOVER: Zou and Donner 2008), or stands alone where all seeds agree.
The bootstrap uses a fixed seed, so the same runs always give the same table.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from research.config.experiment import Statistic

Array = NDArray[np.float64]
Scale = Literal["linear", "log"]

CONFIDENCE = 0.95
ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
MIN_SEEDS = 5
RESAMPLES = 5000
LEAST_ERROR = 0.25
"""A resample's standard error counts as at least this fraction of the seeds' own; of equal values it would be 0."""


@dataclass(frozen=True)
class Estimate:
    """A statistic over seeds."""

    center: float = math.nan
    low: float = math.nan
    high: float = math.nan
    count: int = 0
    """Seeds that it is over."""
    kind: Literal["", "seeds", "interval", "examples"] = ""
    """What the ends are: the lowest and the highest seed; an interval; the sampling error of the test examples alone,
    as all seeds are equal. Empty: of less than two seeds there are none."""

    @property
    def ends(self) -> tuple[float, float, float]:
        """The lower end, the center and the upper end."""
        return self.low, self.center, self.high

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate in another unit."""
        return replace(self, center=factor * self.center, low=factor * self.low, high=factor * self.high)


def estimate(
    values: Sequence[float] | Array,
    statistic: Statistic = "mean",
    scale: Scale = "linear",
    *,
    is_rate: bool = False,
    examples: int = 0,
    error: float = math.nan,
) -> Estimate:
    """Return the statistic of finite values (log: positive ones), one a seed.

    Args:
        values: of the seeds; of `success` 1 where a seed reaches the threshold, else 0.
        statistic: of the values.
        scale: log: of the logarithms.
        is_rate: whether the values are fractions, in [0, 1].
        examples: that each value is a rate over; 0: of none, so there is no sampling error.
        error: standard error of the values by the choice of examples, the same for all seeds; NaN: not known, so that
            of a rate is as of independent examples.
    """
    points = np.sort(np.asarray(values, np.float64))  # resamples, and so the interval, do not depend on the order
    count = len(points)
    if not count:
        return Estimate()
    if statistic == "success":
        return Estimate(points.mean(), *wilson(points.mean(), count), count, "interval")
    logarithms = scale == "log"
    points = np.log(points) if logarithms else points
    center, low, high = _bounds(points, statistic, is_rate)
    kind = "interval" if count >= MIN_SEEDS else "seeds" if count > 1 else ""
    if ((is_rate and examples) or error > 0) and (kind == "interval" or np.ptp(points) == 0):
        add = _add_to_rate if is_rate and examples else _add
        low, high = add((center, low, high), examples, error)
        kind = kind if np.ptp(points) else "examples"
    if logarithms:
        center, low, high = (math.exp(min(end, 709.0)) for end in (center, low, high))
    return Estimate(float(center), float(low), float(high), count, kind)


def wilson(rate: float, count: float) -> tuple[float, float]:
    """Return the interval of a rate over independent examples (Wilson 1927)."""
    from scipy.special import ndtri

    z = ndtri(ENDS[1])
    middle = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return middle - half if rate > 0 else 0.0, middle + half if rate < 1 else 1.0


def logit_interval(points: Array) -> tuple[Array, Array]:
    """Return the t-interval of the mean on the logit scale, by the delta method, along the last axis.

    The logit's slope at the mean m is 1 / (m (1 - m)), so the half-width there is t s / sqrt(n) times that.
    """
    from scipy.special import expit, logit, stdtrit  # as scipy.stats.t has it, at a fifth of the import time

    count = points.shape[-1]
    mean, error = points.mean(-1), points.std(-1, ddof=1) / math.sqrt(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.where(error > 0, stdtrit(count - 1, ENDS[1]) * error / (mean * (1 - mean)), 0.0)
        return expit(logit(mean) - half), expit(logit(mean) + half)


def studentized_interval(points: Array) -> tuple[Array, Array]:
    """Return the bootstrap-t interval of the mean along the last axis (Efron and Tibshirani 1993, chapter 12)."""
    count = points.shape[-1]
    mean, error = points.mean(-1), points.std(-1, ddof=1) / math.sqrt(count)
    resampled = points[..., _resamples(count)]
    errors = np.maximum(resampled.std(-1, ddof=1) / math.sqrt(count), LEAST_ERROR * error[..., None])
    with np.errstate(invalid="ignore"):
        ratios = np.nan_to_num((resampled.mean(-1) - mean[..., None]) / errors)
    low, high = np.quantile(ratios, ENDS, axis=-1)
    return mean - high * error, mean - low * error


def bca_interval(points: Array, statistic: Callable[[Array], Array]) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a statistic of the last axis (Efron 1987)."""
    from scipy.special import ndtr, ndtri

    count, center = len(points), statistic(points)
    resampled = statistic(points[_resamples(count)])
    below = (np.mean(resampled < center) + np.mean(resampled <= center)) / 2
    bias = ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    without = statistic(np.stack([np.delete(points, place) for place in range(count)]))
    influence = without.mean() - without
    spread = np.sum(influence**2) ** 1.5
    acceleration = np.sum(influence**3) / (6 * spread) if spread else 0.0
    z = bias + ndtri(np.array(ENDS))
    low, high = np.quantile(resampled, ndtr(bias + z / (1 - acceleration * z)))
    return low, high


def median_interval(points: Array) -> tuple[Array, Array]:
    """Return the narrowest pair of order statistics that covers the median in 95%, or else all seeds (last axis)."""
    from scipy.special import bdtr

    count, ordered = points.shape[-1], np.sort(points, -1)
    outside = [place for place in range(count // 2) if 2 * bdtr(place, count, 0.5) <= 1 - CONFIDENCE]
    place = outside[-1] if outside else 0
    return ordered[..., place], ordered[..., count - 1 - place]


def interquartile_mean(points: Array) -> Array:
    """Return the mean without the lowest and the highest quarter of the values, along the last axis."""
    ordered, cut = np.sort(points, -1), points.shape[-1] // 4
    return ordered[..., cut : points.shape[-1] - cut].mean(-1)


CENTERS: dict[Statistic, Callable[[Array], Array]] = {
    "mean": lambda points: points.mean(-1),
    "iqm": interquartile_mean,
    "median": lambda points: np.median(points, -1),
}


def _bounds(points: Array, statistic: Statistic, is_rate: bool) -> tuple[float, float, float]:
    """Return center and ends: of an interval, of few seeds the lowest and the highest, of one none."""
    center = float(CENTERS[statistic](points))
    if np.ptp(points) == 0:
        center = float(points[0])  # exactly: rounding would leave a spread of 1e-17
        return (center, math.nan, math.nan) if len(points) == 1 else (center, center, center)
    if len(points) < MIN_SEEDS:
        return center, points.min(), points.max()
    if statistic == "median":
        low, high = median_interval(points)
    elif statistic == "iqm":
        low, high = bca_interval(points, interquartile_mean)
    else:
        low, high = (logit_interval if is_rate else studentized_interval)(points)
    return center, float(low), float(high)


def _add(bounds: tuple[float, float, float], _: int, error: float) -> tuple[float, float]:
    """Return the ends with a normal error added, in quadrature (MOVER)."""
    from scipy.special import ndtri

    center, low, high = bounds
    half, (below, above) = ndtri(ENDS[1]) * error, (center - low, high - center) if low < high else (0.0, 0.0)
    return center - math.hypot(below, half), center + math.hypot(above, half)


def _add_to_rate(bounds: tuple[float, float, float], examples: int, error: float) -> tuple[float, float]:
    """Return the ends with the distances to Wilson's ends added, in quadrature on the logit scale.

    Wilson's interval is that of as many independent examples as have the standard error, if it is known (Korn and
    Graubard 1998): fewer or more than there are where an example counts more than once, as a word of many symbols.
    """
    from scipy.special import expit, logit

    rate, low, high = bounds
    ends = wilson(rate, rate * (1 - rate) / error**2 if error > 0 and 0 < rate < 1 else examples)
    if not low < high or not 0 < rate < 1:
        return ends
    middle = logit(rate)
    distances = [
        math.hypot(logit(end) - middle, logit(other) - middle) for end, other in zip(ends, (low, high), strict=True)
    ]
    return float(expit(middle - distances[0])), float(expit(middle + distances[1]))


@functools.cache
def _resamples(count: int) -> NDArray[np.int64]:
    """Return the places of the values of each resample [RESAMPLES, count]."""
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
