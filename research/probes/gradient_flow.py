"""The gradient profile: norms of dL/dh_t over time, numbers that summarize them, and rows of heat maps.

A profile is ||dL/dh_t|| for t = 0 .. T-1, of a loss after the last step. If it is A exp(s t), one step further from the
loss multiplies it by d = exp(-s): the gradient vanishes for d < 1 and explodes for d > 1 (Bengio, Simard, Frasconi
1994; Pascanu, Mikolov, Bengio 2013). The half-life is ln 2 / -ln d steps.

s is the least-squares slope of ln ||dL/dh_t|| against t, over all steps whose norm float32 can represent. It depends
little on the steps next to the loss: k steps that lose A nats more shift s by at most about 6 A k / T^2, but the slope
between the two ends by A / T. `first_last_ratio` includes such a loss in full. If a profile is not exponential, d is
the average over the sequence, and the figure shows more.

R^2 says how much of the variance of the logarithm the exponential explains. Where it is low, the rates of the two
halves may differ: a gradient may explode near the loss only.

If the loss has terms at many steps, gradient enters the recurrence at all of them and the profile does not measure
decay, so the probe is rejected; `scope=all` measures the loss of one step alone. Norms below about 1e-35 are too small,
as entries below 1e-38 are flushed to zero before the norm is computed; norms below the smallest normal float32 count as
underflow.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike, NDArray

from research.errors import UserError
from research.options import require
from research.probes import every_layer
from research.probes.probe import Observed, Probe, Snapshot

TINY = float(np.finfo(np.float32).tiny)
"""Smallest normal float32. Norms below count as underflow, as XLA flushes smaller numbers to zero."""


@dataclass(frozen=True)
class GradientFlow(Probe):
    """Norm of the loss's gradient with respect to the encoder's state after every step."""

    name: ClassVar[str] = "gradient_flow"
    section: ClassVar[str] = "gradient"
    has_state_profile: ClassVar[bool] = True

    scope: Literal["top", "all"] = "top"
    """top: the first direction of the encoder's top layer, in the backward pass of training; all: all layers and
    directions, of the decoder as well, by one more backward pass where a record is due."""
    loss_step: int = 0
    """With scope=all: the loss of the n-th token or label alone, from 1 on, or from the end if negative; 0: of all."""

    @property
    def reads_profiles(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.scope == "top"

    @property
    def inspects(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.scope == "all"

    def check(self, options: Any) -> None:
        task, model, top = options.task, options.model, self.scope == "top"
        single, key, chosen = task.target_kind in ("class", "value"), "probes.gradient_flow.loss_step", self.loss_step
        require(not (top and chosen), key, chosen, "0 with probes.gradient_flow.scope=top")
        require(not (single and chosen), key, chosen, f"0, as {task.name} has one target")
        instead = " (scope=all can)"
        reasons = {
            f"as inputs of {task.name} differ in length{instead}": top and not task.same_length,
            f"as the loss of {task.name} has a term at many steps{instead}": top and task.target_kind == "labels",
            f"as attention.name={options.attention.name} reads the encoder's states of all steps{instead}": (
                top and options.attention.has_weights
            ),
            f"with probes.gradient_flow.loss_step=0, as the loss of {task.name} has a term at many steps": (
                not top and task.target_kind == "labels" and not self.loss_step
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
        # NaN is left to steps that no sequence has; here it is infinity times 0.
        return jax.tree.map(lambda norms: jnp.where(jnp.isnan(norms), jnp.inf, norms), observed.profiles)

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        return every_layer.profiles(snapshot, self.loss_step)

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        names = [state_profile]
        if self.scope == "all":
            names = [name for name in record if name != "step" and not name.endswith("/from_start")]
        summary: dict[str, float] = {}
        for name in names:
            norms = np.asarray(record[name], np.float64)
            there = norms[~np.isnan(norms)]  # records of older versions may have NaN for all steps, an overflow
            summary |= {f"{name}/{key}": value for key, value in summarize(there if len(there) else norms).items()}
        return summary


def regular(norms: ArrayLike) -> NDArray[np.float64]:
    """Return norms as they are drawn: 0 for an underflow, inf for an overflow, NaN where no sequence has the step."""
    norms = np.asarray(norms, np.float64)
    return np.where(norms < TINY, 0.0, norms)


def summarize(norms: ArrayLike) -> dict[str, float]:
    """Summarize a profile, norms [T] with T >= 1, in nine numbers; nan where it does not determine one.

    decay_per_step: factor on the norm for one step further from the loss; nan if fewer than two steps can be fitted.
    decay_r2: R^2 of the fit of the logarithm.
    decay_first_half, decay_second_half: the same factor over the steps far from the loss, and near it.
    half_life: steps after which the norm halves; inf if it does not decay.
    first_last_ratio: norms[0] / norms[T-1]; 0 if the first underflows, inf if it overflows.
    underflow_fraction: fraction of the steps whose norm is below the smallest normal float32.
    overflow_fraction: fraction of the steps whose norm is not finite.
    norm: of the gradient with respect to the states of all steps; inf if a step overflows.
    """
    profile = np.asarray(norms, np.float64)
    if profile.ndim != 1 or not profile.size:
        raise ValueError(f"norms must be [T] with T >= 1, not {profile.shape}")
    overflow = ~np.isfinite(profile)
    underflow = ~overflow & (profile < TINY)
    usable, first = ~overflow & ~underflow, np.arange(profile.size) < profile.size / 2
    slope = _slope(profile, usable)
    halves = [_slope(profile, usable & half) for half in (first, ~first)]
    return {
        "decay_per_step": math.exp(-slope),
        "decay_r2": _r2(profile, usable, slope),
        "decay_first_half": math.exp(-halves[0]),
        "decay_second_half": math.exp(-halves[1]),
        "half_life": math.log(2) / slope if not slope <= 0 else math.inf,
        "first_last_ratio": _ratio(profile[0], profile[-1]),
        "underflow_fraction": float(underflow.mean()),
        "overflow_fraction": float(overflow.mean()),
        "norm": float(np.linalg.norm(np.where(overflow, np.inf, profile))),
    }


def _slope(profile: NDArray[np.float64], usable: NDArray[np.bool_]) -> float:
    """Return the least-squares slope of the logarithm against t, in nats a step."""
    steps = np.flatnonzero(usable).astype(np.float64)
    if steps.size < 2:
        return math.nan
    centered = steps - steps.mean()
    logarithms = np.log(profile[usable])
    return float(centered @ (logarithms - logarithms[0]) / (centered @ centered))  # exactly 0 for a constant profile


def _r2(profile: NDArray[np.float64], usable: NDArray[np.bool_], slope: float) -> float:
    """Return the fraction of the variance of the logarithm that the fit explains; 1 of a constant profile."""
    steps, logarithms = np.flatnonzero(usable), np.log(profile[usable])
    if steps.size < 2:
        return math.nan
    spread = logarithms - logarithms.mean()
    total = float(spread @ spread)
    rest = spread - slope * (steps - steps.mean())
    return 1 - float(rest @ rest) / total if total else 1.0


def _ratio(first: float, last: float) -> float:
    if not (math.isfinite(last) and last >= TINY):
        return math.nan  # no gradient at the step next to the loss
    if not math.isfinite(first):
        return math.inf
    return float(first / last) if first >= TINY else 0.0
