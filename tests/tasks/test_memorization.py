import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import Batch
from research.tasks import Memorization
from research.tasks.task import Predictions

TASK = Memorization(items=40, input_size=3, length=4)


def predictions(errors: list[int]) -> Predictions:
    column = np.array(errors, float)[:, None]
    return Predictions(column, column, np.ones(len(column)), column)


def pairs(batch: Batch[np.ndarray]) -> list[tuple[float, ...]]:
    return [(*vector.ravel().tolist(), int(label)) for vector, label in zip(batch.inputs, batch.targets, strict=True)]


def test_a_vector_is_shown_at_every_step_and_labels_are_random():
    batch = Memorization(items=4000).data
    assert batch.inputs.shape == (4000, 5, 8) and batch.inputs.dtype == np.float32
    assert np.all(batch.inputs == batch.inputs[:, :1]) and len(np.unique(batch.inputs[:, 0], axis=0)) == 4000
    assert -1 <= np.min(batch.inputs) < -0.99 and 0.99 < np.max(batch.inputs) < 1
    assert np.mean(batch.targets) == pytest.approx(0.5, abs=0.03) and set(batch.targets.tolist()) == {0, 1}


def test_training_validation_and_test_have_the_same_items():
    test, validation = (TASK.eval_examples(split, 100).batch for split in ("test", "validation"))
    jax.tree.map(np.testing.assert_array_equal, test, validation)
    key, wanted = (
        jax.random.key(3),
        {(*item.ravel(), label) for item, label in zip(test.inputs, test.targets, strict=True)},
    )
    epoch = [TASK.batch(jax.device_put(TASK.data), key, jnp.int32(step), 10, 0) for step in range(4)]
    parts = [zip(part.inputs, part.targets, strict=True) for part in jax.device_get(epoch)]
    seen = [(*item.ravel(), label) for part in parts for item, label in part]
    assert len(seen) == 40 and set(seen) == wanted


@pytest.mark.parametrize(
    ("errors", "bits"), [([0] * 40, 40), ([1, 0, 0, 0] * 10, 40 * 0.188722), ([1, 0] * 20, 0), ([1, 1, 1, 0] * 10, 0)]
)
def test_the_bits_that_are_stored_are_the_information_in_the_answers(errors, bits):
    metrics = TASK.evaluate(predictions(errors), TASK.eval_examples("test", 40)).metrics
    assert metrics["bits"] == pytest.approx(bits, abs=1e-3)
    assert metrics["accuracy"] == 1 - np.mean(errors) and metrics["baseline/chance/accuracy"] == 0.5
