import numpy as np
import pytest

from research.config import CopyingMemoryConfig
from research.tasks.task import Outcome
from tests.tasks.drawings import COUNT, SMALL, examples, task_of

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
    task = task_of(CopyingMemoryConfig(delay=delay))
    steps = task.interface.input_length
    assert steps == delay + 20
    none = np.zeros((3, steps))
    metrics = task.evaluate(Outcome(none, none, np.full(3, steps), none)).metrics
    assert metrics["eval/baseline/loss"] == pytest.approx(10 * np.log(8) / (delay + 20))
    assert metrics["eval/baseline/accuracy"] == pytest.approx(1 - 10 * (7 / 8) / (delay + 20))
    assert metrics["eval/accuracy"] == metrics["eval/accuracy_recalled"] == metrics["eval/sequence_accuracy"] == 1


def test_what_is_recalled_is_scored_by_itself():
    errors = np.zeros((2, 10))
    errors[0, [0, 8]] = 1
    metrics = task_of(OPTIONS).evaluate(Outcome(errors, errors, np.full(2, 10), errors)).metrics
    assert metrics["eval/accuracy"] == pytest.approx(0.9)
    assert metrics["eval/accuracy_recalled"] == pytest.approx(5 / 6)
    assert metrics["eval/baseline/accuracy_recalled"] == 1 / 5
    assert metrics["eval/sequence_accuracy"] == 0.5
