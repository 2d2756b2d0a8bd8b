import numpy as np
import pytest

from research.tasks import DelayedRecall
from research.tasks.delayed_recall import MAX_MORE
from tests.tasks.synthetic_examples import COUNT, SMALL, evaluate, examples, lengths, rows

OPTIONS = SMALL["delayed_recall"]
CLASSES, DISTRACTORS, BEGIN, END = range(3), range(3, 7), 7, 8


def test_the_class_is_the_second_symbol_and_the_end_follows_distractors():
    seen = []
    for source, target in rows(examples(OPTIONS)):
        assert np.all(np.sum(source, axis=1) == 1)
        begin, recalled, *between, end = np.argmax(source, axis=1).tolist()
        assert (begin, end) == (BEGIN, END) and recalled == target and target in CLASSES
        assert set(between) <= set(DISTRACTORS) and len(between) >= 5
        seen += between
    np.testing.assert_allclose(np.bincount(seen)[3:] / len(seen), [1 / 4] * 4, atol=0.01)
    np.testing.assert_allclose(np.bincount(examples(OPTIONS).targets) / COUNT, [1 / 3] * 3, atol=0.03)


def test_how_many_more_distractors_there_are_is_geometric():
    batch = examples(OPTIONS, 20_000)
    more = lengths(batch) - 3 - 5
    chances = 0.1 * 0.9 ** np.arange(MAX_MORE + 1)
    shares = np.bincount(more, minlength=MAX_MORE + 1) / 20_000
    assert len(shares) == MAX_MORE + 1 == batch.inputs.shape[1] - 3 - 5 + 1
    np.testing.assert_allclose(shares, chances / np.sum(chances), atol=0.008)
    assert shares[MAX_MORE] > 0  # 22 of them are expected
    assert 1 - np.sum(chances) == pytest.approx(0.01, abs=0.001)


def test_the_papers_two_symbols_are_the_default_and_to_guess_is_the_baseline():
    task = DelayedRecall()
    assert task.spec.target_size == 2
    metrics = evaluate(task, np.array([[0.0], [1.0]])).metrics
    assert metrics["baseline/chance/loss"] == pytest.approx(np.log(2))
    assert metrics["baseline/chance/accuracy"] == metrics["accuracy"] == 0.5
