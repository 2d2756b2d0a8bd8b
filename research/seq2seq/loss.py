"""The loss of tokens and classes, and the most likely token, which decides both the error and what is decoded.

    loss = -sum_v q_v log p_v        p = softmax(logits)        q = (1 - s) * one-hot + s / V

with label smoothing s (Szegedy et al. 2016). A backward pass that computes the softmax again instead of keeping it, and
an argmax by two plain reductions, make a whole update on a CPU with a vocabulary of 4,000 less than 5% faster.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def argmax(logits: Float[Array, "*B V"]) -> Int[Array, "*B"]:
    """Return the first of the tokens with the greatest logit; where a logit is not a number, its token."""
    return jnp.argmax(logits, axis=-1)


def cross_entropy(
    logits: Float[Array, "*B V"], targets: Int[Array, "*B"], smoothing: Float[Array, ""] | None = None
) -> tuple[Float[Array, "*B"], Float[Array, "*B"], Float[Array, "*B"]]:
    """Return the loss to train on, the loss without label smoothing, and 1 where `argmax` is not the target, else 0.

    Only the first has a gradient. `smoothing` is s; None: none.
    """
    errors = argmax(jax.lax.stop_gradient(logits)) != targets
    logits = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))  # whose exponentials are finite
    target_logits = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    plain = jnp.log(jnp.sum(jnp.exp(logits), axis=-1)) - target_logits
    smoothed = plain if smoothing is None else plain + smoothing * (target_logits - jnp.mean(logits, axis=-1))
    return smoothed, jax.lax.stop_gradient(plain), errors.astype(logits.dtype)
