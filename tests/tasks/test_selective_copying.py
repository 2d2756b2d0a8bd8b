import itertools

import numpy as np
import pytest

from research.batch import NO_LABEL
from research.tasks import SelectiveCopying
from research.tasks.selective_copying import MARK, NOISE, SYMBOLS, random_subset
from research.tasks.synthetic import HostDraws
from tests.tasks.synthetic_examples import COUNT, SMALL, counts, evaluate, examples

OPTIONS = SMALL["selective_copying"]


def test_the_labels_at_the_marks_are_the_symbols_in_their_order():
    batch = examples(OPTIONS)
    assert batch.inputs.shape == batch.targets.shape == (COUNT, 5 + 3 + 3)
    for read, labels in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        assert read[8:] == [MARK] * 3 and labels[:8] == [NO_LABEL] * 8
        assert [token - SYMBOLS for token in read[:8] if token != NOISE] == labels[8:]
    assert np.all(counts(batch) == 3)
    np.testing.assert_allclose(np.bincount(batch.targets[:, 8:].ravel()) / (3 * COUNT), [1 / 4] * 4, atol=0.02)


def test_every_subset_of_the_places_is_equally_likely():
    mask = random_subset(HostDraws(1), 20_000, 6, 3)
    found = [tuple(np.flatnonzero(row).tolist()) for row in mask]
    every = list(itertools.combinations(range(6), 3))
    shares = np.array([found.count(one) for one in every]) / len(found)
    np.testing.assert_allclose(shares, 1 / len(every), atol=0.007)  # 4.5 standard deviations


def test_all_places_may_be_taken():
    assert np.all(random_subset(HostDraws(0), 10, 4, 4))


def test_the_papers_sizes_are_the_default_and_to_guess_is_the_baseline():
    task = SelectiveCopying()
    assert (task.spec.input_length, task.spec.input_size - 3) == (4096 + 32, 16)
    errors = np.zeros((2, 4128))
    errors[0, -1] = 1
    metrics = evaluate(task, errors).metrics
    assert metrics["baseline/chance/loss"] == pytest.approx(np.log(14))
    assert metrics["baseline/chance/accuracy"] == pytest.approx(1 / 14)
    assert metrics["accuracy"] == pytest.approx(31 / 32) and metrics["sequence_accuracy"] == 0.5
