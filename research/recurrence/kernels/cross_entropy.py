"""The loss of tokens and classes, with a backward pass of its own, and the most likely token.

    loss = -sum_v q_v log p_v        p = softmax(logits)        q = (1 - s) * one-hot + s / V
    dloss/dlogits = p - q                                       with label smoothing s (Szegedy et al. 2016)

With vocabularies of thousands the logits are the largest arrays of a model, and on a CPU each pass over them counts. So
the softmax is not kept but computed again where the gradient is formed, in one pass.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def argmax(logits: Float[Array, "*B V"]) -> Int[Array, "*B"]:
    """Return the first of the tokens with the greatest logit; the last token where a logit is not a number.

    XLA's argmax on a CPU is a reduction of pairs, which takes no vector instructions: six times as long as two plain
    reductions.
    """
    size = logits.shape[-1]
    best = jnp.max(logits, axis=-1, keepdims=True)
    return jnp.minimum(jnp.min(jnp.where(logits == best, jnp.arange(size), size), axis=-1), size - 1)


def cross_entropy(
    logits: Float[Array, "*B V"], targets: Int[Array, "*B"], smoothing: Float[Array, ""] | None = None
) -> tuple[Float[Array, "*B"], Float[Array, "*B"], Float[Array, "*B"]]:
    """Return the loss to train on, the loss without label smoothing, and 1 where `argmax` is not the target, else 0.

    Only the first has a gradient.

    Args:
        logits: unnormalized log-probabilities of the V tokens or classes.
        targets: the true ones.
        smoothing: share s of the target's probability that is spread evenly over all V; None: none.
    """
    smoothed, plain = _losses(logits, targets, smoothing)
    errors = argmax(jax.lax.stop_gradient(logits)) != targets
    return smoothed, jax.lax.stop_gradient(plain), errors.astype(logits.dtype)


@jax.custom_vjp
def _losses(logits: Array, targets: Array, smoothing: Array | None) -> tuple[Array, Array]:
    return _forward(logits, targets, smoothing)[0]


def _forward(logits: Array, targets: Array, smoothing: Array | None) -> tuple[tuple[Array, Array], tuple]:
    best = jnp.max(logits, axis=-1)
    total = jnp.log(jnp.sum(jnp.exp(logits - best[..., None]), axis=-1))
    target_logits = _at(logits, targets) - best
    expected = target_logits
    if smoothing is not None:
        expected = (1 - smoothing) * target_logits + smoothing * (jnp.mean(logits, axis=-1) - best)
    return (total - expected, total - target_logits), (logits, targets, smoothing, best, total)


def _backward(kept: tuple, gradients: tuple[Array, Array]) -> tuple[Array, None, Array | None]:
    logits, targets, smoothing, best, total = kept
    gradient, _ = gradients
    places = jnp.arange(logits.shape[-1]).reshape((1,) * targets.ndim + (-1,))
    wanted = (places == targets[..., None]).astype(logits.dtype)
    change = None
    if smoothing is not None:
        wanted = (1 - smoothing) * wanted + smoothing / logits.shape[-1]
        change = jnp.sum(gradient * (_at(logits, targets) - jnp.mean(logits, axis=-1)))
    return (jnp.exp(logits - best[..., None] - total[..., None]) - wanted) * gradient[..., None], None, change


_losses.defvjp(_forward, _backward)


def _at(logits: Array, targets: Array) -> Array:
    """Return the logits of the targets."""
    return jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
