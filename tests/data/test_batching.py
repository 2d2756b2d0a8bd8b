"""Buckets are cut where that saves most, and examples are padded without change."""

import itertools

import numpy as np
import pytest

from research.batch import EOS, PAD
from research.data.batching import Examples, in_buckets


def padding_of(lengths: np.ndarray, members) -> float:
    """Return the padding of these buckets."""
    return 1 - lengths.sum() / sum(len(rows) * lengths[rows].max(axis=0).sum() for rows in members)


def random_lengths(seed: int, count: int = 40) -> np.ndarray:
    generator = np.random.default_rng(seed)
    source = generator.integers(1, 30, count)
    return np.stack([source, generator.integers(1, 2 + source)], axis=1)


@pytest.mark.parametrize(("max_padding", "max_buckets"), [(0.0, 1), (0.0, 6), (0.2, 12), (0.4, 12)])
def test_buckets_hold_all_and_are_as_wide_as_their_longest(max_padding, max_buckets):
    for seed in range(4):
        lengths = random_lengths(seed)
        buckets = in_buckets(lengths, max_padding, max_buckets)
        assert sorted(np.concatenate(buckets.members).tolist()) == list(range(len(lengths)))
        assert [tuple(lengths[rows].max(axis=0)) for rows in buckets.members] == list(buckets.widths)
        assert buckets.sizes == tuple(map(len, buckets.members))
        assert buckets.padding == pytest.approx(padding_of(lengths, buckets.members))
        assert buckets.padding <= max_padding or len(buckets.members) == max_buckets
        assert sorted(map(sum, buckets.widths)) == list(map(sum, buckets.widths))


@pytest.mark.parametrize("seed", range(3))
def test_each_cut_is_the_one_of_all_that_saves_most(seed):
    lengths = random_lengths(seed)
    for count in range(1, 6):
        before, after = (in_buckets(lengths, 0.0, most) for most in (count, count + 1))
        paddings = []
        for place, rows in enumerate(before.members):
            others = [*before.members[:place], *before.members[place + 1 :]]
            for axis, longest in itertools.product((0, 1), range(1, 31)):
                short = lengths[rows, axis] <= longest
                if short.any() and not short.all():
                    paddings.append(padding_of(lengths, [*others, rows[short], rows[~short]]))
        assert after.padding == pytest.approx(min(paddings))


def test_buckets_are_as_few_as_keep_the_padding_within_the_bound():
    for seed in range(4):
        lengths = random_lengths(seed)
        count = len(in_buckets(lengths, 0.25).members)
        assert count > 1 and in_buckets(lengths, 0.0, count - 1).padding > 0.25


def test_of_equal_sources_the_targets_decide_and_the_other_way_round():
    lengths = np.stack([np.full(40, 9), np.random.default_rng(0).integers(1, 30, 40)], axis=1)
    for swapped in (lengths, lengths[:, ::-1]):
        buckets = in_buckets(swapped, 0.1)
        assert len(buckets.members) > 1 and buckets.padding <= 0.1


def test_where_no_cut_saves_anything_none_is_made():
    assert len(in_buckets(np.full((7, 2), 9)).members) == 1
    assert len(in_buckets(np.array([[3, 4]])).members) == 1
    two = in_buckets(np.array([[3, 4], [3, 4], [3, 5]]), 0.0)
    assert (len(two.members), two.padding) == (2, 0.0)


def test_examples_are_padded_to_the_longest_and_targets_closed():
    features = [np.full((length, 2), length, np.float16) for length in (3, 1)]
    examples = Examples(features, [[7], [8, 9]])
    assert examples.lengths.tolist() == [[3, 2], [1, 3]]
    batch = examples.batch()
    assert batch.inputs.dtype == np.float16 and batch.inputs[:, :, 0].tolist() == [[3, 3, 3], [1, 0, 0]]
    assert batch.targets.tolist() == [[7, EOS, PAD], [8, 9, EOS]]
    assert batch.input_lengths is not None and batch.input_lengths.tolist() == [3, 1]
    assert batch.target_lengths is not None and batch.target_lengths.tolist() == [2, 3]
    assert examples.take(np.array([1])).batch().inputs.tolist() == [[[1, 1]]]
