"""Buckets are cut where that saves most; a batch is a pure function of key and step; an epoch visits each example."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from research.tasks.resident import Examples, Resident, in_buckets

from research.batch import EOS, PAD, Batch, TaskSpec
from research.tasks import resident
from tests import quick

BATCH, MOST_STEPS = 4, 40


def share_of(lengths: np.ndarray, members) -> float:
    """The padding of these buckets."""
    return 1 - lengths.sum() / sum(len(rows) * lengths[rows].max(axis=0).sum() for rows in members)


def drawn_lengths(seed: int, count: int = 40) -> np.ndarray:
    generator = np.random.default_rng(seed)
    source = generator.integers(1, 30, count)
    return np.stack([source, generator.integers(1, 2 + source)], axis=1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("padding", "most"), [(0.0, 1), (0.0, 6), (0.2, 12), (0.4, 12)])
def test_buckets_hold_all_and_are_as_wide_as_their_longest(seed, padding, most):
    lengths = drawn_lengths(seed)
    found = in_buckets(lengths, padding, most)
    assert sorted(np.concatenate(found.members).tolist()) == list(range(len(lengths)))
    assert [tuple(lengths[rows].max(axis=0)) for rows in found.members] == list(found.widths)
    assert found.padding == pytest.approx(share_of(lengths, found.members))
    assert found.padding <= padding or len(found.members) == most
    assert sorted(map(sum, found.widths)) == list(map(sum, found.widths))


@pytest.mark.parametrize("seed", range(8))
def test_each_cut_is_the_one_of_all_that_saves_most(seed):
    lengths = drawn_lengths(seed)
    for count in range(1, 6):
        before, after = (in_buckets(lengths, 0.0, most) for most in (count, count + 1))
        shares = []
        for place, rows in enumerate(before.members):
            others = [*before.members[:place], *before.members[place + 1 :]]
            for axis, longest in itertools.product((0, 1), range(1, 31)):
                short = lengths[rows, axis] <= longest
                if short.any() and not short.all():
                    shares.append(share_of(lengths, [*others, rows[short], rows[~short]]))
        assert after.padding == pytest.approx(min(shares))


def test_buckets_are_as_few_as_keep_the_padding_within_the_bound():
    for seed in range(8):
        lengths = drawn_lengths(seed)
        count = len(in_buckets(lengths, 0.25).members)
        assert count > 1 and in_buckets(lengths, 0.0, count - 1).padding > 0.25


def test_of_equal_sources_the_targets_decide_and_the_other_way_round():
    lengths = np.stack([np.full(40, 9), np.random.default_rng(0).integers(1, 30, 40)], axis=1)
    for each in (lengths, lengths[:, ::-1]):
        found = in_buckets(each, 0.1)
        assert len(found.members) > 1 and found.padding <= 0.1


def test_where_no_cut_saves_anything_none_is_made():
    assert len(in_buckets(np.full((7, 2), 9)).members) == 1
    assert len(in_buckets(np.array([[3, 4]])).members) == 1
    two = in_buckets(np.array([[3, 4], [3, 4], [3, 5]]), 0.0)
    assert (len(two.members), two.padding) == (2, 0.0)


class Numbers(Resident):
    """Tokens or features that tell which example they belong to; 60 examples of 1 to 12 steps."""

    def __init__(self, kind: str) -> None:
        self.spec = TaskSpec("tokens" if kind == "tokens" else "features", 100, 12, "tokens", 80, 4)
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
            assert batch.targets[row, : end + 1].tolist() == [*target, EOS]
            assert np.all(batch.targets[row, end + 1 :] == PAD)
        widths.add((batch.inputs.shape[1], batch.targets.shape[1]))
    assert [(one.inputs.shape[1], one.targets.shape[1]) for one in task.data] == list(task.widths)
    assert task.padding is not None and task.padding <= resident.MOST_PADDING == 0.2
    assert widths == set(task.widths) and len(widths) == task.buckets > 1


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
    lone = [step for step, one in enumerate(first) if (one.inputs.shape[1], one.targets.shape[1]) == task.widths[0]][-1]
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(alone(jnp.int32(lone))), first[lone])
    assert [numbers(one) for one in first] != [numbers(one) for one in batches(task, 12, seed=1)]


def test_the_draws_of_the_augmentation_differ_from_step_to_step():
    class Noisy(Numbers):
        def augmented(self, inputs, lengths, key):
            return inputs + jax.random.normal(key, inputs.shape)

    plain, noisy = Numbers("features"), Noisy("features")
    noise = [one.inputs - other.inputs for one, other in zip(batches(noisy, 6), batches(plain, 6), strict=True)]
    assert len({float(one[0, 0, 0]) for one in noise}) == 6
