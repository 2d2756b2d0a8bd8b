import numpy as np
import pytest

from tests.tasks.synthetic_examples import COUNT, SMALL, evaluate, examples, rows

OPTIONS = SMALL["multiplication"]


def test_the_target_is_the_product_of_the_marked_numbers():
    batch = examples(OPTIONS)
    hidden = 0
    for source, target in rows(batch):
        numbers, marks = source.T
        assert marks[0] == marks[-1] == -1
        chosen = numbers[marks == 1]
        hidden += len(chosen) == 1  # the first pair was marked, so its number counts as 1
        assert target[0] == pytest.approx(np.prod(chosen), abs=1e-6)
        assert numbers.min() >= 0 and numbers.max() < 1 and len(chosen) in (1, 2)
    assert hidden / COUNT == pytest.approx(1 / 10 + 9 / 10 / 14, abs=0.02)


def test_the_baseline_is_the_mean_as_the_answer_to_all():
    targets = examples(OPTIONS).targets[:, 0]
    errors = np.array([[0.0], [0.1]] * (COUNT // 2))
    metrics = evaluate(OPTIONS, errors).metrics
    assert metrics["baseline/mean/loss"] == pytest.approx(np.var(targets), rel=1e-5)
    assert metrics["baseline/mean/accuracy"] == np.mean(np.abs(targets - np.mean(targets)) < 0.04)
    assert metrics["accuracy"] == 0.5 and metrics["loss"] == pytest.approx(0.05)
