"""Trees cut into one stretch a device: what is cut and joined is what it was, and sums have all devices' parts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.training import optim, stretches
from research.training.stretches import Stretches
from tests.training.test_shards import on_two_devices

SHAPES = {"bias": (3,), "gain": (2,), "kernel": (3, 5), "large": (4, 16), "odd": (7, 11), "other": (2, 2)}


@pytest.fixture(autouse=True)
def leaves_of_64_are_large(monkeypatch):
    monkeypatch.setattr(stretches, "LARGE", 64)


def trees(count: int) -> dict[str, np.ndarray]:
    """So many trees, stacked."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(count, *shape)).astype(np.float32) for name, shape in SHAPES.items()}


def plan(count: int = 2) -> Stretches:
    return Stretches({name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in SHAPES.items()}, count)


def test_small_leaves_go_together_matrices_apart():
    sizes = [sum(int(np.prod(plan().shapes[index])) for index in group) for group in plan().groups]
    assert sizes == [5, 19, 64, 77]
    assert plan().matrices == [False, True, True, True]
    assert plan(1).matrices == {name: len(shape) > 1 for name, shape in SHAPES.items()}


def test_each_device_has_its_own_half_and_both_make_the_whole():
    tree = trees(1)
    same = jax.tree.map(lambda x: np.repeat(x, 2, axis=0), tree)
    halves = on_two_devices(plan().own, same)
    assert [half.shape for half in halves] == [(2, 3), (2, 10), (2, 32), (2, 39)]
    np.testing.assert_array_equal(halves[2].reshape(-1), tree["large"].reshape(-1))
    assert np.all(halves[0][1, -1:] == 0)  # filled up
    whole = on_two_devices(lambda own: plan().whole(plan().own(own)), same)
    jax.tree.map(np.testing.assert_array_equal, whole, same)


def test_the_total_is_the_sum_leaf_by_leaf_on_all_devices():
    parts = trees(2)
    found = on_two_devices(lambda own: plan().whole(plan().total(own)), parts)
    for name, part in parts.items():
        np.testing.assert_array_equal(found[name][0], found[name][1])
        np.testing.assert_array_equal(found[name][0], part[0] + part[1])


def test_what_is_not_finite_in_one_part_is_not_finite_in_all():
    parts = trees(2)
    parts["kernel"][0, 0, 0], parts["large"][1, 2, 3] = np.nan, np.inf
    found = on_two_devices(lambda own: plan().whole(plan().total(own)), parts)
    assert np.all(np.isnan(found["kernel"][:, 0, 0])) and np.all(np.isinf(found["large"][:, 2, 3]))
    assert sum(np.sum(~np.isfinite(leaf)) for leaf in found.values()) == 4


@pytest.mark.parametrize("rule", [optax.adam(0.1), optax.sgd(0.1, 0.9), optax.sgd(0.1), optax.rmsprop(0.1)])
def test_in_the_state_of_an_optimizer_what_goes_with_the_weights_is_cut_and_no_more(rule):
    weights = jax.tree.map(lambda x: jnp.asarray(x[0]), trees(1))
    _, state = rule.update(weights, rule.init(weights), weights)
    same = jax.tree.map(lambda x: jnp.stack([x, x]), state)
    like_weights = len(jax.tree.leaves(state)) // len(SHAPES)
    cut = on_two_devices(plan().cut, same)
    assert sorted(leaf.size for leaf in jax.tree.leaves(cut)) == sorted(
        [leaf.size for leaf in jax.tree.leaves(same) if leaf.ndim == 1] + [6, 20, 64, 78] * like_weights
    )
    joined = on_two_devices(lambda own: plan().joined(plan().cut(own)), same)
    jax.tree.map(np.testing.assert_array_equal, joined, same)


@pytest.mark.parametrize(("value", "most"), [(None, 0.5), (1.0, 9.0), (1.0, 0.5), (9.0, 9.0)])
@pytest.mark.parametrize("large", [0, 1])
def test_a_gradient_in_stretches_is_clipped_as_the_whole_is_wherever_its_large_values_are(value, most, large):
    whole = np.full((2, 6), 0.1, np.float32)
    whole[large, 2] = 5.0
    cut = None if value is None else jnp.float32(value)

    def clipped(own: jax.Array, parts: int):
        return optim.clipped([own], optim.global_norm([own], parts), cut, jnp.float32(most), parts)

    (found,), reached = on_two_devices(lambda own: clipped(own, 2), whole)
    (wanted,), reached_whole = clipped(jnp.asarray(whole), 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert reached.tolist() == [bool(reached_whole)] * 2


def test_one_device_has_all():
    tree, one = jax.tree.map(lambda x: x[0], trees(1)), plan(1)
    for function in (one.own, one.total, one.whole, one.cut, one.joined):
        assert function(tree) is tree
