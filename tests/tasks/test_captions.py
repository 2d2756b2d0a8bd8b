"""Scores of captions beside those of the most frequent one."""

import numpy as np
import pytest
from research.tasks.captions import Language
from research.tasks.reader import Vocabulary
from research.tasks.resident import Examples

from research.batch import EOS, FIRST_SYMBOL
from research.tasks import captions
from research.tasks.task import Predictions

WORDS = Vocabulary(("a", "red", "cat", "dog", "and", "one", "more"))
ENGLISH = Language("en", lambda text: WORDS.ids(text.split()), lambda tokens: " ".join(WORDS.names(tokens)))


def predictions(texts: list[str], references: list[str]) -> tuple[Predictions, Examples]:
    held_out = Examples([np.zeros((3, 2), np.float32)] * len(texts), [WORDS.ids(text.split()) for text in references])
    outputs = np.zeros((len(texts), 9), np.int32)
    for row, text in zip(outputs, texts, strict=True):
        ids = [*WORDS.ids(text.split()), EOS, FIRST_SYMBOL]  # what follows the end mark does not count
        row[: len(ids)] = ids
    batch = held_out.batch()
    assert batch.target_lengths is not None
    none = np.zeros(batch.targets.shape)
    return Predictions(none, none, batch.target_lengths, outputs, batch.targets), held_out


def test_the_model_and_the_baseline_are_scored_against_the_same_texts():
    references = ["a red cat and a dog", "a red dog", "one more cat", "a red cat"]
    said, held_out = predictions(["a red cat and a dog", "a red cat", "one more cat", "a dog"], references)
    found = captions.evaluate(said, held_out.batch(), references, "a red cat", ENGLISH)
    metrics = found.metrics
    assert metrics["free_running/exact_match"] == 0.5
    assert metrics["free_running/edit_error_rate"] == pytest.approx(3 / 15)  # dog for cat; red is missing, dog for cat
    assert metrics["free_running/sequence_error_rate"] == 0.5
    assert metrics["baseline/exact_match"] == 0.25
    assert metrics["baseline/constant/edit_error_rate"] == pytest.approx((3 + 1 + 2 + 0) / 15)
    assert (
        metrics["baseline/bleu"] == 0 < metrics["free_running/bleu"] < 100
    )  # three words have no four in a row
    assert metrics["baseline/chrf"] < metrics["free_running/chrf"] < 100
    assert found.signatures is not None and set(found.signatures) == {"bleu", "chrf"}


def test_perfect_outputs_have_the_highest_scores():
    references = ["a red cat and a dog", "one more cat and one more dog"]
    said, held_out = predictions(references, references)
    metrics = captions.evaluate(said, held_out.batch(), references, "a red cat", ENGLISH).metrics
    assert [metrics["free_running/bleu"], metrics["free_running/chrf"]] == pytest.approx([100, 100])
    assert metrics["free_running/exact_match"] == 1 and metrics["free_running/edit_error_rate"] == 0
