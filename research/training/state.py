"""The training state of a trial."""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Bool, Int

Params = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrialState:
    """The values that each update changes, and that a checkpoint stores."""

    params: Params
    optimizer: Any
    step: Int[Array, ""]
    """Updates so far."""
    ok: Bool[Array, ""]
    """False: the trial diverged in the update after `step`."""
    average: Params | None = None
    """Moving average of the weights, used in evaluation; None: evaluation uses `params`."""
    schedule: Any = None
    """State of the learning rate schedule; None: it has none."""
