import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import Batch
from research.config import AddingConfig
from research.tasks.adding import Adding
from research.tasks.task import Outcome
from tests import quick

COUNT = 4000


def trained_on(length: int) -> Batch[np.ndarray]:
    task = Adding(AddingConfig(length=length))
    return jax.device_get(quick.jit(lambda step: task.batch(None, jax.random.key(0), step, COUNT, 0))(jnp.int32(7)))


def held_out(length: int) -> Batch[np.ndarray]:
    return Adding(AddingConfig(length=length)).held_out(COUNT)


examples = pytest.mark.parametrize("examples", [trained_on, held_out])


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


def test_held_out_examples_do_not_change_with_their_number_and_are_not_those_of_training():
    few, many = Adding(AddingConfig(length=11)).held_out(50), held_out(11)
    np.testing.assert_array_equal(few.inputs, many.inputs[:50])
    trained = set(trained_on(11).targets[:, 0].tolist())
    assert np.mean([target in trained for target in many.targets[:, 0].tolist()]) < 0.02  # chance: 24 bits, 4,000 draws


def test_an_answer_is_right_within_four_hundredths():
    errors = np.array([0.0, 0.039, 0.041, 0.5], np.float32)
    outcome = Outcome(errors**2, errors, np.ones(4), np.zeros((4, 1)))
    metrics = Adding(AddingConfig()).evaluate(outcome).metrics
    assert metrics["eval/accuracy"] == 0.5
    assert metrics["eval/loss"] == pytest.approx(np.mean(errors**2))
