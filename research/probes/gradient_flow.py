"""The gradient profile: norms of dL/dh_t over time, numbers that summarize them, and rows of heat maps.

A profile is ||dL/dh_t|| for t = 0 .. T-1, of a loss after the last step. If it is A exp(s t), one step further from the
loss multiplies it by d = exp(-s): the gradient vanishes for d < 1 and explodes for d > 1 (Bengio, Simard, Frasconi
1994; Pascanu, Mikolov, Bengio 2013). The half-life is ln 2 / -ln d steps.

s is the least-squares slope of ln ||dL/dh_t|| against t, over all steps whose norm float32 can represent. It depends
little on the steps next to the loss: k steps that lose A nats more shift s by at most about 6 A k / T^2, but the slope
between the two ends by A / T. `first_last_ratio` includes such a loss in full. If a profile is not exponential, d is
the average over the sequence, and the figure shows more.

If the loss has terms at many steps, gradient enters the recurrence at all of them and the profile does not measure
decay, so the probe is rejected. Norms below about 1e-35 are too small, as entries below 1e-38 are flushed to zero
before the norm is computed; norms below the smallest normal float32 count as underflow.
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
"""Smallest normal float32. Norms below count as underflow, as XLA flushes smaller numbers to zero."""


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
            f"as the loss of {task.name} has a term at many steps": task.target_kind == "labels",
            f"as attention.name={options.attention.name} reads the encoder's states of all steps": (
                options.attention.has_weights
            ),
            f"with model.subsampling={model.subsampling}, which leaves fewer steps": model.subsampling != "none",
            "with zoneout, as the profile would ignore the kept state": (
                options.zoneout.hidden > 0 or options.zoneout.cell > 0
            ),
            "with model.backend=cudnn, or the backend auto or scan": model.backend == "cudnn",
        }
        for reason, holds in reasons.items():
            if holds:
                raise UserError(f"probes.gradient_flow.every={self.every}: must be 0 {reason}")

    def axis(self, profile: str) -> str:
        return "t"

    def measure(self, observed: Observed) -> dict[str, Array]:
        return observed.profiles

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        return {f"{state_profile}/{key}": value for key, value in summarize(record[state_profile]).items()}


def summarize(norms: ArrayLike) -> dict[str, float]:
    """Summarize a profile, norms [T] with T >= 1, in five numbers; nan where it does not determine one.

    decay_per_step: factor on the norm for one step further from the loss; nan if fewer than two steps can be fitted.
    half_life: steps after which the norm halves; inf if it does not decay.
    first_last_ratio: norms[0] / norms[T-1]; 0 if the first underflows, inf if it overflows.
    underflow_fraction: fraction of the steps whose norm is below the smallest normal float32.
    overflow_fraction: fraction of the steps whose norm is inf or nan (from inf times 0).
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
    """Return the training steps and norms [rows, T] of at most `most` records, evenly spaced from first to last.

    Zeros and infinities are kept. Records without the profile are ignored; without any, the norms are [0, 0].

    Args:
        records: records of `gradient_flow.jsonl`.
        profile: name of the profile, such as "encoder/layer_1/forward/h".
        most: largest number of rows.
    """
    chosen = [record for record in records if profile in record]
    if len(chosen) > most:
        rows = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
        chosen = [chosen[row] for row in rows]
    if not chosen:
        return [], np.zeros((0, 0))
    return [int(record["step"]) for record in chosen], np.array([record[profile] for record in chosen], np.float64)


def color_scale(decades: NDArray[np.float64]) -> tuple[int, int]:
    """Return the color range of a heat map, in whole decades, from log10 of norms; infinities and nan are ignored.

    The range is at most 14 decades and ends at 10^4, to keep differences near 1 visible.
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
    return float(centered @ (logarithms - logarithms[0]) / (centered @ centered))  # exactly 0 for a constant profile


def _ratio(first: float, last: float) -> float:
    if not (math.isfinite(last) and last >= TINY):
        return math.nan  # no gradient at the step next to the loss
    if not math.isfinite(first):
        return math.inf
    return float(first / last) if first >= TINY else 0.0
