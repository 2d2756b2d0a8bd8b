"""Batches that are read from a disk hold the examples of the order, which is that of the device (`test_order.py`)."""

import pickle
from dataclasses import dataclass

import jax
import numpy as np

from research.data.batching import Examples, in_buckets
from research.data.order import Order
from research.data.streaming import Records, Stream

COUNT, LONGEST, BATCH, STEPS = 60, 12, 4, 30


@dataclass(frozen=True)
class Listed(Records):
    examples: Examples

    def __getitem__(self, row: int):
        return self.examples.inputs[row], self.examples.targets[row]


LENGTHS = np.random.default_rng(1).integers(1, LONGEST + 1, COUNT)
EXAMPLES = Examples(
    [np.full(length, 3 + k, np.int32) for k, length in enumerate(LENGTHS)],
    [[3 + k % 9] * (1 + k % 3) for k in range(COUNT)],
)
BUCKETS = in_buckets(EXAMPLES.lengths)
STREAM = Stream(Listed(EXAMPLES), BUCKETS)


def test_each_batch_holds_the_examples_of_the_order_and_is_as_wide_as_any():
    key, rows = jax.random.key(0), np.concatenate(BUCKETS.members)
    order, batches = Order(BUCKETS.sizes, BATCH).on_host(key, STEPS), STREAM.batches(key, STEPS, BATCH)
    for step in range(STEPS):
        batch, own = batches[step], EXAMPLES.take(rows[order.at(step)[1]]).batch()
        width, target_width = own.inputs.shape[1], own.targets.shape[1]
        assert batch.inputs.shape == (BATCH, LONGEST) and batch.targets.shape == (BATCH, 4)
        np.testing.assert_array_equal(batch.inputs[:, :width], own.inputs)
        np.testing.assert_array_equal(batch.targets[:, :target_width], own.targets)
        assert not np.any(batch.inputs[:, width:]) and not np.any(batch.targets[:, target_width:])
        np.testing.assert_array_equal(batch.input_lengths, own.input_lengths)
        np.testing.assert_array_equal(batch.target_lengths, own.target_lengths)


def test_a_copy_in_another_process_reads_the_same_batch():
    batches = STREAM.batches(jax.random.key(3), STEPS, BATCH)
    again = pickle.loads(pickle.dumps(batches))[19]
    jax.tree.map(np.testing.assert_array_equal, again, batches[19])
