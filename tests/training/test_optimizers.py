"""Update rules against optax with plain numbers; clipping and the average of the weights against closed forms."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.errors import UserError
from research.options import bind, numbers
from research.training.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSProp
from research.training.optimizers.optimizer import global_norm
from research.training.state import update_average
from tests.training.trials import assert_equal

TREE = {"w": jnp.array([[3.0, -4.0], [0.5, 2.0]]), "b": jnp.array([1.0, -2.0, 0.25])}


def bound(optimizer: Optimizer) -> Optimizer:
    """Return the update rule as a program sees it."""
    return bind(optimizer, {name: jnp.asarray(value) for name, value in numbers(optimizer).items()})


RULES = [
    (Adam(), optax.adam(0.01)),
    (Adam(beta1=0.8, beta2=0.97, eps=1e-3), optax.adam(0.01, 0.8, 0.97, 1e-3)),
    (AdamW(beta1=0.7, weight_decay=0.3), optax.adamw(0.01, 0.7, weight_decay=0.3, mask={"w": True, "b": False})),
    (SGD(), optax.sgd(0.01)),
    (SGD(momentum=0.6), optax.sgd(0.01, 0.6)),
    (RMSProp(decay=0.7, eps=1e-2), optax.rmsprop(0.01, 0.7, 1e-2, eps_in_sqrt=False)),
    (RMSProp(momentum=0.6), optax.rmsprop(0.01, 0.9, 1e-8, eps_in_sqrt=False, momentum=0.6)),
]
"""Optimizers and what they must compute at a learning rate of 0.01."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_reference(name):
    if name not in [optimizer.name for optimizer, _ in RULES]:
        pytest.skip(f"no reference of {name}: add one to RULES in tests/training/test_optimizers.py")


@pytest.mark.parametrize(("optimizer", "reference"), RULES, ids=lambda case: getattr(case, "name", ""))
def test_traced_numbers_give_the_steps_of_optax(optimizer, reference):
    @jax.jit
    def update(rate, values, grads, state, params):
        steps, state = bind(optimizer, values).transform(rate).update(grads, state, params)
        return optax.apply_updates(params, steps), state

    state, other_state = bound(optimizer).transform(1.0).init(TREE), reference.init(TREE)
    params = other_params = TREE
    for factor in (1.0, -0.5, 2.0, 0.0):
        grads = jax.tree.map(lambda leaf, factor=factor: leaf * factor, TREE)
        params, state = update(jnp.float32(0.01), numbers(optimizer), grads, state, params)
        steps, other_state = jax.jit(reference.update)(grads, other_state, other_params)
        other_params = optax.apply_updates(other_params, steps)
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(other_params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_weight_decay_spares_vectors_to_the_bit():
    def stepped(decay: float) -> Any:
        rule = bound(AdamW(weight_decay=decay)).transform(0.01)
        return rule.update(TREE, rule.init(TREE), TREE)[0]

    without, much = stepped(0.0), stepped(0.5)
    np.testing.assert_array_equal(without["b"], much["b"])
    np.testing.assert_allclose(much["w"] - without["w"], -0.01 * 0.5 * TREE["w"], rtol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1e25, 1e-25])
def test_the_norm_holds_where_its_square_does_not(scale):
    tree = jax.tree.map(lambda leaf: leaf * jnp.float32(scale), TREE)
    np.testing.assert_allclose(global_norm(tree) / scale, optax.tree.norm(TREE), rtol=1e-5)
    clipped, _ = bound(Adam(clip_norm=scale)).clip(tree, global_norm(tree))
    np.testing.assert_allclose(global_norm(clipped) / scale, 1.0, rtol=1e-5)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_norm_of_what_is_not_finite_is_not_finite(bad):
    assert not jnp.isfinite(global_norm({**TREE, "c": jnp.array([0.0, bad])}))


@pytest.mark.parametrize("most", [0.5, 100.0, math.inf])
def test_clipping_is_that_of_optax_where_squares_can_be_held(most):
    expected, _ = optax.clip_by_global_norm(most).update(TREE, optax.EmptyState())
    found, _ = bound(Adam(clip_norm=most)).clip(TREE, global_norm(TREE))
    for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_values_are_cut_before_the_norm_is_taken():
    size = global_norm(TREE)
    expected = jax.tree.map(lambda leaf: np.clip(leaf, -1.5, 1.5), TREE)
    found, _ = bound(Adam(clip_norm=math.inf, clip_value=1.5)).clip(TREE, size)
    assert_equal(found, expected)
    left = float(optax.tree.norm(expected))
    assert left < size
    for most in (left * 1.01, left / 2):
        found, _ = bound(Adam(clip_norm=most, clip_value=1.5)).clip(TREE, size)
        np.testing.assert_allclose(optax.tree.norm(found), min(left, most), rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "most", "clipped"),
    [
        (math.inf, 100.0, False),
        (math.inf, 1.0, True),
        (100.0, 100.0, False),
        (3.5, 100.0, True),
        (100.0, 1.0, True),
    ],
)
def test_a_gradient_counts_as_clipped_if_its_values_or_its_norm_are_beyond(value, most, clipped):
    assert bound(Adam(clip_norm=most, clip_value=value)).clip(TREE, global_norm(TREE))[1] == clipped


def test_values_that_are_not_finite_stay_so_where_they_are_cut():
    tree = {"w": jnp.array([1.0, np.nan])}
    found, _ = bound(Adam(clip_norm=math.inf, clip_value=0.5)).clip(tree, global_norm(tree))
    assert np.isnan(found["w"][1])


@pytest.mark.parametrize("decay", [0.5, 0.999, 1e-9, 1 - 1e-6])
def test_the_average_of_weights_has_no_bias_towards_the_start(decay):
    weights = np.random.default_rng(0).normal(size=(5, 3))
    average: Any = jnp.full(3, 10.0)  # the initial weights do not contribute
    for step in range(5):
        new = jnp.asarray(weights[step], jnp.float32)
        average = update_average(jnp.float32(decay), average, new, jnp.int32(step))
        powers = decay ** np.arange(step, -1.0, -1)
        expected = powers @ weights[: step + 1] / powers.sum()
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("adam", {"learning_rate": 0.0}, "optimizer.learning_rate=0.0: must be greater than 0"),
        ("adam", {"learning_rate": math.nan}, "optimizer.learning_rate=nan: must be greater than 0"),
        ("adam", {"clip_norm": 0.0}, "optimizer.clip_norm=0.0: must be greater than 0"),
        ("adam", {"beta2": 1.0}, "optimizer.beta2=1.0: must be between 0 and"),
        ("adamw", {"beta1": 1.0}, "optimizer.beta1=1.0: must be between 0 and"),
        ("sgd", {"momentum": 1.0}, "optimizer.momentum=1.0: must be at least 0 and less than 1"),
        ("rmsprop", {"eps": 0.0}, "optimizer.eps=0.0: must be between 1e-30 and 1"),
    ],
)
def test_a_number_out_of_range_is_one_line(name, options, line):
    with pytest.raises(UserError) as raised:
        OPTIMIZERS[name](**options)
    assert str(raised.value).startswith(line)
