"""The order of examples is a fresh permutation each epoch, and a pure function of key and step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks.order import Order, permute
from tests import quick


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 64, 65, 1000, 4097])
def test_a_permutation_sends_every_index_to_another(size):
    run = quick.jit(lambda key: permute(jnp.arange(size, dtype=jnp.int32), size, key))
    images = [np.asarray(run(jax.random.key(seed))) for seed in range(3)]
    for image in images:
        np.testing.assert_array_equal(np.sort(image), np.arange(size))
    if size >= 15:
        assert len({image.tobytes() for image in images}) == 3
        assert all(np.mean(image == np.arange(size)) < 0.4 for image in images)


def test_over_keys_every_index_goes_everywhere_equally_often():
    size, keys = 6, 6000
    run = quick.jit(jax.vmap(lambda key: permute(jnp.arange(size, dtype=jnp.int32), size, key)))
    images = np.asarray(run(jax.random.split(jax.random.key(0), keys)))
    counts = np.stack([np.bincount(images[:, index], minlength=size) for index in range(size)])
    np.testing.assert_allclose(counts, keys / size, rtol=0.2)  # 7 standard deviations


def batches(order: Order, steps: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The bucket and the rows of each step."""

    def at(step):
        key = jax.random.key(seed)
        rows = [order.rows(key, step, bucket) for bucket in range(len(order.sizes))]
        return order.bucket(key, step), jnp.stack(rows)

    buckets, rows = jax.device_get(quick.jit(jax.vmap(at))(jnp.arange(steps, dtype=jnp.int32)))
    return buckets, rows[np.arange(steps), buckets]


DIVISIBLE = Order((12, 8, 20), 4)
EPOCH = 10


@pytest.fixture(scope="module")
def epochs() -> tuple[np.ndarray, np.ndarray]:
    """Three epochs: the buckets [3, 10] and the rows [3, 10, 4]."""
    buckets, rows = batches(DIVISIBLE, 3 * EPOCH)
    return buckets.reshape(3, EPOCH), rows.reshape(3, EPOCH, 4)


def test_each_epoch_visits_each_example_once(epochs):
    for rows in epochs[1]:
        np.testing.assert_array_equal(np.sort(rows, axis=None), np.arange(40))


def test_a_batch_comes_from_one_bucket_and_the_buckets_come_mixed(epochs):
    first, last = np.array([0, 12, 20]), np.array([12, 20, 40])
    for buckets, rows in zip(*epochs, strict=True):
        assert np.bincount(buckets).tolist() == [3, 2, 5] == list(DIVISIBLE.batches)
        assert np.all((rows >= first[buckets][:, None]) & (rows < last[buckets][:, None]))
        assert np.any(np.diff(buckets) < 0)


def test_epochs_and_seeds_differ(epochs):
    buckets, rows = epochs
    assert len({each.tobytes() for each in buckets}) == 3
    members = [sorted(sorted(batch) for batch in each.tolist()) for each in rows]
    assert members[0] != members[1] != members[2] != members[0]  # other batches, not the same in another order
    assert np.any(batches(DIVISIBLE, EPOCH, seed=1)[1] != rows[0])


def test_a_step_is_the_same_whichever_steps_are_taken_with_it(epochs):
    key, step = jax.random.key(0), jnp.int32(17)
    bucket = int(quick.jit(DIVISIBLE.bucket)(key, step))
    assert bucket == epochs[0].ravel()[17]
    rows = quick.jit(DIVISIBLE.rows, static_argnums=2)(key, step, bucket)
    np.testing.assert_array_equal(rows, epochs[1].reshape(-1, 4)[17])


def test_what_does_not_fill_a_batch_waits_for_another_epoch():
    order = Order((11, 6), 4)
    assert order.batches == (2, 1)
    buckets, rows = batches(order, 3 * 40)
    for epoch in rows.reshape(40, 12):
        assert len(set(epoch.tolist())) == 12
    assert set(rows.ravel().tolist()) == set(range(17))
    assert np.all((rows < 11) == (buckets == 0)[:, None])


def test_a_bucket_smaller_than_a_batch_repeats_examples_within_it():
    order = Order((3, 8), 4)
    buckets, rows = batches(order, 9)
    assert np.sum(buckets == 0) == 3
    for row in rows[buckets == 0]:
        assert set(row.tolist()) == {0, 1, 2}


def test_no_batch_comes_from_an_empty_bucket() -> None:
    order = Order((5, 0, 7), 2)
    assert order.batches == (2, 0, 3)
    drawn = {int(order.bucket(jax.random.key(0), jnp.asarray(step))) for step in range(20)}
    assert drawn == {0, 2}


@pytest.mark.parametrize("order", [DIVISIBLE, Order((3, 70000), 4)])
def test_the_schedule_of_the_host_is_the_order_of_the_device(order):
    for seed, steps in ((0, 3 * EPOCH), (5, EPOCH)):
        buckets, rows = batches(order, steps, seed)
        schedule = order.schedule(jax.random.key(seed), steps)
        for step in range(steps):
            bucket, own = schedule.at(step)
            assert bucket == buckets[step]
            np.testing.assert_array_equal(own, rows[step])
