"""Captions of COCO, made of small archives of the formats that TFDS downloads."""

import pickle
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from research.batch import EOS
from research.tasks.tfds_captions import CocoCaptions
from tests.data.corpora import archives
from tests.tasks.outputs import outputs, perfect


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        archives.coco_captions(archives.manual_folder(tmp_path_factory.mktemp("tfds"), patch))
        yield


@pytest.fixture(scope="module")
def task() -> CocoCaptions:
    return CocoCaptions(size=32, patch=16, tokenizer="characters")


def test_each_photograph_is_read_with_each_of_its_captions(task):
    batches, seen = pickle.loads(pickle.dumps(task.stream.batches(jax.random.key(0), 12, 2))), set()
    for batch in map(batches.__getitem__, range(12)):
        for steps, target, end in zip(batch.inputs, batch.targets, batch.target_lengths, strict=True):
            caption = task.processor().decode(target[: end - 1].tolist())
            number = caption.count("x")
            red = 1 - task.processor().input.unscan(steps[None], np)[0, 16, 16, 0]
            assert red * 255 == pytest.approx(40 * number, abs=4)  # JPEG rounds
            assert target[end - 1] == EOS
            seen.add(caption)
    assert seen == {archives.caption(number, k) for number in (1, 2) for k in range(2)}


def test_a_photograph_is_a_square_on_white(task):
    pixels = task.processor().input.unscan(task.eval_examples("test", 1).batch.inputs, np)[0]
    assert pixels.shape == (32, 32, 3)
    assert not np.any(pixels[:3]) and not np.any(pixels[-3:]) and np.all(pixels[5:27, :, 1] > 0.8)


def test_any_caption_of_a_photograph_is_right(task):
    examples = task.eval_examples("test", 100)
    assert [len(captions) for captions in examples.references] == [2, 2]
    assert [len(captions) for captions in task.eval_examples("validation", 100).references] == [2]
    metrics = {}
    for wrong in ("", " not"):  # the second of one, the first of the other
        texts = [captions[row] + wrong for row, captions in enumerate(examples.references)]
        tokens = outputs([task.processor().target.tokens(text) for text in texts])
        metrics[wrong] = task.evaluate(perfect(examples, outputs=tokens), examples).metrics
    assert metrics[""]["free_running/exact_match"] == 1 and metrics[""]["free_running/bleu"] == pytest.approx(100)
    assert metrics[""]["free_running/edit_error_rate"] > 0  # which knows the first alone
    assert metrics[" not"]["free_running/exact_match"] == 0 and metrics[" not"]["free_running/bleu"] < 99
