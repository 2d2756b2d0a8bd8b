import numpy as np
import pytest

from research.batch import EOS, FIRST_SYMBOL
from research.tasks import Copy
from research.tasks.task import Predictions
from tests.tasks.synthetic_examples import COUNT, SMALL, counts, eval_examples, examples, lengths, rows

OPTIONS = SMALL["copy"]


def number(bits: np.ndarray) -> int:
    return sum(2**place for place, bit in enumerate(bits) if bit)


def test_vectors_then_a_mark_and_the_target_is_the_vectors():
    batch = examples(OPTIONS)
    for source, target in rows(batch):
        vectors, mark = source[:-1], source[-1]
        assert set(np.unique(vectors)) <= {0, 1}
        assert np.all(vectors[:, 3] == 0) and mark.tolist() == [0, 0, 0, 1]
        assert target.tolist() == [*(FIRST_SYMBOL + number(vector[:3]) for vector in vectors), EOS]
    assert not np.any(batch.inputs[lengths(batch) == 3, 3:])  # padding
    assert np.mean(batch.inputs[:, :2, :3]) == pytest.approx(0.5, abs=0.02)


def test_lengths_are_uniform():
    steps = lengths(examples(OPTIONS))
    np.testing.assert_allclose(np.bincount(steps - 1) / COUNT, [0, 0, *[1 / 4] * 4], atol=0.03)


def test_the_papers_sizes_are_the_default():
    spec = Copy().spec
    assert (spec.input_size, spec.input_length, spec.target_size) == (9, 21, FIRST_SYMBOL + 256)


def test_costs_are_in_bits_and_the_baseline_says_one_symbol_throughout():
    count, batch = 500, examples(OPTIONS, 500)
    valid = np.arange(batch.targets.shape[1])[None, :] < counts(batch)[:, None]
    loss = np.where(valid, np.log(8), 0)
    predictions = Predictions(loss, 0 * loss, counts(batch), batch.targets, batch.targets)
    metrics = OPTIONS.evaluate(predictions, eval_examples(OPTIONS, 500)).metrics
    assert metrics["teacher_forced/bits_per_sequence"] == pytest.approx(3 * np.mean(counts(batch)))
    assert metrics["free_running/edit_error_rate"] == 0
    wrong = sum(np.sum(target[:-1] != FIRST_SYMBOL) for _, target in rows(batch))
    assert metrics["baseline/constant/edit_error_rate"] == wrong / (np.sum(counts(batch)) - count)
    assert metrics["baseline/constant/edit_error_rate"] == pytest.approx(7 / 8, abs=0.05)
