"""The order of examples is another permutation each epoch, and a pure function of key and step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.data.order import AUGMENT, ORDER, SAMPLE, Order, permute, permute_on_host, round_keys, stream

STEPS = 30


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 64, 65, 1000, 4097])
def test_a_permutation_sends_every_index_to_another(size):
    """On the host; the device has the same permutations (below)."""
    keys = [np.asarray(round_keys(jax.random.key(seed))) for seed in range(3)]
    images = [permute_on_host(np.arange(size), size, key) for key in keys]
    for image in images:
        np.testing.assert_array_equal(np.sort(image), np.arange(size))
    if size >= 15:
        assert len({image.tobytes() for image in images}) == 3
        assert all(np.mean(image == np.arange(size)) < 0.4 for image in images)


def test_over_keys_every_index_goes_everywhere_equally_often_on_the_host_as_on_the_device():
    size, keys = 6, jax.random.split(jax.random.key(0), 6000)
    images = np.asarray(jax.jit(jax.vmap(lambda key: permute(jnp.arange(size), size, key)))(keys))
    counts = np.stack([np.bincount(images[:, index], minlength=size) for index in range(size)])
    np.testing.assert_allclose(counts, len(keys) / size, rtol=0.2)  # 7 standard deviations
    for key, image in zip(np.asarray(jax.vmap(round_keys)(keys[:50])), images, strict=False):
        np.testing.assert_array_equal(permute_on_host(np.arange(size), size, key), image)


@functools.cache
def program(order: Order):
    """Return the bucket of each step, and the rows that its batch would have from each bucket."""

    def at(seed, step):
        key = jax.random.key(seed)
        rows = [order.rows(key, step, bucket) for bucket, size in enumerate(order.sizes) if size]
        return order.bucket(step), jnp.stack(rows)

    return jax.jit(jax.vmap(at, in_axes=(None, 0)))


def batches(order: Order, seed: int = 0, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets and the rows of so many steps."""
    buckets, rows = jax.device_get(program(order)(seed, first + jnp.arange(STEPS)))
    place = np.cumsum(np.array(order.sizes) > 0) - 1  # of a bucket among those that are not empty
    return buckets, rows[np.arange(STEPS), place[buckets]]


DIVISIBLE = Order((12, 8, 20), 4)
EPOCH = 10
UNEVEN = Order((11, 0, 3, 6), 4)


@pytest.fixture(scope="module")
def epochs() -> tuple[np.ndarray, np.ndarray]:
    """Three epochs: the buckets [3, 10] and the rows [3, 10, 4]."""
    buckets, rows = batches(DIVISIBLE)
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
    assert len({part.tobytes() for part in buckets}) == 3
    members = [sorted(sorted(batch) for batch in part.tolist()) for part in rows]
    assert members[0] != members[1] != members[2] != members[0]  # other batches, not the same in another order
    other_buckets, other_rows = batches(DIVISIBLE, seed=1)
    np.testing.assert_array_equal(other_buckets, buckets.ravel())  # so that a batched pack computes one bucket
    assert np.any(other_rows[:EPOCH] != rows[0])


def test_a_step_is_the_same_whichever_steps_are_taken_with_it(epochs):
    buckets, rows = batches(DIVISIBLE, first=17)
    np.testing.assert_array_equal(buckets[:13], epochs[0].ravel()[17:])
    np.testing.assert_array_equal(rows[:13], epochs[1].reshape(-1, 4)[17:])


def test_what_does_not_fill_a_batch_waits_small_buckets_repeat_and_empty_ones_have_none():
    assert UNEVEN.batches == (2, 0, 1, 1)
    chosen = [batches(UNEVEN, first=first) for first in (0, 30, 60, 90)]
    buckets, rows = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    assert np.bincount(buckets).tolist() == [60, 0, 30, 30]
    for epoch, part in zip(buckets.reshape(-1, 4), rows.reshape(-1, 4, 4), strict=True):
        assert len(set(part[epoch == 0].ravel().tolist())) == 8  # of 11
        assert set(part[epoch == 2].ravel().tolist()) == {11, 12, 13}  # three examples make a batch of four
    assert set(rows.ravel().tolist()) == set(range(20))


@pytest.mark.parametrize("order", [DIVISIBLE, UNEVEN, Order((3, 70000), 4)])
def test_the_order_of_the_host_is_the_order_of_the_device(order):
    for seed in (0, 5):
        buckets, rows = batches(order, seed)
        host = order.on_host(jax.random.key(seed), STEPS)
        for step in range(STEPS):
            bucket, host_rows = host.at(step)
            assert bucket == buckets[step]
            np.testing.assert_array_equal(host_rows, rows[step])


def test_no_stream_of_a_key_has_the_key_of_another_at_any_step():
    """The key of epoch 1 was that of the augmentation, and its permutations had the keys of the first steps."""

    def keys_of(key):
        def of(tag):
            return jax.vmap(lambda step: jax.random.key_data(stream(key, tag, step)))(jnp.arange(100))

        def in_epoch(epoch):
            fold = functools.partial(jax.random.fold_in, stream(key, ORDER, epoch))
            return jax.vmap(lambda bucket: jax.random.key_data(fold(bucket + 1)))(jnp.arange(12))

        return [of(ORDER), of(AUGMENT), of(SAMPLE), jax.vmap(in_epoch)(jnp.arange(8)).reshape(-1, 2)]

    keys = np.concatenate(jax.jit(keys_of)(jax.random.key(0)))
    assert len({key.tobytes() for key in keys}) == len(keys) == 396
