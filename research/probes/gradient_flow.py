"""How the gradient fares on its way back through time: numbers and heat-map rows from the norms of dL/dh_t.

A profile is ||dL/dh_t|| for t = 0 .. T-1; the loss is taken after the last step. Where it is A exp(s t), one step
further from the loss multiplies it by d = exp(-s): it vanishes for d < 1 and explodes for d > 1 (Bengio, Simard,
Frasconi 1994; Pascanu, Mikolov, Bengio 2013). The half-life is ln 2 / -ln d steps.

s is the least-squares slope of ln ||dL/dh_t|| against t, over all steps whose norm float32 can hold: every step
has a say, so a steep stretch of k steps next to the loss that loses A nats shifts s by about 6 A k / T^2 at most,
whereas the slope between the two ends would shift by A / T. The total loss along such a stretch shows in
`first_last_ratio`. A profile that bends has no single rate; d is then the average over the sequence, and the figure
tells more.

Where the loss has terms at many steps, gradient enters the recurrence at all of them, and the profile says nothing of
decay: the probe is rejected there. Below about 1e-35 norms are too small, since entries below 1e-38 are flushed to zero
before the norm is taken; below the smallest normal float32 they count as underflow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike, NDArray

from research.errors import UserError
from research.probes.probe import Observed, Probe

TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32. Below it the digits run out and XLA flushes to zero, so it counts as underflow."""


@dataclass(frozen=True)
class GradientFlow(Probe):
    """Norm of the loss's gradient with respect to the encoder's state after every step."""

    name: ClassVar[str] = "gradient_flow"
    section: ClassVar[str] = "gradient"
    reads_profiles: ClassVar[bool] = True

    def check(self, options: Any) -> None:
        task, model = options.task, options.model
        reasons = {
            f"as inputs of {task.name} differ in length": not task.same_length,
            f"as the loss of {task.name} has a term at many steps": task.target == "labels",
            f"as attention.name={options.attention.name} reads the encoder's states of all steps": (
                options.attention.has_weights
            ),
            f"with model.subsampling={model.subsampling}, which leaves fewer steps": model.subsampling != "none",
            "with zoneout, as the profile is of what a step computes, not of what is held": (
                options.zoneout.hidden > 0 or options.zoneout.cell > 0
            ),
            "with model.backend=cudnn, or the backend auto or scan": model.backend == "cudnn",
        }
        for reason, holds in reasons.items():
            if holds:
                raise UserError(f"probes.gradient_flow.every={self.every}: must be 0 {reason}")

    def measure(self, observed: Observed) -> dict[str, Array]:
        return observed.profiles

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        return {f"{state_profile}/{key}": value for key, value in summarize(record[state_profile]).items()}


def summarize(norms: ArrayLike) -> dict[str, float]:
    """Sum up the shape of one profile, norms [T] with T >= 1, in five numbers; nan where it does not determine one.

    decay_per_step: factor on the norm for one step further from the loss; nan when fewer than two steps can be fitted.
    half_life: steps in which the norm halves on its way back; inf when it does not decay.
    first_last_ratio: norms[0] / norms[T-1]; 0 when the first underflowed, inf when it overflowed.
    underflow_fraction: fraction of the steps whose norm is 0 or below the smallest normal float32.
    overflow_fraction: fraction of the steps whose norm is inf or nan (a nan is an inf that met a zero).
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
        "first_last_ratio": _ratio(profile[0], profile[-1]),
        "underflow_fraction": float(underflow.mean()),
        "overflow_fraction": float(overflow.mean()),
    }


def heatmap_rows(
    records: Sequence[Mapping[str, Any]], profile: str, most: int = 24
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the training steps and norms [rows, T] of at most `most` records, evenly from the first to the last.

    Zeros and infinities stay. Records without that profile are ignored; ([], [0, 0]) if none has it.

    Args:
        records: of `gradient_flow.jsonl`.
        profile: its name, such as "encoder/layer_1/forward/h".
        most: rows.
    """
    chosen = [record for record in records if profile in record]
    if len(chosen) > most:
        rows = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
        chosen = [chosen[row] for row in rows]
    if not chosen:
        return [], np.zeros((0, 0))
    return [int(record["step"]) for record in chosen], np.array([record[profile] for record in chosen], np.float64)


def color_scale(decades: NDArray[np.float64]) -> tuple[int, int]:
    """Return the range of a heat map's colors, from log10 of norms of any shape; infinities and nan are ignored.

    Whole decades of what is finite, at most 14 and none above 10^4: more would hide the differences near 1.
    """
    finite = decades[np.isfinite(decades)]
    if not finite.size:
        return -1, 0
    high = min(math.ceil(np.percentile(finite, 99)), 4)
    return min(max(math.floor(finite.min()), high - 14), high - 1), high


def _slope(profile: NDArray[np.float64], usable: NDArray[np.bool_]) -> float:
    """Return the least-squares slope of the logarithm against t, in nats a step."""
    steps = np.flatnonzero(usable).astype(np.float64)
    if steps.size < 2:
        return math.nan
    centered = steps - steps.mean()
    logarithms = np.log(profile[usable])
    return float(centered @ (logarithms - logarithms[0]) / (centered @ centered))  # exactly 0 for a constant


def _ratio(first: float, last: float) -> float:
    if not (math.isfinite(last) and last >= TINY):
        return math.nan  # nothing arrived at the end next to the loss, so there is nothing to compare with
    if not math.isfinite(first):
        return math.inf
    return float(first / last) if first >= TINY else 0.0
