"""The training state of a trial."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

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


def update_average(decay: Float[Array, ""], average: Params, params: Params, step: Int[Array, ""]) -> Params:
    """Return the bias-corrected moving average of the weights after update number `step`, from 0.

        a_i = sum_j d^(i-j) w_j / sum_j d^(i-j) = a_{i-1} + (1 - d) / (1 - d^i) (w_i - a_{i-1})

    with decay d and the weights w_j after update j = 1 ... i: the initial weights do not contribute. `expm1` keeps
    1 - d^i accurate where d^i is close to 1.
    """
    newest = (1 - decay) / -jnp.expm1((step + 1) * jnp.log(decay))
    return optax.incremental_update(params, average, newest)
