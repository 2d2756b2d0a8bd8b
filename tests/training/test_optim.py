"""The update rule against closed forms and optax."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.training import optim
from research.training.hparams import Hparams
from tests.training import trials

TREE = {"w": jnp.array([[3.0, -4.0], [0.5, 2.0]]), "b": jnp.array([1.0, -2.0, 0.25])}


def hparams_with(**changes) -> Hparams:
    return trials.hparams_of(trials.of(**{f"training__{key}": value for key, value in changes.items()}))


def rates(steps: int, **changes) -> list[float]:
    options = hparams_with(**changes)
    return [float(optim.learning_rate(options, jnp.int32(step), steps)) for step in range(steps)]


def test_the_learning_rate_is_constant_by_default():
    assert rates(5, learning_rate=0.5) == [0.5] * 5


def test_the_warm_up_is_linear_and_ends_at_the_peak():
    np.testing.assert_allclose(rates(6, learning_rate=0.5, warmup_steps=4), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("warmup", [0, 3])
def test_the_cosine_falls_from_the_peak_as_that_of_optax_which_is_zero_after_the_last_update(warmup):
    steps = 11
    fall = optax.cosine_decay_schedule(0.2, steps - warmup)
    rise = [0.2 * (n + 1) / warmup for n in range(warmup)]
    found = rates(steps, learning_rate=0.2, warmup_steps=warmup, decay="cosine")
    np.testing.assert_allclose(found, rise + [np.asarray(fall(n)) for n in range(steps - warmup)], rtol=1e-5)
    assert fall(steps - warmup) == 0 < found[-1]


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_the_inverse_square_root_falls_from_the_peak_at_the_end_of_the_warm_up(warmup):
    steps, first = 9, max(warmup, 1)
    expected = [0.2 * min(n / first, math.sqrt(first / n)) for n in range(1, steps + 1)]
    np.testing.assert_allclose(
        rates(steps, learning_rate=0.2, warmup_steps=warmup, decay="inverse_sqrt"), expected, rtol=1e-6
    )
    # Vaswani et al. 2017: scale * min(n^-0.5, n w^-1.5)
    paper = [0.2 * math.sqrt(first) * min(n**-0.5, n * first**-1.5) for n in range(1, steps + 1)]
    np.testing.assert_allclose(expected, paper)


@pytest.mark.parametrize("decay", ["none", "cosine", "inverse_sqrt"])
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


RULES = {
    "adam": ({"beta1": 0.8, "beta2": 0.97, "epsilon": 1e-3}, optax.adam(0.01, 0.8, 0.97, 1e-3)),
    "adam by default": ({}, optax.adam(0.01)),
    "adamw": (
        {"beta1": 0.7, "weight_decay": 0.3},
        optax.adamw(0.01, 0.7, weight_decay=0.3, mask={"w": True, "b": False}),
    ),
    "sgd": ({}, optax.sgd(0.01)),
    "sgd with momentum": ({"momentum": 0.6}, optax.sgd(0.01, 0.6)),
    "rmsprop": ({"square_decay": 0.7, "epsilon": 1e-2}, optax.rmsprop(0.01, 0.7, 1e-2, eps_in_sqrt=False)),
    "rmsprop with momentum": ({"momentum": 0.6}, optax.rmsprop(0.01, 0.9, 1e-8, eps_in_sqrt=False, momentum=0.6)),
}


@pytest.mark.parametrize("case", RULES)
def test_traced_numbers_give_the_steps_of_optax(case):
    changes, reference = RULES[case]
    name = case.split()[0]

    @jax.jit
    def update(rate, hparams, grads, state, params):
        steps, state = optim.transform(name, rate, hparams.rule).update(grads, state, params)
        return optax.apply_updates(params, steps), state

    hparams = hparams_with(optimizer=name, **changes)
    own = optim.transform(name, 1.0, hparams.rule).init(TREE)
    others, ours, theirs = reference.init(TREE), TREE, TREE
    for factor in (1.0, -0.5, 2.0, 0.0):
        grads = jax.tree.map(lambda leaf, factor=factor: leaf * factor, TREE)
        ours, own = update(jnp.float32(0.01), hparams, grads, own, ours)
        steps, others = jax.jit(reference.update)(grads, others, theirs)
        theirs = optax.apply_updates(theirs, steps)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_weight_decay_spares_vectors_to_the_bit():
    def stepped(decay: float) -> Any:
        hparams = hparams_with(optimizer="adamw", weight_decay=decay)
        rule = optim.transform("adamw", 0.01, hparams.rule)
        return rule.update(TREE, rule.init(TREE), TREE)[0]

    without, much = stepped(0.0), stepped(0.5)
    np.testing.assert_array_equal(without["b"], much["b"])
    np.testing.assert_allclose(much["w"] - without["w"], -0.01 * 0.5 * TREE["w"], rtol=1e-4)


def test_values_are_cut_before_the_norm_is_taken():
    size = optim.global_norm(TREE)
    expected = jax.tree.map(lambda leaf: np.clip(leaf, -1.5, 1.5), TREE)
    found, reached = optim.clipped(TREE, size, jnp.float32(1.5), jnp.float32(np.inf))
    assert reached
    trials.assert_equal(found, expected)
    left = float(optax.tree.norm(expected))
    assert left < size
    for most in (left * 1.01, left / 2):
        found, _ = optim.clipped(TREE, size, jnp.float32(1.5), jnp.float32(most))
        np.testing.assert_allclose(optax.tree.norm(found), min(left, most), rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "most", "reached"),
    [(None, 100.0, False), (None, 1.0, True), (100.0, 100.0, False), (3.5, 100.0, True), (100.0, 1.0, True)],
)
def test_a_gradient_counts_as_clipped_if_its_values_or_its_norm_are_beyond(value, most, reached):
    cut = None if value is None else jnp.float32(value)
    assert optim.clipped(TREE, optim.global_norm(TREE), cut, jnp.float32(most))[1] == reached


def test_values_that_are_not_finite_stay_so_where_they_are_cut():
    tree = {"w": jnp.array([1.0, np.nan])}
    found, _ = optim.clipped(tree, optim.global_norm(tree), jnp.float32(0.5), jnp.float32(np.inf))
    assert np.isnan(found["w"][1])


LOSSES = [5.0, 3.0, 4.0, 4.0, 3.9, 4.1, 4.0, 3.0, 6.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("steps", "patience", "warmup"), [(2, 2, 0), (1, 1, 0), (3, 1, 4), (2, 3, 1)])
def test_the_rate_falls_after_as_many_means_that_are_no_lower(steps, patience, warmup):
    hparams = hparams_with(
        decay="plateau", plateau_steps=steps, plateau_patience=patience, plateau_factor=0.25, warmup_steps=warmup
    )
    after, plateau, found = jax.jit(optim.plateau_after), optim.no_plateau(), []
    for step, loss in enumerate(LOSSES):
        found.append(float(plateau.fall))
        plateau = after(hparams, plateau, jnp.float32(loss), jnp.int32(step))
    counted = LOSSES[warmup:]
    means = [sum(counted[i : i + steps]) / steps for i in range(0, len(counted) - steps + 1, steps)]
    lowest, waited, falls = math.inf, 0, []
    for mean in means:
        lowest, waited = (mean, 0) if mean < lowest * 0.9999 else (lowest, waited + 1)
        falls.append(waited == patience)
        waited = 0 if falls[-1] else waited
    expected = [1.0] * len(LOSSES)
    for number, fell in enumerate(falls, start=1):
        for step in range(warmup + number * steps, len(LOSSES)):
            expected[step] *= 0.25 if fell else 1
    assert found == expected and 0 < sum(falls) < len(falls)


def test_a_mean_that_is_lower_by_a_hair_is_no_lower():
    hparams = hparams_with(decay="plateau", plateau_steps=1, plateau_patience=1)
    for second, fall in ((1 - 0.5e-4, 0.5), (1 - 2e-4, 1.0)):
        plateau = optim.plateau_after(hparams, optim.no_plateau(), jnp.float32(1), jnp.int32(0))
        plateau = optim.plateau_after(hparams, plateau, jnp.float32(second), jnp.int32(1))
        assert plateau is not None and plateau.fall == fall
        peak = optim.learning_rate(hparams, jnp.int32(2), 10)
        assert optim.learning_rate(hparams, jnp.int32(2), 10, plateau) == peak * fall


@pytest.mark.parametrize("decay", [0.5, 0.999, 1e-9, 1 - 1e-6])
def test_the_average_of_weights_has_no_bias_towards_the_start(decay):
    share = jnp.asarray(hparams_with(ema_decay=decay).averaging)
    weights = np.random.default_rng(0).normal(size=(5, 3))
    average: Any = jnp.full(3, 10.0)  # the initial weights have no part in it
    for step in range(5):
        average = optim.averaged(share, average, jnp.asarray(weights[step], jnp.float32), jnp.int32(step))
        powers = decay ** np.arange(step, -1.0, -1)
        expected = powers @ weights[: step + 1] / powers.sum()
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-5)
