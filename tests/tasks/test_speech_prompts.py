"""Errors of prompts are counted on text, as jiwer counts them, beside one output for all."""

import functools
import re
from collections import Counter
from typing import Any

import pytest

from research.data.corpora import asterisk, espeak_sentences
from research.tasks.metrics import edits
from research.tasks.speech_prompts import SpeechPrompts
from tests.data.recordings import all_spoken
from tests.tasks.outputs import outputs, perfect

SPLITS = {
    "train": ["press one", "press one", "press two", "good bye"],
    "validation": ["nothing"],
    "test": ["one two", "press boy", "bye"],
}


@pytest.fixture
def task(monkeypatch) -> SpeechPrompts:
    return made(monkeypatch)


@functools.cache
def recorded():
    return {split: all_spoken(texts) for split, texts in SPLITS.items()}


def made(monkeypatch, language: Any = "it", **options: Any) -> SpeechPrompts:
    languages = []
    monkeypatch.setattr(asterisk, "load", lambda language: languages.append(language) or recorded())
    task = SpeechPrompts(language=language, num_mels=12, **options)
    assert task.padding is not None and languages == [language]
    return task


def trained_on(task: SpeechPrompts) -> list[str]:
    """Return the texts of all training examples."""
    return [task.processor().decode(edits.symbols(target)) for bucket in task.data for target in bucket.targets]


def evaluated(task: SpeechPrompts, **said: str) -> dict[str, float]:
    """Return the metrics of a model that says these texts in place of those with a word as their first."""
    examples = task.eval_examples("test", 100)
    texts = [str(said.get(one.text.split()[0], one.text)) for one in examples.references]
    tokens = [task.processor().target.tokens(text) for text in texts]
    return task.evaluate(perfect(examples, outputs=outputs(tokens)), examples).metrics


def test_neither_validation_nor_test_is_trained_on(task):
    assert sorted(trained_on(task)) == sorted(SPLITS["train"])
    assert set(task.processor().target.vocabulary) == {"<unk>", *"".join(SPLITS["train"])}
    for split in ("validation", "test"):
        assert sorted(one.text for one in task.eval_examples(split, 99).references) == sorted(SPLITS[split])


def test_joined_training_recordings_are_added_to_training(monkeypatch):
    texts = trained_on(made(monkeypatch, joined=6))
    added = Counter(texts) - Counter(SPLITS["train"])
    assert len(texts) == len(SPLITS["train"]) + 6 == sum(added.values()) + len(SPLITS["train"])
    for text in added:
        assert re.fullmatch("((press one|press two|good bye)( |$)){2,3}", text)


def test_so_many_synthesized_sentences_are_added_to_training_but_are_not_joined(monkeypatch):
    sentences = all_spoken(["hold on", "well", "no"])
    load = {"ru": sentences}
    monkeypatch.setattr(espeak_sentences, "load", lambda language, count: load[language][:count])
    task = made(monkeypatch, language="ru", synthesized=2, joined=3)
    texts = trained_on(task)
    assert Counter(texts)["hold on"] == Counter(texts)["well"] == 1 and "no" not in texts
    assert len(texts) == len(SPLITS["train"]) + 2 + 3
    assert task.prepared.most_frequent == "press one"  # what there is to say without listening is what prompts say


def test_perfect_output_has_no_errors_and_the_most_frequent_text_has_many(task):
    metrics = evaluated(task)
    assert metrics["free_running/character_error_rate"] == 0 == metrics["free_running/word_error_rate"]
    assert metrics["baseline/most_frequent/word_error_rate"] == pytest.approx((2 + 1 + 2) / 5)
    assert metrics["baseline/most_frequent/character_error_rate"] == pytest.approx((7 + 3 + 8) / 19)


def test_errors_are_counted_in_characters_and_in_words(task):
    metrics = evaluated(task, press="press tow", bye="")
    assert metrics["free_running/character_error_rate"] == pytest.approx((2 + 3) / 19)
    assert metrics["free_running/word_error_rate"] == pytest.approx((1 + 1) / 5)
