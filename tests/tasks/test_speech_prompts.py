"""Errors of prompts are counted on text, as jiwer counts them, beside one output for all."""

import functools
import re
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest

from research.batch import EOS
from research.tasks import SpeechPrompts, speech_prompts
from research.tasks.speech_prompts import SpeechPrompts
from research.tasks.task import Predictions
from tests.data.recordings import all_spoken

SPLITS = {
    "train": ["press one", "press one", "press two", "good bye"],
    "validation": ["nothing"],
    "test": ["one two", "press four", "bye"],
}


@pytest.fixture
def task(monkeypatch) -> SpeechPrompts:
    return made(monkeypatch)


@functools.cache
def spoken():
    return {split: all_spoken(texts) for split, texts in SPLITS.items()}


def made(monkeypatch, language: Any = "it", **options: Any) -> SpeechPrompts:
    asked = []
    monkeypatch.setattr(speech_prompts.asterisk, "load", lambda language: asked.append(language) or spoken())
    task = SpeechPrompts(language=language, num_mels=12, **options)
    assert asked == [language]
    return task


def trained_on(task: SpeechPrompts) -> list[str]:
    """The texts of all training examples."""
    return ["".join(task.vocabulary.decode(edits.symbols(target))) for bucket in task.data for target in bucket.targets]


def predictions(task: SpeechPrompts, **said: str) -> Predictions:
    """What a model does that says these texts in place of those with a word as their first."""
    held_out = task.held_out(100)
    outputs = np.zeros((3, 20), np.int32)
    for row, output in zip(task.rows(100), outputs, strict=True):
        text = str(task.test[row].text)
        ids = task.vocabulary.encode(said.get(text.split()[0], text))
        output[: len(ids) + 1] = [*ids, EOS]
    none = np.zeros(held_out.targets.shape)
    assert held_out.target_lengths is not None
    return Predictions(none, none, held_out.target_lengths, outputs, held_out.targets)


def test_the_validation_split_is_neither_trained_on_nor_held_out(task):
    assert sorted(one.text for one in task.test) == sorted(SPLITS["test"])
    assert sum(len(bucket.targets) for bucket in task.data) == len(SPLITS["train"])
    assert set(task.vocabulary.symbols) == set("".join(SPLITS["train"] + SPLITS["test"]))


def test_the_validation_split_can_be_held_out_and_then_the_test_split_is_not_seen(monkeypatch):
    task = made(monkeypatch, held_out="validation")
    assert [one.text for one in task.test] == SPLITS["validation"]
    assert sorted(trained_on(task)) == sorted(SPLITS["train"])


def test_joined_training_recordings_are_added_to_training(monkeypatch):
    texts = trained_on(made(monkeypatch, joined=6))
    added = Counter(texts) - Counter(SPLITS["train"])
    assert len(texts) == len(SPLITS["train"]) + 6 == sum(added.values()) + len(SPLITS["train"])
    for text in added:
        assert re.fullmatch("((press one|press two|good bye)( |$)){2,3}", text)


def test_so_many_synthesized_sentences_are_added_to_training_but_are_not_joined(monkeypatch):
    sentences = all_spoken(["hold on", "well", "no"])
    load = {"ru": sentences}
    monkeypatch.setattr(speech_prompts.espeak_sentences, "load", lambda language, count: load[language][:count])
    task = made(monkeypatch, language="ru", synthesized=2, joined=3)
    texts = trained_on(task)
    assert Counter(texts)["hold on"] == Counter(texts)["well"] == 1 and "no" not in texts
    assert len(texts) == len(SPLITS["train"]) + 2 + 3
    assert task.constant == "press one"  # what there is to say without listening is what prompts say


def test_perfect_output_has_no_errors_and_the_most_frequent_text_has_many(task):
    metrics = task.evaluate(predictions(task)).metrics
    assert metrics["free_running/character_error_rate"] == 0 == metrics["free_running/word_error_rate"]
    assert task.constant == "press one"
    assert metrics["baseline/most_frequent/word_error_rate"] == pytest.approx((2 + 1 + 2) / 5)
    assert metrics["baseline/most_frequent/character_error_rate"] == pytest.approx((7 + 3 + 8) / 20)


def test_errors_are_counted_in_characters_and_in_words(task):
    metrics = task.evaluate(predictions(task, press="press for", bye="")).metrics
    assert metrics["free_running/character_error_rate"] == pytest.approx((1 + 3) / 20)
    assert metrics["free_running/word_error_rate"] == pytest.approx((1 + 1) / 5)
    assert metrics["free_running/edit_error_rate"] == pytest.approx((1 + 3) / 20)


def test_fewer_held_out_prompts_are_scored_where_fewer_are_asked_for(task):
    one = predictions(task)
    first = [int(np.flatnonzero(task.rows(3) == row)[0]) for row in task.rows(1)]
    few = jax.tree.map(lambda array: array[first], one)
    assert task.evaluate(few).metrics["free_running/word_error_rate"] == 0
