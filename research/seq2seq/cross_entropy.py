"""The loss of tokens and classes, with a backward pass of its own.

    loss = -sum_v q_v log p_v        p = softmax(logits)        q = (1 - s) * one-hot + s / V
    dloss/dlogits = p - q                                       with label smoothing s (Szegedy et al. 2016)

With vocabularies of thousands the logits are the largest arrays of a model, and on a CPU each look at them counts. So
the softmax is not kept but computed again where the gradient is formed, in one pass, and whether the target is the
likeliest is seen from the maximum that the softmax needs anyway: an argmax takes XLA several times as long.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(
    logits: Float[Array, "*B V"], targets: Int[Array, "*B"], smoothing: Float[Array, ""] | None = None
) -> tuple[Float[Array, "*B"], Float[Array, "*B"]]:
    """The loss, and 1 where another token is likelier than the target (or a logit is not a number), else 0.

    Args:
        smoothing: share s of the target's probability that is spread evenly over all V; None: none.
    """
    loss = _cross_entropy(logits, targets, smoothing)
    best = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
    return loss, 1 - (jax.lax.stop_gradient(_at(logits, targets)) >= best).astype(logits.dtype)


@jax.custom_vjp
def _cross_entropy(logits: Array, targets: Array, smoothing: Array | None) -> Array:
    return _forward(logits, targets, smoothing)[0]


def _forward(logits: Array, targets: Array, smoothing: Array | None) -> tuple[Array, tuple]:
    best = jnp.max(logits, axis=-1)
    total = jnp.log(jnp.sum(jnp.exp(logits - best[..., None]), axis=-1))
    wanted = _at(logits, targets) - best
    if smoothing is not None:
        wanted = (1 - smoothing) * wanted + smoothing * (jnp.mean(logits, axis=-1) - best)
    return total - wanted, (logits, targets, smoothing, best, total)


def _backward(kept: tuple, gradient: Array) -> tuple[Array, None, Array | None]:
    logits, targets, smoothing, best, total = kept
    places = jnp.arange(logits.shape[-1]).reshape((1,) * targets.ndim + (-1,))
    wanted = (places == targets[..., None]).astype(logits.dtype)
    change = None
    if smoothing is not None:
        wanted = (1 - smoothing) * wanted + smoothing / logits.shape[-1]
        change = jnp.sum(gradient * (_at(logits, targets) - jnp.mean(logits, axis=-1)))
    return (jnp.exp(logits - best[..., None] - total[..., None]) - wanted) * gradient[..., None], None, change


_cross_entropy.defvjp(_forward, _backward)


def _at(logits: Array, targets: Array) -> Array:
    """The logits of the targets."""
    return jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
