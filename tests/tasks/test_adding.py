import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import Batch
from research.errors import UserError
from research.tasks import Adding, Multiplication
from tests.tasks import synthetic_examples as drawn

COUNT = 4000


def trained_on(length: int) -> Batch[np.ndarray]:
    task = Adding(length=length)
    return jax.device_get(jax.jit(lambda step: task.batch(None, jax.random.key(0), step, COUNT, 0))(jnp.int32(7)))


def eval_examples(length: int) -> Batch[np.ndarray]:
    return drawn.examples(Adding(length=length))


examples = pytest.mark.parametrize("examples", [trained_on, eval_examples])


@examples
@pytest.mark.parametrize("length", [2, 11])
def test_one_step_of_each_half_is_marked_and_the_target_is_the_sum_of_their_numbers(examples, length):
    batch = examples(length)
    numbers, marks = np.moveaxis(batch.inputs, -1, 0)
    half = length // 2
    assert set(np.unique(marks)) <= {0, 1}
    assert np.all(np.sum(marks[:, :half], axis=1) == 1) and np.all(np.sum(marks[:, half:], axis=1) == 1)
    assert np.all(np.any(marks == 1, axis=0))  # each step is marked somewhere
    wanted = [row[mark == 1].sum() for row, mark in zip(numbers, marks, strict=True)]
    np.testing.assert_allclose(batch.targets[:, 0], wanted, rtol=0, atol=1e-6)


@examples
def test_numbers_are_uniform_and_to_answer_1_has_an_error_of_one_sixth(examples):
    batch = examples(11)
    numbers = batch.inputs[..., 0]
    assert 0 <= numbers.min() < 0.001 and 0.999 < numbers.max() < 1
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.01)
    assert np.mean((batch.targets - 1) ** 2) == pytest.approx(1 / 6, abs=0.015)  # 5 standard deviations


def test_eval_examples_are_not_those_of_training():
    trained = set(trained_on(11).targets[:, 0].tolist())
    assert np.mean([target in trained for target in eval_examples(11).targets[:, 0].tolist()]) < 0.02  # chance: 24 bits


def test_an_answer_is_right_within_four_hundredths():
    errors = np.array([0.0, 0.039, 0.041, 0.5], np.float32)
    metrics = drawn.evaluate(Adding(), errors[:, None]).metrics
    assert metrics["accuracy"] == 0.5
    assert metrics["loss"] == pytest.approx(np.mean(errors))


def test_the_mean_is_of_one_number_of_the_first_tenth_and_one_from_there_to_the_half():
    batch = drawn.examples(drawn.SMALL["adding, pascanu"])
    first, second = np.zeros((2, 32))
    for source, target in drawn.rows(batch):
        numbers, marks = source.T
        steps = len(marks)
        one, other = np.flatnonzero(marks)
        assert one < steps // 10 <= other < steps // 10 + int(0.4 * steps)
        assert target[0] == pytest.approx((numbers[one] + numbers[other]) / 2, abs=1e-6)
        first[one] += 1
        second[other] += 1
    assert np.all(first[:3] / COUNT > 0.3) and np.all(second[3:15] / COUNT > 0.06)  # 1/3 and 1/12
    np.testing.assert_allclose(np.bincount(drawn.lengths(batch))[30:] / COUNT, [1 / 3] * 3, atol=0.03)
    assert np.mean((batch.targets - 0.5) ** 2) == pytest.approx(1 / 24, abs=0.004)


def test_the_scaled_sum_is_that_of_the_paper_with_marks_at_both_ends():
    batch = drawn.examples(drawn.SMALL["adding, hochreiter"])
    for source, target in drawn.rows(batch):
        numbers, marks = source.T
        assert marks[0] == marks[-1] == -1
        assert numbers.min() >= -1 and numbers.max() < 1
        assert target[0] == pytest.approx(0.5 + np.sum(numbers[marks == 1]) / 4, abs=1e-6)
    assert np.min(batch.inputs[..., 0]) < -0.99
    counting = 2 - 1 / 10 - 9 / 10 / 14  # numbers, on average: the first step's does not count
    assert np.mean((batch.targets - 0.5) ** 2) == pytest.approx(counting / 3 / 16, abs=0.003)


@pytest.mark.parametrize(("length", "definition"), [(1, "arjovsky_2016"), (9, "pascanu_2013"), (19, "hochreiter_1997")])
def test_a_sequence_that_is_too_short_for_its_definition_is_refused(length, definition):
    with pytest.raises(UserError, match=rf"^task\.length={length}: must be between {length + 1} and "):
        Adding(length=length, definition=definition)
    Adding(length=length + 1, definition=definition)


@pytest.mark.parametrize("definition", ["arjovsky_2016", "pascanu_2013", "hochreiter_1997"])
def test_the_baseline_is_the_best_constant(definition):
    task = Adding(length=20, definition=definition)
    metrics = drawn.evaluate(task, np.zeros((COUNT, 1), np.float32)).metrics
    assert metrics["baseline/mean/loss"] == pytest.approx(1 / 6 if definition == "arjovsky_2016" else 1 / 24, rel=0.1)
    assert 0 < metrics["baseline/mean/accuracy"] < 0.3


@pytest.mark.parametrize(("task", "answer", "loss"), [
    (Adding(definition="hochreiter_1997"), 0.5, 0.039),
    (Multiplication(), 0.25, 0.060),
])  # fmt: skip
def test_the_errors_of_a_constant_that_the_documentation_states(task, answer, loss):
    assert np.mean((drawn.examples(task, 50_000).targets - answer) ** 2) == pytest.approx(loss, abs=0.001)
