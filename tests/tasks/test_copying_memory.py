import numpy as np
import pytest

from research.tasks import CopyingMemory
from tests.tasks.synthetic_examples import COUNT, SMALL, evaluate, examples

OPTIONS = SMALL["copying_memory"]
BLANK, MARK = 5, 6


def test_what_stands_at_the_start_is_the_label_at_the_end():
    batch = examples(OPTIONS)
    assert batch.inputs.shape == (COUNT, 4 + 6, 7) and batch.targets.shape == (COUNT, 10)
    assert np.all(np.sum(batch.inputs, axis=2) == 1)
    for read, labels in zip(np.argmax(batch.inputs, axis=2), batch.targets, strict=True):
        remembered = read[:3].tolist()
        assert read.tolist() == [*remembered, BLANK, BLANK, BLANK, MARK, BLANK, BLANK, BLANK]
        assert labels.tolist() == [*[BLANK] * 7, *remembered]
    counts = np.bincount(np.argmax(batch.inputs[:, :3], axis=2).ravel())
    np.testing.assert_allclose(counts / (3 * COUNT), [1 / 5] * 5, atol=0.02)


@pytest.mark.parametrize("delay", [1, 100, 500])
def test_the_baseline_is_that_of_the_paper(delay):
    task = CopyingMemory(delay=delay)
    steps = task.spec.input_length
    assert steps == delay + 20
    metrics = evaluate(task, np.zeros((3, steps))).metrics
    assert metrics["baseline/memoryless/loss"] == pytest.approx(10 * np.log(8) / (delay + 20))
    assert metrics["baseline/memoryless/accuracy"] == pytest.approx(1 - 10 * (7 / 8) / (delay + 20))
    assert metrics["accuracy"] == metrics["accuracy_recalled"] == metrics["sequence_accuracy"] == 1


def test_what_is_recalled_is_scored_by_itself():
    errors = np.zeros((2, 10))
    errors[0, [0, 8]] = 1
    metrics = evaluate(OPTIONS, errors).metrics
    assert metrics["accuracy"] == pytest.approx(0.9)
    assert metrics["accuracy_recalled"] == pytest.approx(5 / 6)
    assert metrics["baseline/memoryless/accuracy_recalled"] == 1 / 5
    assert metrics["sequence_accuracy"] == 0.5
