"""Euclidean norms that neither overflow nor underflow where squares do."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def norm(x: Float[Array, "..."], axis: int | None = None) -> Float[Array, "..."]:
    """Return the Euclidean norm over all axes or one, without overflow or underflow of squares."""
    limits = jnp.finfo(x.dtype)
    # XLA may multiply by the reciprocal of the scale, so it must be a normal number as well.
    scale = jnp.clip(jnp.max(jnp.abs(x), axis=axis, keepdims=True), limits.tiny, limits.max / 16)
    return jnp.squeeze(scale, axis) * jnp.sqrt(jnp.sum(jnp.square(x / scale), axis=axis))


def global_norm(tree: object) -> Float[Array, ""]:
    """Return the norm over all leaves. Unlike optax's, it does not overflow where its square does."""
    return norm(leaf_norms(tree))


def leaf_norms(tree: object) -> Float[Array, " L"]:
    return jnp.stack([norm(leaf) for leaf in jax.tree.leaves(tree)])
