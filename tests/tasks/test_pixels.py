import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.data.corpora import mnist
from research.tasks.pixels import PIXELS, Pixels
from research.tasks.task import Predictions


@pytest.fixture(scope="module")
def digits():
    return mnist.load()


@pytest.fixture(scope="module")
def plain() -> Pixels:
    return Pixels(pixels_per_step=4)


@pytest.fixture(scope="module")
def permuted() -> Pixels:
    return Pixels(permuted=True)


def test_a_batch_holds_images_of_the_training_split_scaled_to_one_with_their_digits(plain, digits):
    images, labels = digits["train"]["images"], digits["train"]["labels"]
    known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    data = jax.device_put(plain.data)
    draw = jax.jit(lambda step: plain.batch(data, jax.random.key(0), step, 100, 0))
    seen = set()
    for step in range(35):  # one epoch
        batch = jax.device_get(draw(jnp.int32(step)))
        assert batch.inputs.shape == (100, PIXELS // 4, 4)
        assert batch.inputs.min() == 0 and batch.inputs.max() == 1
        for sequence, target in zip(batch.inputs, batch.targets, strict=True):
            image = np.rint(sequence.reshape(PIXELS) * 255).astype(np.uint8).tobytes()
            assert known[image] == target
            seen.add(image)
    assert seen == set(known)


@pytest.mark.parametrize("options", [{"pixels_per_step": 4}, {"permuted": True}])
def test_an_image_file_is_read_as_the_digits_of_training_are(options, digits, tmp_path):
    task = Pixels(**options)
    Image.fromarray(digits["train"]["images"][0].reshape(28, 28)).save(tmp_path / "digit.png")
    read = task.processor().encode(str(tmp_path / "digit.png"))
    np.testing.assert_array_equal(read, task._sequence(task.data[0][:1], np)[0])


def test_eval_digits_are_the_test_split_shuffled(plain, digits):
    batch = plain.eval_examples("test", 5000).batch
    images = np.rint(batch.inputs.reshape(-1, PIXELS) * 255).astype(np.uint8)
    known = {
        image.tobytes(): int(label)
        for image, label in zip(digits["test"]["images"], digits["test"]["labels"], strict=True)
    }
    assert {image.tobytes(): int(label) for image, label in zip(images, batch.targets, strict=True)} == known
    assert not set(known) & {image.tobytes() for image in digits["train"]["images"]}
    assert len(np.unique(plain.eval_examples("test", 50).batch.targets)) > 5  # the file is sorted by digit
    np.testing.assert_array_equal(plain.eval_examples("test", 50).batch.inputs, batch.inputs[:50])


def test_digits_of_all_splits_are_scaled_alike(plain, digits):
    image = np.array([0, 1, 128, 255] * 196, np.uint8)[None, :]
    on_host, on_device = plain._sequence(image, np), plain._sequence(jnp.asarray(image), jnp)
    np.testing.assert_allclose(on_host, image.reshape(1, 196, 4) / 255, rtol=1e-6)
    np.testing.assert_allclose(on_device, on_host, rtol=1e-6)


def test_permuted_digits_are_read_in_one_fixed_order(permuted, digits):
    def columns(train: np.ndarray, test: np.ndarray) -> list[bytes]:
        return [column.tobytes() for column in np.concatenate([train, test]).T]

    test = np.rint(permuted.eval_examples("test", 1000).batch.inputs.reshape(-1, PIXELS) * 255).astype(np.uint8)
    rows = np.random.default_rng(0).permutation(1000)
    plain = columns(digits["train"]["images"], digits["test"]["images"][rows])
    found = columns(permuted.data[0], test)
    assert sorted(found) == sorted(plain)  # whole columns, of both splits alike, change places
    assert np.mean([a == b for a, b in zip(found, plain, strict=True)]) < 0.2  # some pixels are always blank
    again = Pixels(permuted=True)
    np.testing.assert_array_equal(again.data[0], permuted.data[0])


def test_accuracy_is_the_share_of_right_digits(plain):
    predictions = Predictions(np.array([1.0, 2, 3, 6]), np.array([0.0, 1, 0, 0]), np.ones(4), np.zeros((4, 10)))
    examples = plain.eval_examples("test", 4)
    metrics = plain.evaluate(predictions, examples).metrics
    baseline = float(np.mean(examples.batch.targets == 0))  # all digits are equally frequent, so the first is taken
    assert metrics == {"loss": 3.0, "accuracy": 0.75, "baseline/most_frequent/accuracy": baseline}


def test_validation_digits_are_no_others(plain, digits):
    batch = plain.eval_examples("validation", 5000).batch
    found = {image.tobytes() for image in np.rint(batch.inputs.reshape(-1, PIXELS) * 255).astype(np.uint8)}
    assert found == {image.tobytes() for image in digits["validation"]["images"]} and len(batch.inputs) == 500
    others = (image.tobytes() for split in ("train", "test") for image in digits[split]["images"])
    assert not found & set(others)
