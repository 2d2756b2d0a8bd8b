"""The exponential moving average of the weights."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Tree = TypeVar("Tree")


def update_average(decay: Float[Array, ""], average: Tree, params: Tree, step: Int[Array, ""]) -> Tree:
    """Return the bias-corrected average after update number `step`, from 0.

        a_i = sum_j d^(i-j) w_j / sum_j d^(i-j) = a_{i-1} + (1 - d) / (1 - d^i) (w_i - a_{i-1})

    with decay d and the weights w_j after update j = 1 ... i: the initial weights do not contribute. `expm1` keeps
    1 - d^i accurate where d^i is close to 1.

    Args:
        decay: greater than 0 and less than 1.
        average: before the update. Its value before the first update does not matter.
        params: weights after the update.
        step: updates before this one.
    """
    newest = (1 - decay) / -jnp.expm1((step + 1) * jnp.log(decay))
    return jax.tree.map(lambda new, old: newest * new + (1 - newest) * old, params, average)
