"""Strips of real digits, each of those of its split."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.batch import EOS, FIRST_SYMBOL
from research.data.corpora import mnist
from research.data.processor import Processor
from research.errors import UserError
from research.tasks import task as tasks
from research.tasks.image_digits import ImageDigits
from research.tasks.task import Split
from tests.tasks.outputs import perfect

GAP, COUNT = 6, 200


@pytest.fixture(scope="module")
def task() -> ImageDigits:
    return tasks.load(ImageDigits(digits=3, gap=GAP))


@pytest.fixture(scope="module")
def digits() -> dict[str, dict[bytes, int]]:
    """Return the digit of each image, by split."""
    return {
        name: {image.tobytes(): int(label) for image, label in zip(split["images"], split["labels"], strict=True)}
        for name, split in mnist.load().items()
    }


def examples(task: ImageDigits, split: Split = "test") -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, their numbers, targets, and their lengths."""
    batch = task.eval_examples(split, COUNT).batch
    assert batch.input_lengths is not None and batch.target_lengths is not None
    return batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths


def taken_apart(strip: np.ndarray, count: int, known: dict[bytes, int]) -> list[int]:
    """Return the digits of an undistorted strip [S, 28], all of them known, with no more than the gaps between."""
    columns = np.rint(strip * 255).astype(np.uint8)
    found, place = [], 0
    for _ in range(count):
        for gap in range(GAP + 1):
            image = np.ascontiguousarray(columns[place + gap : place + gap + 28].T).tobytes()
            if image in known and not columns[place : place + gap].any():
                found.append(known[image])
                place += gap + 28
                break
        else:
            raise AssertionError("no digit of the split stands there")
    assert not columns[place:].any()
    return found


@pytest.mark.parametrize("bucket", range(3))
def test_a_batch_holds_strips_of_training_digits_with_their_names(bucket, task, digits):
    data = jax.device_put(task.data)
    draw = jax.jit(lambda step: task.batch(data, jax.random.key(0), step, 32, bucket))
    seen, sizes = set(), set()
    for step in range(4):
        batch = jax.device_get(draw(jnp.int32(step)))
        assert batch.inputs.shape[1] == 28 * (bucket + 1) + GAP * (bucket + 2)
        for strip, size, target, end in zip(
            batch.inputs, batch.input_lengths, batch.targets, batch.target_lengths, strict=True
        ):
            own = taken_apart(strip, bucket + 1, digits["train"])
            assert target.tolist() == [*(FIRST_SYMBOL + digit for digit in own), EOS]
            assert end == bucket + 2 and not strip[size:].any()
            seen.update(own)
            sizes.add(int(size) - 28 * (bucket + 1))
    assert seen == set(range(10)) and len(sizes) > 4 and max(sizes) <= GAP * (bucket + 2)


def test_all_numbers_of_digits_are_trained_on_equally_often(task):
    draw = jax.jit(jax.vmap(lambda step: task.bucket(step, 32)))
    counts = np.bincount(draw(jnp.arange(3000)), minlength=3)
    assert len(counts) == task.buckets == 3 and np.all(np.abs(counts - 1000) < 110)


def test_distorted_digits_differ_among_themselves_and_keep_names_and_place(task):
    bent = ImageDigits(digits=3, gap=GAP, shift=2.0, scale=0.15, shear=0.3)
    plain, other = (
        jax.device_get(jax.jit(lambda d, own=own: own.batch(d, jax.random.key(0), jnp.int32(0), 16, 2))(own.data))
        for own in (task, bent)
    )
    np.testing.assert_array_equal(plain.targets, other.targets)
    np.testing.assert_array_equal(plain.input_lengths, other.input_lengths)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(plain.inputs, other.inputs, strict=True)]
    assert 0.4 < np.mean(alike) < 0.95 and other.inputs.min() >= 0 and other.inputs.max() <= 1 + 1e-6


@pytest.mark.parametrize("split", ["validation", "test"])
def test_eval_strips_are_of_digits_of_their_split_only(split: Split, task, digits):
    inputs, sizes, targets, ends = examples(task, split)
    assert not set(digits["train"]) & set(digits[split])
    assert set(ends.tolist()) == {2, 3, 4} and np.all(np.diff(ends) >= 0)
    for strip, size, target, end in zip(inputs, sizes, targets, ends, strict=True):
        own = taken_apart(strip, end - 1, digits[split])
        assert target[:end].tolist() == [*(FIRST_SYMBOL + digit for digit in own), EOS]
        assert not target[end:].any() and not strip[size:].any()


def test_the_share_of_padding_is_that_of_the_batches(task):
    data = jax.device_put(task.data)
    lengths = widths = 0
    for bucket in range(3):
        batch = jax.jit(lambda b=bucket: task.batch(data, jax.random.key(1), jnp.int32(0), 512, b))()
        lengths += float(np.mean(batch.input_lengths))
        widths += batch.inputs.shape[1]
    assert task.padding == pytest.approx(1 - lengths / widths, abs=0.01)


def test_exact_match_counts_strips_and_the_table_counts_digits(task):
    _, _, targets, ends = examples(task)
    outputs, strips = targets.copy(), task.eval_examples("test", COUNT)
    outputs[[3, -1], 0] = FIRST_SYMBOL + (targets[[3, -1], 0] - FIRST_SYMBOL + 1) % 10
    found = task.evaluate(perfect(strips, outputs=outputs), strips)
    assert found.metrics["free_running/exact_match"] == pytest.approx(1 - 2 / COUNT)
    assert found.metrics["free_running/edit_error_rate"] == pytest.approx(2 / np.sum(ends - 1))
    zeros = np.mean([target[:2].tolist() == [FIRST_SYMBOL, EOS] for target in targets])
    assert found.metrics["baseline/most_frequent/exact_match"] == pytest.approx(zeros)
    assert found.by_length is not None and found.by_length["length"] == [1, 2, 3]


def test_a_reader_made_anew_reads_a_strip_of_training_as_it_is(task, tmp_path):
    inputs, sizes, targets, ends = examples(task)
    reader = Processor.from_dict(task.processor().to_dict())
    strip = inputs[-1, : sizes[-1]]
    Image.fromarray(np.rint(strip.T * 255).astype(np.uint8)).save(tmp_path / "one.png")
    np.testing.assert_allclose(reader.encode(str(tmp_path / "one.png")), strip, atol=1e-6)
    picture = reader.axis(str(tmp_path / "one.png")).picture
    assert picture is not None
    np.testing.assert_allclose(picture, strip.T, atol=1e-6)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    own = [names[token - FIRST_SYMBOL] for token in targets[-1, : ends[-1] - 1]]
    assert reader.symbols(targets[-1].tolist()) == own and reader.decode(targets[-1].tolist()) == " ".join(own)


def test_a_strip_that_is_longer_than_any_of_training_is_refused(task, tmp_path):
    image = np.zeros((28, 500), np.uint8)
    image[4:24, ::5] = 255
    Image.fromarray(image).save(tmp_path / "one.png")
    with pytest.raises(UserError, match=r"one\.png: is 500 columns wide .*; must be at most 108, as there$"):
        task.processor().encode(str(tmp_path / "one.png"))


def test_the_most_digits_decide_the_longest_input_and_output(task):
    assert (task.spec.input_length, task.spec.target_length) == (3 * 28 + 4 * GAP, 4)
