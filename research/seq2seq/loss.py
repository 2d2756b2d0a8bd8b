"""The loss of tokens and classes, and the argmax that training errors and decoding share.

    loss = -sum_v q_v log p_v        p = softmax(logits)        q = (1 - s) * one-hot + s / V

with label smoothing s (Szegedy et al. 2016). Computing the softmax again in the backward pass, and an argmax by two
reductions, would make an update on a CPU with a vocabulary of 4,000 less than 5% faster.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def argmax(logits: Float[Array, "*B V"]) -> Int[Array, "*B"]:
    """Return the first index of the largest logit; the first NaN counts as the largest."""
    return jnp.argmax(logits, axis=-1)


def cross_entropy(
    logits: Float[Array, "*B V"], targets: Int[Array, "*B"], smoothing: Float[Array, ""] | None = None
) -> tuple[Float[Array, "*B"], Float[Array, "*B"], Float[Array, "*B"]]:
    """Return the training loss, the loss without label smoothing, and the error: 1 unless `argmax` is the target.

    Only the training loss has a gradient. `smoothing` is s; None: no smoothing.
    """
    errors = argmax(jax.lax.stop_gradient(logits)) != targets
    logits = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))  # so that exp is finite
    target_logits = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    plain = jnp.log(jnp.sum(jnp.exp(logits), axis=-1)) - target_logits
    smoothed = plain if smoothing is None else plain + smoothing * (target_logits - jnp.mean(logits, axis=-1))
    return smoothed, jax.lax.stop_gradient(plain), errors.astype(logits.dtype)
