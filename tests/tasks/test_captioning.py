"""Pictures as sequences and their captions, on a small collection of stamps."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.data.batching import Examples
from research.data.corpora import tuxpaint
from research.data.images.patches import ImageField
from research.data.processor import Processor
from research.data.text import Symbols
from research.tasks.captioning import ImageStamps, evaluate_captions
from research.tasks.task import EvalExamples
from tests import quick
from tests.data.corpora.stamp_files import installed, png, text
from tests.tasks.outputs import outputs, perfect

PLAIN = {"size": 16, "patch": 4, "tokenizer": "characters"}
SCAN_ORDERS = (("rows", 8), ("columns", 8), ("patches", 4), ("patches", 16))


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory):
    """Thirty pictures, whose captions are short, or somewhat longer."""
    files = {}
    for k in range(30):
        caption = "A cat, a dog and a bird." if k < 2 else f"A {'red' if k % 2 else 'very blue'} thing number {k}."
        files |= {f"{k:02}.png": png(k), f"{k:02}.txt": text(caption)}
    other = next(name for name in map("A thing number {}.".format, count()) if tuxpaint.split_of(name) == "validation")
    files |= {"validation.png": png(30), "validation.txt": text(other)}
    with installed(tmp_path_factory.mktemp("stamps"), files):
        yield tuxpaint.load("en")


@pytest.fixture(scope="module")
def task(collection) -> ImageStamps:
    return ImageStamps(**PLAIN)


def reader(scan_order: str, patch: int) -> ImageField:
    return ImageField(16, scan_order, patch)


@pytest.mark.parametrize(("scan_order", "patch"), SCAN_ORDERS)
def test_pictures_come_back_from_their_steps(scan_order, patch):
    pixels = np.random.default_rng(0).random((5, 16, 16, 3))
    own = reader(scan_order, patch)
    np.testing.assert_array_equal(own.unscan(own.scan(pixels, np), np), pixels)


def test_a_step_is_a_row_a_column_or_a_square():
    pixels = np.random.default_rng(0).random((2, 16, 16, 3))
    rows, columns, squares = (reader(kind, 4).scan(pixels, np) for kind in ("rows", "columns", "patches"))
    np.testing.assert_array_equal(rows[1, 3], pixels[1, 3].ravel())
    np.testing.assert_array_equal(columns[1, 3], pixels[1, :, 3].ravel())
    np.testing.assert_array_equal(squares[1, 6], pixels[1, 4:8, 8:12].ravel())  # second row of squares, the third
    assert squares.shape == (2, 16, 48)


def test_batches_hold_training_pictures_with_their_captions(task, collection):
    own = task.processor()
    known = {own.input.encode(one.pixels).tobytes(): one.caption for one in collection["train"]}
    assert len(known) == len(collection["train"])
    data = jax.device_put(task.data)
    seen = set()
    for bucket in range(task.buckets):
        draw = quick.jit(lambda step, b=bucket: task.batch(data, jax.random.key(0), step, 4, b))
        for step in range(40):
            batch = jax.device_get(draw(jnp.int32(step)))
            assert np.all(batch.input_lengths == 16)
            for sequence, target, end in zip(batch.inputs, batch.targets, batch.target_lengths, strict=True):
                caption = known[np.ascontiguousarray(sequence).tobytes()]
                assert own.decode(target[: end - 1].tolist()) == caption
                seen.add(sequence.tobytes())
    assert seen == set(known)


def test_half_of_the_pictures_are_mirrored(collection):
    task = ImageStamps(**PLAIN, mirror=True)
    own = task.processor().input
    steps = own.encode(collection["train"][0].pixels)
    pixels = own.unscan(steps[None], np)[0]
    steps = jnp.asarray(np.repeat(steps[None], 200, axis=0))
    found = own.unscan(np.asarray(quick.jit(task.augment)(steps, jnp.full(200, 16), jax.random.key(0))[0]), np)
    mirrored = np.array([np.array_equal(one, pixels[:, ::-1]) for one in found])
    assert 70 < mirrored.sum() < 130
    assert all(np.array_equal(one, pixels) for one in found[~mirrored])


def test_distorted_pictures_have_white_around_them(collection):
    task = ImageStamps(**PLAIN, shift=3.0)
    own = task.processor().input
    steps = jnp.asarray(own.scan(np.ones((50, 16, 16, 3), np.float32), np))
    found = own.unscan(np.asarray(quick.jit(task.augment)(steps, jnp.full(50, 16), jax.random.key(0))[0]), np)
    assert found[:, 0].min() == 0 and found[:, 8, 8].min() == pytest.approx(1)


def test_eval_pictures_are_all_of_the_test_and_none_of_training(task, collection):
    examples, own = task.eval_examples("test", 1000), task.processor()
    batch = examples.batch
    assert batch.target_lengths is not None
    said = [
        own.decode(target[: end - 1].tolist()) for target, end in zip(batch.targets, batch.target_lengths, strict=True)
    ]
    references = examples.references
    assert sorted(references) == sorted(one.caption for one in collection["test"])
    assert [len(one) for one in said] == [len(one) for one in references]  # what training did not have is ⁇
    train = {sequence.tobytes() for bucket in task.data for sequence in bucket.inputs}
    assert not train & {sequence.tobytes() for sequence in batch.inputs}
    np.testing.assert_array_equal(task.eval_examples("test", 2).batch.inputs, batch.inputs[:2])


def test_validation_pictures_are_those_of_their_split(task, collection):
    assert task.eval_examples("validation", 99).references == [one.caption for one in collection["validation"]] != []


def test_a_perfect_model_and_the_most_frequent_caption_are_scored(task):
    examples = task.eval_examples("test", 1000)
    metrics = task.evaluate(perfect(examples), examples).metrics
    assert metrics["free_running/edit_error_rate"] == 0 == metrics["baseline/most_frequent/exact_match"]
    assert (
        metrics["baseline/most_frequent/edit_error_rate"] > 0
        and metrics["baseline/most_frequent/chrf"] < metrics["free_running/chrf"]
    )


def test_pieces_of_words_are_tokens_as_well(collection):
    task = ImageStamps(size=16, scan_order="rows", vocab_size=45)
    own = Processor.from_dict(task.processor().to_dict())
    caption = collection["train"][0].caption
    ids = task.processor().target.tokens(caption)
    assert len(ids) < len(caption) and own.decode(ids) == caption
    assert task.spec.target_size == 48 and task.spec.input_size == 48


@pytest.mark.parametrize(("scan_order", "patch"), SCAN_ORDERS)
def test_a_reader_made_anew_reads_a_file_as_the_corpus_was_read(scan_order, patch, collection, tmp_path):
    own = ImageField.from_dict(reader(scan_order, patch).to_dict())
    (tmp_path / "one.png").write_bytes(png(0, "RGBA"))
    image = own.load(str(tmp_path / "one.png"))
    stamp = next(one for split in collection.values() for one in split if one.caption.startswith("A cat"))
    np.testing.assert_array_equal(own.encode(image), own.encode(stamp.pixels))
    picture = own.axis(image).picture
    assert picture is not None and picture.size == 256 and 0 <= picture.min() <= picture.max() <= 1


def test_the_squares_of_an_alignment_stand_side_by_side():
    image = np.full((96, 96, 3), 255, np.uint8)
    image[:24, 24:48] = 0  # the second of 16 squares
    picture = reader("patches", 4).axis(image).picture
    assert picture is not None and picture.shape == (4, 64)
    assert picture[:, 4:8].max() == 0 and picture[:, :4].min() == 1 == picture[:, 8:].min()


def test_the_model_and_the_most_frequent_caption_are_scored_against_the_same_texts():
    words = Symbols(("a", "red", "cat", "dog", "and", "one", "more"), " ")
    references = ["a red cat and a dog", "a red dog", "one more cat", "a red cat"]
    targets = [words.tokens(caption) for caption in references]
    examples = EvalExamples("test", Examples([np.zeros((3, 2), np.float32)] * 4, targets).batch(), references)
    said = [words.tokens(text) for text in ("a red cat and a dog", "a red cat", "one more cat", "a dog")]
    predictions = perfect(examples, outputs=outputs(said))
    metrics = evaluate_captions(predictions, examples, words, "a red cat", "en").metrics
    assert metrics["free_running/exact_match"] == 0.5 == metrics["free_running/sequence_error_rate"]
    assert metrics["free_running/edit_error_rate"] == pytest.approx(3 / 15)  # dog for cat; red is missing, dog for cat
    assert metrics["baseline/most_frequent/exact_match"] == 0.25
    assert metrics["baseline/most_frequent/edit_error_rate"] == pytest.approx((3 + 1 + 2 + 0) / 15)
    assert metrics["baseline/most_frequent/bleu"] == 0 < metrics["free_running/bleu"] < 100  # of three words, no four
