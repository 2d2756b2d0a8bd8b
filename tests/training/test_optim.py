"""The update rule against closed forms and optax."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.training import optim
from tests.training import trials

TREE = {"w": jnp.array([[3.0, -4.0], [0.5, 2.0]]), "b": jnp.array([1.0, -2.0, 0.25])}


def rates(steps: int, **changes) -> list[float]:
    options = trials.hparams_of(trials.of(**{f"training__{key}": value for key, value in changes.items()}))
    return [float(optim.learning_rate(options, jnp.int32(step), steps)) for step in range(steps)]


def test_the_learning_rate_is_constant_by_default():
    assert rates(5, learning_rate=0.5) == [0.5] * 5


def test_the_warm_up_is_linear_and_ends_at_the_peak():
    np.testing.assert_allclose(rates(6, learning_rate=0.5, warmup_steps=4), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("warmup", [0, 3])
def test_the_cosine_falls_from_the_peak_towards_zero_at_the_last_step(warmup):
    steps = 11
    fall = [0.5 * (1 + math.cos(math.pi * n / (steps - warmup))) for n in range(steps - warmup)]
    rise = [(n + 1) / warmup for n in range(warmup)]
    found = rates(steps, learning_rate=0.2, warmup_steps=warmup, decay="cosine")
    np.testing.assert_allclose(found, [0.2 * factor for factor in rise + fall], rtol=1e-5)


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_a_warm_up_longer_than_the_training_only_rises(decay):
    found = rates(3, learning_rate=1.0, warmup_steps=10, decay=decay)
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("most", [0.5, 5.0, 100.0, math.inf])
def test_clipping_is_that_of_optax_where_squares_can_be_held(most):
    size = optim.global_norm(TREE)
    np.testing.assert_allclose(size, optax.tree.norm(TREE), rtol=1e-6)
    expected, _ = optax.clip_by_global_norm(most).update(TREE, optax.EmptyState())
    for found, wanted in zip(*map(jax.tree.leaves, (optim.clip(TREE, size, jnp.float32(most)), expected)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_the_norm_holds_where_its_square_does_not(scale):
    tree = jax.tree.map(lambda leaf: leaf * jnp.float32(scale), TREE)
    size = optim.global_norm(tree)
    np.testing.assert_allclose(size / scale, optax.tree.norm(TREE), rtol=1e-5)
    clipped = optim.clip(tree, size, jnp.float32(scale))
    np.testing.assert_allclose(optim.global_norm(clipped) / scale, 1.0, rtol=1e-5)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_norm_of_what_is_not_finite_is_not_finite(bad):
    assert not jnp.isfinite(optim.global_norm({**TREE, "c": jnp.array([0.0, bad])}))


@pytest.mark.parametrize(("name", "reference"), [("adam", optax.adam), ("sgd", optax.sgd)])
def test_a_traced_learning_rate_gives_the_steps_of_optax(name, reference):
    @jax.jit
    def update(rate, grads, state):
        return optim.transform(name, rate).update(grads, state)

    ours = theirs = optim.transform(name, 1.0).init(TREE)
    for factor in (1.0, -0.5, 2.0):
        grads = jax.tree.map(lambda leaf, factor=factor: leaf * factor, TREE)
        found, ours = update(jnp.float32(0.01), grads, ours)
        wanted, theirs = reference(0.01).update(grads, theirs)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
