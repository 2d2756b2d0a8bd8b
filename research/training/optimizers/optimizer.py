"""The base class of optimizers: learning rate, gradient clipping, and an optax transformation.

Numbers are traced, so trials that differ in them share a compiled program. docs/extending.md has the recipe of a new
optimizer.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from research.errors import require_returned
from research.options import require, traced
from research.recurrence.norms import global_norm

Tree = TypeVar("Tree")
MAX_DECAY = 1 - 1e-6
"""The largest decay of a moving average that float32 distinguishes from 1 with a margin."""


@dataclass(frozen=True)
class Optimizer:
    """The base of all optimizers."""

    name: str = ""
    learning_rate: float = traced(1e-3)
    """Peak learning rate."""
    clip_norm: float = traced(1.0)
    """Largest global norm of the gradient, to which larger ones are scaled down; inf: no clipping."""
    clip_value: float = traced(math.inf, off=math.inf)
    """Largest magnitude of an entry of the gradient, clipped before `clip_norm`; inf: no clipping."""

    def __post_init__(self) -> None:
        rate = self.learning_rate
        require(0 < rate < math.inf, "optimizer.learning_rate", rate, "greater than 0 and finite")
        require(self.clip_norm > 0, "optimizer.clip_norm", self.clip_norm, "greater than 0 (inf: never clip)")
        require(self.clip_value > 0, "optimizer.clip_value", self.clip_value, "greater than 0 (inf: never clip)")

    def transform(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        """Return the optax transformation at one learning rate. All numbers may be traced."""
        raise NotImplementedError

    def transformation(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        """Return what `transform` returns; raise a UserError if that is none of optax's."""
        found = self.transform(rate)
        fits = isinstance(found, optax.GradientTransformation)
        require_returned(fits, f"optimizer {self.name}: transform returns", found, "an optax.GradientTransformation")
        return found

    def clip(self, grads: Tree, grad_norm: Float[Array, ""]) -> tuple[Tree, Bool[Array, ""]]:
        """Clip each entry to ±`clip_value`, then scale the gradient, of norm `grad_norm`, down to `clip_norm`.

        Return the clipped gradient, and whether it differs from `grads`.
        """
        if self.clip_value is None:  # off
            return _scale_to(grads, grad_norm, self.clip_norm), jnp.asarray(grad_norm > self.clip_norm)
        bound = self.clip_value
        cut = jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), grads)
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(grads)]))
        cut_norm = global_norm(cut)
        return _scale_to(cut, cut_norm, self.clip_norm), (largest > bound) | (cut_norm > self.clip_norm)


def _scale_to(tree: Tree, size: Float[Array, ""], limit: Float[Array, ""] | float) -> Tree:
    factor = jnp.where(size > limit, limit / size, 1.0)
    return jax.tree.map(lambda leaf: leaf * factor, tree)
