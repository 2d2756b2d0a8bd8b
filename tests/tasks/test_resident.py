"""Buckets are those that pad least; a batch is a pure function of key and step, and an epoch visits each example."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import END, PAD, Batch, Interface
from research.tasks import resident
from research.tasks.resident import Examples, Resident, boundaries
from tests import quick

BATCH, MOST_STEPS = 4, 40


def padded_steps(lengths: np.ndarray, edges: np.ndarray) -> int:
    """What a bucket's width costs, over all examples."""
    return int(np.sum(edges[np.searchsorted(edges, lengths)]))


def least(lengths: np.ndarray, buckets: int) -> int:
    """The fewest padded steps of any boundaries, of all that there are."""
    widths = np.unique(lengths)
    inner = itertools.combinations(widths[:-1], min(buckets, len(widths)) - 1)
    return min(padded_steps(lengths, np.array([*edges, widths[-1]])) for edges in inner)


def drawn_lengths(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.choice(generator.integers(1, 60, 9), generator.integers(1, 80))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_other_boundaries_pad_less(seed, most):
    lengths = drawn_lengths(seed)
    edges, share = boundaries(lengths, 0.0, most)
    assert np.all(np.diff(edges) > 0) and edges[-1] == np.max(lengths)
    assert len(edges) == min(most, len(np.unique(lengths)))
    assert padded_steps(lengths, edges) == least(lengths, most)
    assert share == pytest.approx(1 - np.sum(lengths) / least(lengths, most))


@pytest.mark.parametrize("seed", range(12))
def test_buckets_are_as_few_as_keep_the_padding_within_the_bound(seed):
    lengths = drawn_lengths(seed)
    edges, share = boundaries(lengths, 0.2, 4)
    assert share <= 0.2 or len(edges) == 4
    if len(edges) > 1:
        assert 1 - np.sum(lengths) / least(lengths, len(edges) - 1) > 0.2


def test_of_many_lengths_neighbours_count_as_one_at_the_longer():
    lengths = np.random.default_rng(0).integers(1, 5000, 20000)
    edges, share = boundaries(lengths, 0.15, 5)
    assert edges[-1] == np.max(lengths) and set(edges.tolist()) <= set(lengths.tolist())
    assert share == pytest.approx(1 - np.sum(lengths) / padded_steps(lengths, edges), abs=0.003)
    assert share == pytest.approx(1 - 0.5 / 0.6, abs=0.005)  # five buckets of equally many, as wide as their longest


class Numbers(Resident):
    """Tokens or features that tell which example they belong to; 60 examples of 1 to 12 steps."""

    def __init__(self, kind: str) -> None:
        self.interface = Interface("tokens" if kind == "tokens" else "features", 100, 12, "tokens", 80, 4)
        lengths = np.random.default_rng(1).integers(1, 13, 60)
        each = [np.full(length, 3 + k) for k, length in enumerate(lengths)]
        inputs = each if kind == "tokens" else [np.stack([one, -one], axis=1).astype(np.float16) for one in each]
        self.examples = Examples(inputs, [[3 + k] * (1 + k % 3) for k in range(60)])
        self.hold(self.examples)


@pytest.fixture(scope="module", params=["tokens", "features"])
def task(request) -> Numbers:
    return Numbers(request.param)


@functools.cache
def program(task: Resident):
    """The bucket of each of so many steps, and the batch that it would have from each bucket."""

    def at(data, seed, step):
        key = jax.random.key(seed)
        each = [task.batch(data, key, step, BATCH, bucket) for bucket in range(task.buckets)]
        return task.bucket(key, step, BATCH), each

    return quick.jit(jax.vmap(at, in_axes=(None, None, 0)))


def batches(task: Resident, steps: int, seed: int = 0) -> list[Batch[np.ndarray]]:
    """The batches of the first steps, each from the bucket that is drawn."""
    places = jnp.arange(MOST_STEPS, dtype=jnp.int32)
    chosen, each = jax.device_get(program(task)(task.data, jnp.int32(seed), places))
    return [jax.tree.map(lambda x, step=step: x[step], each[chosen[step]]) for step in range(steps)]


def numbers(batch: Batch[np.ndarray]) -> list[int]:
    """Which examples a batch holds."""
    first = batch.inputs[:, 0] if batch.inputs.ndim == 2 else batch.inputs[:, 0, 0]
    return [int(number) - 3 for number in first]


def test_batches_hold_whole_examples_padded_to_the_width_of_their_bucket(task):
    widths = set()
    for batch in batches(task, 40):
        assert batch.inputs.dtype == (np.int32 if batch.inputs.ndim == 2 else np.float32)
        assert batch.input_lengths is not None and batch.target_lengths is not None
        for row, number in enumerate(numbers(batch)):
            source, target = task.examples.inputs[number], task.examples.targets[number]
            length, end = len(source), len(target)
            assert (batch.input_lengths[row], batch.target_lengths[row]) == (length, end + 1)
            np.testing.assert_array_equal(batch.inputs[row, :length], source)
            assert not np.any(batch.inputs[row, length:])
            assert batch.targets[row, : end + 1].tolist() == [*target, END]
            assert np.all(batch.targets[row, end + 1 :] == PAD)
        widths.add(batch.inputs.shape[1])
    assert sorted(widths) == sorted({one.inputs.shape[1] for one in task.data})
    assert len(widths) == task.buckets > 1


def test_an_epoch_visits_each_example_once_and_the_padding_is_what_it_says(task):
    whole = tuple(len(one.inputs) // BATCH * BATCH for one in task.data)
    steps = sum(whole) // BATCH
    seen = batches(task, 2 * steps)
    for epoch in (seen[:steps], seen[steps:]):
        visited = [number for batch in epoch for number in numbers(batch)]
        assert len(visited) == len(set(visited)) == sum(whole)
    # What does not fill a batch is left out of an epoch, but not of all: over many, the share is that of the corpus.
    steps = sum(np.sum(one.input_lengths) + np.sum(one.target_lengths) for one in task.data)
    assert task.padding == pytest.approx(
        1 - steps / sum(len(one.inputs) * (one.inputs.shape[1] + one.targets.shape[1]) for one in task.data)
    )
    assert task.padding is not None and task.padding > 0


def test_a_batch_is_a_pure_function_of_seed_and_step(task):
    first = batches(task, 12)
    alone = quick.jit(lambda step: task.batch(jax.device_put(task.data), jax.random.key(0), step, BATCH, 0))
    lone = [step for step, one in enumerate(first) if one.inputs.shape[1] == task.data[0].inputs.shape[1]][-1]
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(alone(jnp.int32(lone))), first[lone])
    assert [numbers(one) for one in first] != [numbers(one) for one in batches(task, 12, seed=1)]


def test_the_draws_of_the_augmentation_differ_from_step_to_step():
    class Noisy(Numbers):
        def augmented(self, inputs, lengths, key):
            return inputs + jax.random.normal(key, inputs.shape)

    plain, noisy = Numbers("features"), Noisy("features")
    noise = [one.inputs - other.inputs for one, other in zip(batches(noisy, 6), batches(plain, 6), strict=True)]
    assert len({float(one[0, 0, 0]) for one in noise}) == 6


def test_a_single_bucket_is_enough_where_all_are_of_one_length():
    edges, share = boundaries(np.full(7, 9), resident.MOST_PADDING, resident.MOST_BUCKETS)
    assert (edges.tolist(), share) == ([9], 0.0)
