"""What is read from a disk makes the batches that the same examples make on the device."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from research.tasks.streamed import Window

from research.batch import Batch
from tests import quick
from tests.tasks.streams import COUNT, OnDevice, OnDisk

BATCH, STEPS = 4, 30


def windows(task: OnDisk, seed: int, start: int, stop: int) -> Window:
    batches = task.stream.batches(jax.random.key(seed), stop, BATCH)
    each = [batches[step] for step in range(start, stop)]
    return Window(np.int32(start), jax.tree.map(lambda *arrays: np.stack(arrays), *each))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("features", [False, True])
def test_each_batch_is_that_of_the_examples_on_the_device(features):
    held, read = OnDevice(features), OnDisk(features)
    assert read.buckets == held.buckets > 1 and read.padding == held.padding and read.data is None

    def of(task, data):
        data = jax.device_put(data)

        def at(seed, step):
            key = jax.random.key(seed)
            each = [task.batch(data, key, step, BATCH, bucket) for bucket in range(task.buckets)]
            return task.bucket(key, step, BATCH), each

        return jax.device_get(quick.jit(jax.vmap(at, in_axes=(None, 0)))(seed, steps))

    for seed, start in ((0, 0), (1, 17)):
        steps = jnp.arange(start, STEPS, dtype=jnp.int32)
        own, theirs = of(read, windows(read, seed, start, STEPS)), of(held, held.data)
        np.testing.assert_array_equal(own[0], theirs[0])
        for row, bucket in enumerate(own[0]):
            pair = (jax.tree.map(lambda x, row=row: x[row], found[1][bucket]) for found in (own, theirs))
            jax.tree.map(np.testing.assert_array_equal, *pair)


def test_a_batch_is_read_alone_and_as_wide_as_any():
    batches = OnDisk().stream.batches(jax.random.key(3), STEPS, BATCH)
    shapes = {tuple(leaf.shape for leaf in jax.tree.leaves(batches[step])) for step in range(STEPS)}
    assert shapes == {((BATCH, 12), (BATCH,), (BATCH, 4), (BATCH,))}
    again: Batch = pickle.loads(pickle.dumps(batches))[19]
    jax.tree.map(np.testing.assert_array_equal, again, batches[19])


def test_an_epoch_reads_each_example_once():
    task = OnDisk()
    whole = sum(size // BATCH for size in task.stream.sizes)
    batches = task.stream.batches(jax.random.key(0), whole, BATCH)
    seen = np.concatenate([batches[step].inputs[:, 0] for step in range(whole)])
    assert len(set(seen.tolist())) == len(seen) == whole * BATCH > COUNT - BATCH * task.buckets
