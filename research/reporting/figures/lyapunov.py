"""The largest Lyapunov exponent of random tanh networks against their gain, next to mean-field theory.

For h_t = tanh(U h_{t-1}) with weights of variance g^2 / N and N to infinity, a unit reads a Gaussian of variance g^2 q:

    q = E tanh^2(g sqrt(q) z)        lambda = 1/2 ln(g^2 E [tanh'(g sqrt(q) z)]^2)        z ~ N(0, 1)

Up to the critical gain of 1, q = 0 and lambda = ln g. Sompolinsky, Crisanti, Sommers 1988, in continuous time;
Molgedey, Schuchhardt, Schuster 1992, in discrete time as here; Engelken, Wolf, Abbott 2023.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import brentq

from research.reporting.columns import values
from research.reporting.comparison import Comparison
from research.reporting.figures import style

METRIC = "jacobian/initial/encoder/*/lyapunov_exponent"
THEORY = "mean field"
NODES = np.linspace(-8, 8, 4001)
"""Values of z at which expectations are taken; close enough for gains up to 100."""
WEIGHTS = np.exp(-(NODES**2) / 2)
SMALLEST = 1e-12
"""Lower end of the search for q, below that of any gain above `CRITICAL`."""
CRITICAL = 1 + 1e-6
"""Gain from which on q is not 0 for rounding."""


def mean_field_exponent(gain: float) -> float:
    """Return the largest Lyapunov exponent of an infinitely large tanh network without input, in nats a step.

    Args:
        gain: of the weights, greater than 0.
    """

    def mean(values: np.ndarray) -> float:
        return float(WEIGHTS @ values / WEIGHTS.sum())

    def excess(q: float) -> float:
        return mean(np.tanh(gain * math.sqrt(q) * NODES) ** 2) - q

    q = float(brentq(excess, SMALLEST, 1.0)) if gain > CRITICAL else 0.0
    return 0.5 * math.log(gain**2 * mean((1 - np.tanh(gain * math.sqrt(q) * NODES) ** 2) ** 2))


def critical_gain(comparison: Comparison) -> Figure | None:
    """Draw the exponent before training against `init.gain`, a line per number of hidden units, the theory dashed."""
    lines: dict[str, pd.DataFrame] = {}
    for size, trials in comparison.trials.groupby("model.hidden_size"):
        points = {}
        for gain, alike in trials.groupby("init.gain"):
            exponents = pd.Series(values(alike, METRIC), dtype=float).dropna()
            if len(exponents):
                points[gain] = {"low": exponents.min(), "middle": exponents.mean(), "high": exponents.max()}
        if points:
            lines[f"{size} units"] = pd.DataFrame.from_dict(points, orient="index")
    if not lines:
        return None
    figure, (axis,) = style.grid(1, width=11.0, height=6.4)
    colors = dict(zip(lines, style.COLORS * len(lines), strict=False)) | {THEORY: "#000000"}
    for label, line in lines.items():
        style.band(axis, line.index, line, colors[label])
    gains = [gain for line in lines.values() for gain in line.index if gain > 0]
    theory = {gain: mean_field_exponent(gain) for gain in np.geomspace(min(gains), max(gains), 200)}
    axis.plot(list(theory), list(theory.values()), color=colors[THEORY], ls=(0, (4, 2)), zorder=3)
    axis.axhline(0, color="#999999", lw=1.2, zorder=0)
    axis.axvline(1, color="#999999", lw=1.2, zorder=0)
    ends = {label: (line.index[-1], float(line["middle"].iloc[-1])) for label, line in lines.items()}
    ends[THEORY] = (max(theory), theory[max(theory)])
    axis.set(xlabel="gain g: the weights have variance g²/N", ylabel="exponent (nats a step)", ylim=axis.get_ylim())
    style.labels(axis, ends, colors, right=True)
    note = "Line: mean over seeds; band: lowest to highest seed; dashed: infinitely many units, no input."
    style.title(figure, "Largest Lyapunov exponent of random networks", note)
    return figure
