import numpy as np

from research.batch import EOS, FIRST_SYMBOL, PAD
from research.tasks import Reverse
from tests.tasks.synthetic_examples import COUNT, SMALL, examples, lengths, rows

OPTIONS = SMALL["reverse"]


def test_the_target_is_the_source_backwards():
    batch = examples(OPTIONS)
    for source, target in rows(batch):
        assert target.tolist() == [*source[::-1].tolist(), EOS]
    assert np.all((batch.inputs == PAD) == (np.arange(6)[None, :] >= lengths(batch)[:, None]))


def test_symbols_and_lengths_are_uniform():
    batch = examples(OPTIONS)
    np.testing.assert_allclose(np.bincount(lengths(batch)) / COUNT, [0, 0, *[1 / 5] * 5], atol=0.03)
    counts = np.bincount(batch.inputs[batch.inputs != PAD])
    np.testing.assert_allclose(counts / np.sum(counts), [0, 0, 0, *[1 / 5] * 5], atol=0.02)


def test_the_papers_sizes_are_the_default():
    steps = lengths(examples(Reverse(), 1000))
    assert (steps.min(), steps.max()) == (8, 64)
    assert Reverse().spec.input_size == FIRST_SYMBOL + 128
