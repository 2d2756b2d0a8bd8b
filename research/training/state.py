"""The state of a trial: what a checkpoint holds."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Bool, Int

Params = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrialState:
    """All that a trial carries from step to step: what a checkpoint holds."""

    params: Params
    optimizer: Any
    step: Int[Array, ""]
    """Updates so far."""
    ok: Bool[Array, ""]
    """False: the trial has diverged, in the update after `step`."""
    average: Params | None = None
    """Moving average of the weights, which is what is evaluated; None: the weights themselves are."""
    schedule: Any = None
    """State of the learning rate's schedule; None: it has none."""
