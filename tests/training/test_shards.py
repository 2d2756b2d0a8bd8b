"""The number of batch shards; sums and norms over the shards equal those of the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from research.training import shards

TINY, HUGE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def on_two_devices(function, *arguments):
    """What each of two devices gets, given its row of the arguments; results have a leading axis of two."""
    mesh = Mesh(np.array(jax.devices()[:2]), (shards.AXIS,))
    split = PartitionSpec(shards.AXIS)

    def local(*own):
        found = function(*jax.tree.map(lambda x: x[0], own))
        return jax.tree.map(lambda x: x[None], found)

    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=split, out_specs=split, check_vma=False))(*arguments)


@pytest.mark.parametrize(
    ("trials", "devices", "batch_size", "count"),
    [
        (1, 1, 32, 1),
        (1, 2, 32, 2),
        (2, 2, 32, 1),
        (3, 2, 32, 1),
        (3, 8, 32, 2),
        (1, 8, 32, 8),
        (1, 8, 12, 6),
        (1, 3, 32, 2),
        (1, 8, 7, 7),
        (1, 4, 7, 1),
        (1, 64, 4, 4),
    ],
)
def test_trials_share_the_devices_that_divide_their_batch(trials, devices, batch_size, count):
    assert shards.spare_devices(trials, devices, batch_size) == count


def test_the_total_is_that_of_all_devices():
    parts = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(on_two_devices(lambda own: shards.total(own, 2), parts), [parts[0] + parts[1]] * 2)


def test_what_is_not_finite_in_one_part_is_not_finite_in_all():
    found = on_two_devices(lambda own: shards.total(own, 2), np.array([[np.nan, 1, np.inf], [1, 2, 3]], np.float32))
    np.testing.assert_array_equal(found, [[np.nan, 3, np.inf]] * 2)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_the_norm_of_the_whole_is_that_of_its_parts_at_any_scale(scale):
    vectors = scale * np.random.default_rng(0).normal(size=(2, 4, 3, 6))
    parts = np.linalg.norm(vectors, axis=-1).astype(np.float32)
    whole = np.linalg.norm(np.concatenate([vectors[0], vectors[1]], axis=-1), axis=-1)
    found = on_two_devices(lambda own: shards.total_norm(own, 2), parts)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], whole, rtol=1e-6)


def test_norms_at_the_limits_stay_there():
    parts = np.array([[0, 4 * TINY, np.inf, 0, HUGE], [0, 3 * TINY, 1, 2, 0]], np.float32)
    found = on_two_devices(lambda own: shards.total_norm(own, 2), parts)
    np.testing.assert_allclose(found[0], np.array([0, 5 * TINY, np.inf, 2, HUGE], np.float32), rtol=1e-6)


def test_without_a_profile_there_is_nothing_to_norm():
    assert on_two_devices(lambda own: shards.total_norm(own, 2), jnp.zeros((2, 0, 0))).shape == (2, 0, 0)
