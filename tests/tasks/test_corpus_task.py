"""A batch is a pure function of key and step, wherever its examples lie; an epoch visits each example once."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import EOS, PAD, Batch
from research.data.batching import MAX_PADDING
from research.data.order import AUGMENT, ORDER, stream
from research.data.streaming import Window
from research.tasks.corpus_task import CorpusTask, sample, spread
from tests.tasks.streams import COUNT, OnDevice, OnDisk, examples

BATCH, MAX_STEPS = 4, 40


@pytest.fixture(scope="module", params=[False, True], ids=["tokens", "features"])
def task(request) -> OnDevice:
    return OnDevice(features=request.param)


@functools.cache
def program(task: CorpusTask):
    """Return the bucket of each of so many steps, and the batch that it would have from each bucket."""

    def at(data, seed, step):
        key = jax.random.key(seed)
        batches = [task.batch(data, key, step, BATCH, bucket) for bucket in range(task.buckets)]
        return task.bucket(step, BATCH), batches

    return jax.jit(jax.vmap(at, in_axes=(None, None, 0)))


def windows(task: OnDisk, seed: int, steps: int) -> Window:
    assert task.stream is not None
    batches = task.stream.batches(jax.random.key(seed), steps, BATCH)
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *(batches[step] for step in range(steps)))
    return Window(np.array(0, np.int32), stacked)


def batches(task: CorpusTask, steps: int, seed: int = 0) -> list[Batch[np.ndarray]]:
    """Return the batches of the first steps, each from the bucket that is drawn."""
    data = windows(task, seed, MAX_STEPS) if isinstance(task, OnDisk) else task.data
    chosen, made = jax.device_get(program(task)(data, jnp.int32(seed), jnp.arange(MAX_STEPS, dtype=jnp.int32)))
    return [jax.tree.map(lambda x, step=step: x[step], made[chosen[step]]) for step in range(steps)]


def numbers(batch: Batch[np.ndarray]) -> list[int]:
    """Return which examples a batch holds."""
    first = batch.inputs[:, 0] if batch.inputs.ndim == 2 else batch.inputs[:, 0, 0]
    return [int(number) - 3 for number in first]


def shape(batch: Batch) -> tuple[int, int]:
    return batch.inputs.shape[1], batch.targets.shape[1]


def test_batches_hold_whole_examples_padded_to_the_width_of_their_bucket(task):
    corpus, widths = examples(task.features), set()
    for batch in batches(task, 40):
        assert batch.inputs.dtype == (np.float32 if task.features else np.int32)
        assert batch.input_lengths is not None and batch.target_lengths is not None
        for row, number in enumerate(numbers(batch)):
            source, target = corpus.inputs[number], corpus.targets[number]
            length, end = len(source), len(target)
            assert (batch.input_lengths[row], batch.target_lengths[row]) == (length, end + 1)
            np.testing.assert_array_equal(batch.inputs[row, :length], source)
            assert not np.any(batch.inputs[row, length:])
            assert batch.targets[row, : end + 1].tolist() == [*target, EOS]
            assert np.all(batch.targets[row, end + 1 :] == PAD)
        widths.add(shape(batch))
    assert [shape(batch) for batch in task.data] == list(task.prepared.train.buckets.widths)
    assert task.padding is not None and task.padding <= MAX_PADDING == 0.2
    assert widths == set(task.prepared.train.buckets.widths) and len(widths) == task.buckets > 1
    assert task.longest == (12, 4)


def test_an_epoch_visits_each_example_once_and_the_padding_is_what_it_says(task):
    whole = tuple(len(bucket.inputs) // BATCH * BATCH for bucket in task.data)
    steps = sum(whole) // BATCH
    seen = batches(task, 2 * steps)
    for epoch in (seen[:steps], seen[steps:]):
        visited = [number for batch in epoch for number in numbers(batch)]
        assert len(visited) == len(set(visited)) == sum(whole)
    # What does not fill a batch is left out of an epoch, but not of all: over many, the fraction is the corpus's.
    steps = sum(np.sum(bucket.input_lengths) + np.sum(bucket.target_lengths) for bucket in task.data)
    padded = sum(bucket.inputs.shape[0] * sum(shape(bucket)) for bucket in task.data)
    assert task.padding == pytest.approx(1 - steps / padded) and task.padding > 0


def test_a_batch_is_a_pure_function_of_seed_and_step(task):
    first = batches(task, 12)
    alone = jax.jit(lambda step: task.batch(jax.device_put(task.data), jax.random.key(0), step, BATCH, 0))
    width = task.prepared.train.buckets.widths[0]
    step = max(step for step, batch in enumerate(first) if shape(batch) == width)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(alone(jnp.int32(step))), first[step])
    assert [numbers(batch) for batch in first] != [numbers(batch) for batch in batches(task, 12, seed=1)]


class Shown(OnDevice):
    """In place of its inputs, the key that they would be augmented with."""

    def augment(self, inputs, lengths, key):
        return jnp.broadcast_to(jax.random.key_data(key), (len(inputs), 2)), lengths


def test_the_augmentation_is_drawn_for_each_step_from_a_key_that_no_epoch_has():
    def keys(tag: int) -> list:
        return [jax.random.key_data(stream(jax.random.key(0), tag, jnp.int32(step))).tolist() for step in range(6)]

    drawn = [batch.inputs[0].tolist() for batch in batches(Shown(), 6)]
    assert drawn == keys(AUGMENT) and len(set(map(tuple, drawn))) == 6
    assert not set(map(tuple, drawn)) & set(map(tuple, keys(ORDER)))


def test_what_is_read_from_a_disk_makes_the_batches_of_the_same_examples_on_the_device(task):
    disk = OnDisk(features=task.features)
    assert disk.buckets == task.buckets > 1 and disk.padding == task.padding
    assert disk.data is None and task.stream is None
    for seed in (0, 1):
        for read, held in zip(batches(disk, 30, seed), batches(task, 30, seed), strict=True):
            jax.tree.map(np.testing.assert_array_equal, read, held)


def test_a_batch_is_read_alone_and_as_wide_as_any():
    task = OnDisk()
    assert task.stream is not None
    read = task.stream.batches(jax.random.key(3), 30, BATCH)
    shapes = {tuple(leaf.shape for leaf in jax.tree.leaves(read[step])) for step in range(30)}
    assert shapes == {((BATCH, 12), (BATCH,), (BATCH, 4), (BATCH,))}
    again: Batch = pickle.loads(pickle.dumps(read))[19]
    jax.tree.map(np.testing.assert_array_equal, again, read[19])


def test_a_copy_for_a_worker_process_has_the_options_alone():
    task = OnDisk()
    assert task.stream is not None and "prepared" in vars(task)
    copy = pickle.loads(pickle.dumps(task))
    assert copy == task and "prepared" not in vars(copy)


def test_a_sample_is_the_first_of_a_fixed_random_order_with_short_inputs_first():
    records = [(np.full(1 + k % 5, k), [3 + k]) for k in range(30)]
    whole, few = (sample("validation", records, count, lambda record: (*record, record[1][0])) for count in (99, 6))
    assert whole.split == "validation" and sorted(whole.references) == list(range(3, 33))
    assert whole.batch.targets[:, 0].tolist() == whole.references
    assert whole.batch.input_lengths is not None and np.all(np.diff(whole.batch.input_lengths) >= 0)
    first = np.random.default_rng(0).permutation(30)[:6]
    assert sorted(few.references) == sorted(3 + row for row in first.tolist()) != list(range(3, 9))


def test_rows_are_spread_evenly_from_the_first_to_the_last():
    assert spread(11, 3) == [0, 5, 10] and spread(3, 9) == [0, 1, 2]


def test_an_epoch_reads_each_example_once():
    task = OnDisk()
    assert task.stream is not None
    whole = sum(size // BATCH for size in task.stream.buckets.sizes)
    read = task.stream.batches(jax.random.key(0), whole, BATCH)
    seen = np.concatenate([read[step].inputs[:, 0] for step in range(whole)])
    assert len(set(seen.tolist())) == len(seen) == whole * BATCH > COUNT - BATCH * task.buckets
