"""The update rule (optax), with every number of it a dynamic hyperparameter, and what surrounds it.

    learning rate    peak * rise(i) * fall(i)        rise(i) = min(1, i / w)        update i from 1, warm-up w
    none             fall = 1
    cosine           fall = (1 + cos(pi (i - 1 - w) / (n - w))) / 2 after the warm-up, n updates in all: from the peak
                     in update w + 1 to what would be 0 in update n + 1 (Loshchilov & Hutter 2017, as in optax)
    inverse_sqrt     fall = sqrt(w / i) after the warm-up (Vaswani et al. 2017)
    plateau          fall = factor^k, k the plateaus of the training loss so far

The plateau is one of the training loss, as what is held out is kept for the test and decides nothing.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from research.recurrent.vjp import norm
from research.training import shards
from research.training.hparams import Hparams, Rule

Tree = TypeVar("Tree")
LOWER = 1e-4
"""A mean of the loss is lower than another if it is so by this share of it, as in torch and optax."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Plateau:
    """What the learning rate has seen of the loss."""

    fall: Float[Array, ""]
    lowest: Float[Array, ""]
    """The lowest mean."""
    total: Float[Array, ""]
    """Sum of the losses that make the next mean."""
    count: Int[Array, ""]
    """How many they are."""
    waited: Int[Array, ""]
    """Means since the lowest, or since the rate fell."""


def no_plateau() -> Plateau:
    """Before the first update."""
    return Plateau(jnp.float32(1), jnp.float32(jnp.inf), jnp.float32(0), jnp.int32(0), jnp.int32(0))


def plateau_after(
    hparams: Hparams, plateau: Plateau | None, loss: Float[Array, ""], step: Int[Array, ""]
) -> Plateau | None:
    """What is known after update number `step` (from 0), which had that loss; updates of the warm-up do not count."""
    patience = hparams.patience
    if plateau is None or patience is None:
        return None
    counts = step >= hparams.warmup_steps
    total, count = plateau.total + jnp.where(counts, loss, 0), plateau.count + counts
    full = count == patience.steps
    mean = total / patience.steps
    lower = mean < (1 - LOWER) * plateau.lowest
    waited = jnp.where(lower, 0, plateau.waited + 1)
    falls = waited == patience.means
    after = Plateau(
        fall=jnp.where(falls, plateau.fall * patience.factor, plateau.fall),
        lowest=jnp.where(lower, mean, plateau.lowest),
        total=jnp.zeros_like(total),
        count=jnp.zeros_like(count),
        waited=jnp.where(falls, 0, waited),
    )
    going_on = Plateau(plateau.fall, plateau.lowest, total, count, plateau.waited)
    return jax.tree.map(lambda new, old: jnp.where(full, new, old), after, going_on)


def learning_rate(
    hparams: Hparams, step: Int[Array, ""], steps: int, plateau: Plateau | None = None
) -> Float[Array, ""]:
    """The learning rate of update number `step` (from 0) of `steps`."""
    warmup = hparams.warmup_steps
    rise = jnp.minimum(1.0, (step + 1) / jnp.maximum(warmup, 1))
    progress = jnp.clip((step - warmup) / jnp.maximum(steps - warmup, 1), 0.0, 1.0)
    fall = 1 - hparams.cosine * 0.5 * (1 - jnp.cos(jnp.pi * progress))
    since = jnp.minimum(1.0, jnp.maximum(warmup, 1) / (step + 1))
    fall = jnp.where(hparams.inverse_sqrt == 1, jnp.sqrt(since), fall)
    return hparams.learning_rate * rise * fall * (1.0 if plateau is None else plateau.fall)


def transform(
    name: str, rate: Float[Array, ""] | float, rule: Rule, matrices: Any = None
) -> optax.GradientTransformation:
    """The optimizer of that name at one learning rate; all numbers may be traced.

    Args:
        matrices: which leaves weight decay takes from, a tree like that of the weights; None: those with two axes, not
            biases, gains and other vectors.
    """
    by_rate = optax.scale_by_learning_rate(rate)
    if name == "adam":
        return optax.chain(_adam(rule), by_rate)
    if name == "adamw":
        return optax.chain(
            _adam(rule),
            optax.add_decayed_weights(rule.weight_decay, _matrices if matrices is None else matrices),
            by_rate,
        )
    if name == "sgd":
        return optax.sgd(rate, rule.momentum)
    assert name == "rmsprop", name
    options = {"eps": rule.epsilon, "eps_in_sqrt": False, "momentum": rule.momentum}
    return optax.rmsprop(rate, rule.square_decay, **options)


def _adam(rule: Rule) -> optax.GradientTransformation:
    """`optax.scale_by_adam`, which can be told beta alone: in float32, 1 - beta2 is then 5e-5 off at beta2 = 0.999."""

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        count = optax.safe_increment(state.count)
        first, second = rule.share1, rule.share2
        mu = jax.tree.map(lambda g, m: first * g + (1 - first) * m, updates, state.mu)
        nu = jax.tree.map(lambda g, v: second * g**2 + (1 - second) * v, updates, state.nu)
        whole1, whole2 = 1 - (1 - first) ** count, 1 - (1 - second) ** count
        steps = jax.tree.map(lambda m, v: (m / whole1) / (jnp.sqrt(v / whole2) + rule.epsilon), mu, nu)
        return steps, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(optax.scale_by_adam().init, update)


def _matrices(params: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)


def global_norm(tree: object, parts: int = 1) -> Float[Array, ""]:
    """Norm over all leaves; finite wherever the norm itself is, also where its square is not.

    Args:
        parts: of the batch; if there is more than one, the tree is a stretch of what all devices have together.
    """
    return shards.total_norm(norm(jnp.stack([norm(leaf) for leaf in jax.tree.leaves(tree)])), parts)


def clip(tree: Tree, size: Float[Array, ""], most: Float[Array, ""]) -> Tree:
    """The tree scaled down to norm `most` where its norm `size` is above that."""
    factor = jnp.where(size > most, most / size, 1.0)
    return jax.tree.map(lambda leaf: leaf * factor, tree)


def clipped(
    grads: Tree, size: Float[Array, ""], value: Float[Array, ""] | None, most: Float[Array, ""], parts: int = 1
) -> tuple[Tree, Bool[Array, ""]]:
    """The gradient with each entry cut to ±`value`, then scaled down to norm `most`; whether either has changed it.

    Args:
        size: norm of the gradient as it comes.
        value: None: nothing is cut.
        parts: as of `global_norm`.
    """
    if value is None:
        return clip(grads, size, most), size > most
    cut = jax.tree.map(lambda leaf: jnp.clip(leaf, -value, value), grads)
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(grads)]))
    left = global_norm(cut, parts)
    return clip(cut, left, most), (shards.largest(largest, parts) > value) | (left > most)


def averaged(share: Float[Array, ""] | None, average: Tree | None, params: Tree, step: Int[Array, ""]) -> Tree | None:
    """The moving average after update number `step` (from 0), without bias towards the start.

        a_i = sum_j d^(i-j) w_j / sum_j d^(i-j)        weights w_j after update j = 1 ... i, decay d = 1 - share

    So the initial weights have no part in it. It is also a_i = a_{i-1} + (1 - d) / (1 - d^i) (w_i - a_{i-1}).
    """
    if share is None:
        return None
    newest = share / -jnp.expm1((step + 1) * jnp.log1p(-share))
    return jax.tree.map(lambda new, old: newest * new + (1 - newest) * old, params, average)
