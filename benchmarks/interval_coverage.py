"""How often the intervals of a report hold the true value: the table of docs/statistics.md.

    python -m benchmarks.interval_coverage

Seeds are drawn from five distributions of a rate whose mean and median are known. An interval of 95% should hold the
value that it is of in 95% of the draws; next to that stands its mean width, on the scale of 0 to 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from tabulate import tabulate

from research.reporting.statistics import (
    CONFIDENCE,
    Array,
    bca_interval,
    interquartile_mean,
    logit_interval,
    median_interval,
    studentized_interval,
    wilson,
)

DRAWS = 1000
SEEDS = (3, 5, 10)
THRESHOLD = 0.5
"""A seed that reaches it has learned."""
Ends = tuple[Array, Array]


def _learns(probability: float) -> Callable[[np.random.Generator, tuple[int, ...]], Array]:
    """Return the sampler of a network that learns, to about 95%, or stays at chance."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        learned = rng.normal(0.95, 0.01, shape).clip(0, 1)
        return np.where(rng.random(shape) < probability, learned, rng.normal(0.1, 0.01, shape).clip(0, 1))

    return sample


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.normal(0.8, 0.03, shape),
    "learns 70, fails 30": _learns(0.7),
    "learns 90, fails 10": _learns(0.9),
    "near a ceiling (beta)": lambda rng, shape: rng.beta(29.7, 0.3, shape),
    "near a ceiling (exponential)": lambda rng, shape: 1 - rng.exponential(0.01, shape).clip(0, 1),
}


@dataclass(frozen=True)
class Method:
    """An interval, and the value that it should hold."""

    interval: Callable[[Array], Ends]
    value: Callable[[Array], float]


def t_interval(points: Array) -> Ends:
    """Return Student's interval of the mean: the one that tables had before."""
    count = points.shape[-1]
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * stats.sem(points, axis=-1)
    return points.mean(-1) - half, points.mean(-1) + half


def _rows(interval: Callable[[Array], tuple[float, float]]) -> Callable[[Array], Ends]:
    """Return an interval of one sample as an interval of several."""
    return lambda points: tuple(np.array([interval(row) for row in points]).T)


def _learned(points: Array) -> float:
    return float(np.mean(points >= THRESHOLD))


METHODS: dict[str, Method] = {
    "seeds, lowest to highest": Method(lambda points: (points.min(-1), points.max(-1)), np.mean),
    "mean: t (before)": Method(t_interval, np.mean),
    "mean: t on the logit scale (rates)": Method(logit_interval, np.mean),
    "mean: studentized bootstrap (others)": Method(studentized_interval, np.mean),
    "mean: BCa bootstrap": Method(_rows(lambda row: bca_interval(row, lambda values: values.mean(-1))), np.mean),
    "iqm: BCa bootstrap": Method(
        _rows(lambda row: bca_interval(row, interquartile_mean)), lambda points: stats.trim_mean(points, 0.25)
    ),
    "median: order statistics": Method(median_interval, np.median),
    "success: Wilson": Method(_rows(lambda row: wilson(_learned(row), len(row))), _learned),
}


def coverage(method: Method, samples: Array, value: float) -> tuple[float, float]:
    """Return the fraction of samples whose interval holds the value, and the mean width."""
    parts = np.array_split(samples, math.ceil(len(samples) / 50))  # the bootstrap of all at once needs gigabytes
    low, high = (np.concatenate(ends) for ends in zip(*map(method.interval, parts), strict=True))
    return float(np.mean((low <= value) & (value <= high))), float(np.mean(high - low))


def line(name: str) -> list[str]:
    """Return the row of a method: its name, and a cell for each distribution."""
    method, cells = METHODS[name], []
    for sample in DISTRIBUTIONS.values():
        value = method.value(sample(np.random.default_rng(0), (10**6,)))
        samples = [sample(np.random.default_rng(1), (DRAWS, count)) for count in SEEDS]
        found = [coverage(method, points, value) for points in samples]
        cells.append(", ".join(f"{100 * covered:.0f} ({width:.2g})" for covered, width in found))
    return [name, *cells]


def main() -> None:
    """Print the table."""
    print(tabulate(map(line, METHODS), ["interval", *DISTRIBUTIONS], "pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
