"""The update rule (optax), with every number of it a dynamic hyperparameter."""

from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from research.recurrent.vjp import norm
from research.training.hparams import Hparams

Tree = TypeVar("Tree")


def learning_rate(hparams: Hparams, step: Int[Array, ""], steps: int) -> Float[Array, ""]:
    """The learning rate of update number `step` (from 0): linear warm-up, then constant or a half cosine."""
    warmup = hparams.warmup_steps
    rise = jnp.minimum(1.0, (step + 1) / jnp.maximum(warmup, 1))
    progress = jnp.clip((step - warmup) / jnp.maximum(steps - warmup, 1), 0.0, 1.0)
    fall = 1 - hparams.cosine * 0.5 * (1 - jnp.cos(jnp.pi * progress))
    return hparams.learning_rate * rise * fall


def transform(name: str, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
    """The optimizer of that name at one learning rate, which may be traced."""
    return {"adam": optax.adam, "sgd": optax.sgd}[name](rate)


def global_norm(tree: object) -> Float[Array, ""]:
    """Norm over all leaves; finite wherever the norm itself is, also where its square is not."""
    return norm(jnp.stack([norm(leaf) for leaf in jax.tree.leaves(tree)]))


def clip(tree: Tree, size: Float[Array, ""], most: Float[Array, ""]) -> Tree:
    """The tree scaled down to norm `most` where its norm `size` is above that."""
    factor = jnp.where(size > most, most / size, 1.0)
    return jax.tree.map(lambda leaf: leaf * factor, tree)
