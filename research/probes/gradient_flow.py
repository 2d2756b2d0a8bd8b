"""How the gradient fares on its way back through time: numbers and heat-map rows from the norms of dL/dh_t.

A profile is ||dL/dh_t|| for t = 0 .. T-1; the loss is behind the last step. Where it is A exp(s t), one step further
from the loss multiplies it by d = exp(-s): it vanishes for d < 1 and explodes for d > 1 (Bengio, Simard, Frasconi 1994;
Pascanu, Mikolov, Bengio 2013). The half-life is ln 2 / -ln d steps.

s is the least-squares slope of ln ||dL/dh_t|| against t, over all steps whose norm float32 can hold: every step
has a say, so a steep stretch of k steps next to the loss that loses A nats shifts s by about 6 A k / T^2 at most,
whereas the slope between the two ends would shift by A / T. What such a stretch loses in all shows in `first_to_last`.
A profile that bends has no one rate; d is then the average over the sequence, and the figure is to be believed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32. Below it the digits run out and XLA flushes to zero, so it counts as underflow."""


def summarise(norms: ArrayLike) -> dict[str, float]:
    """The shape of one profile, norms [T] with T >= 1, as five numbers; nan where the profile does not determine one.

    decay_per_step: factor on the norm for one step further from the loss; nan when fewer than two steps can be fitted.
    half_life: steps in which the norm halves on its way back; inf when it does not decay.
    first_to_last: norms[0] / norms[T-1]; 0 when the first underflowed, inf when it overflowed.
    underflow_share: share of the steps whose norm is 0 or below the smallest normal float32.
    overflow_share: share of the steps whose norm is inf or nan (a nan is an inf that met a zero).
    """
    profile = np.asarray(norms, np.float64)
    if profile.ndim != 1 or not profile.size:
        raise ValueError(f"norms must be [T] with T >= 1, not {profile.shape}")
    overflow = ~np.isfinite(profile)
    underflow = ~overflow & (profile < TINY)
    slope = _slope(profile, ~overflow & ~underflow)
    return {
        "decay_per_step": math.exp(-slope),
        "half_life": math.log(2) / slope if not slope <= 0 else math.inf,
        "first_to_last": _ratio(profile[0], profile[-1]),
        "underflow_share": float(underflow.mean()),
        "overflow_share": float(overflow.mean()),
    }


def heatmap_rows(
    records: Sequence[Mapping[str, Any]], part: str = "h", most: int = 24
) -> tuple[list[int], NDArray[np.float64]]:
    """The training steps and profiles [rows, T] of at most `most` records, spread evenly from the first to the last.

    Zeros and infinities stay as they are. Records without that part are passed over; ([], [0, 0]) if none has it.
    """
    chosen = [record for record in records if part in record]
    if len(chosen) > most:
        rows = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
        chosen = [chosen[row] for row in rows]
    if not chosen:
        return [], np.zeros((0, 0))
    return [int(record["step"]) for record in chosen], np.array([record[part] for record in chosen], np.float64)


def color_scale(decades: NDArray[np.float64]) -> tuple[int, int]:
    """The range of a heat map's colours, from log10 of norms of any shape: infinities, -inf and nan are passed over.

    Whole decades of what is finite, at most 14 and none above 10^4: more would hide the differences near 1.
    """
    finite = decades[np.isfinite(decades)]
    if not finite.size:
        return -1, 0
    high = min(math.ceil(np.percentile(finite, 99)), 4)
    return min(max(math.floor(finite.min()), high - 14), high - 1), high


def _slope(profile: NDArray[np.float64], usable: NDArray[np.bool_]) -> float:
    """Least-squares slope of the logarithm against t, in nats a step."""
    steps = np.flatnonzero(usable).astype(np.float64)
    if steps.size < 2:
        return math.nan
    centred = steps - steps.mean()
    logarithms = np.log(profile[usable])
    return float(centred @ (logarithms - logarithms[0]) / (centred @ centred))  # exactly 0 for a constant


def _ratio(first: float, last: float) -> float:
    if not (math.isfinite(last) and last >= TINY):
        return math.nan  # nothing arrived at the end next to the loss, so there is nothing to compare with
    if not math.isfinite(first):
        return math.inf
    return float(first / last) if first >= TINY else 0.0
