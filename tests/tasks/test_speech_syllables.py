"""Errors of syllables are counted in symbols, in tones, and without the tone."""

import numpy as np
import pytest

from research.batch import EOS
from research.tasks import SpeechSyllables, speech_syllables
from research.tasks.speech_syllables import SpeechSyllables
from research.tasks.task import Predictions
from tests.data.recordings import all_spoken

SPLITS = {
    "train": ["ㄅㄚ1", "ㄅㄚ1", "ㄅㄚ2", "ㄇㄛ4"],
    "validation": ["ㄉㄚ1"],
    "test": ["ㄇㄚ3", "ㄅㄚ4", "ㄨ1"],
}


@pytest.fixture
def task(monkeypatch) -> SpeechSyllables:
    asked = []
    spoken = {split: all_spoken(texts) for split, texts in SPLITS.items()}
    monkeypatch.setattr(speech_syllables.gcin, "load", lambda way: asked.append(way) or spoken)
    made = SpeechSyllables(split="base", num_mels=12)
    assert asked == ["base"]
    return made


def test_the_split_to_be_scored_on_can_be_chosen(monkeypatch):
    spoken = {split: all_spoken(texts) for split, texts in SPLITS.items()}
    monkeypatch.setattr(speech_syllables.gcin, "load", lambda way: spoken)
    made = SpeechSyllables(num_mels=12, held_out="validation")
    assert [one.text for one in made.test] == SPLITS["validation"]


def evaluated(task: SpeechSyllables, **said: str) -> dict[str, float]:
    """The metrics of a model that says these syllables in place of others."""
    held_out = task.held_out(100)
    outputs = np.zeros((3, 5), np.int32)
    for row, output in zip(task.rows(100), outputs, strict=True):
        text = str(task.test[row].text)
        ids = task.vocabulary.encode(said.get(text, text))
        output[: len(ids) + 1] = [*ids, EOS]
    none = np.zeros(held_out.targets.shape)
    assert held_out.target_lengths is not None
    return task.evaluate(Predictions(none, none, held_out.target_lengths, outputs, held_out.targets)).metrics


def test_a_syllable_without_errors_has_none_and_the_most_frequent_one_has(task):
    metrics = evaluated(task)
    assert {name for name, value in metrics.items() if value} == {
        "baseline/most_frequent/edit_error_rate",
        "baseline/most_frequent/sequence_error_rate",
    }
    assert task.constant == "ㄅㄚ1"
    assert metrics["baseline/most_frequent/edit_error_rate"] == pytest.approx((2 + 1 + 2) / 8)
    assert metrics["baseline/most_frequent/sequence_error_rate"] == 1


def test_tones_and_what_is_left_without_them_are_counted_apart(task):
    metrics = evaluated(task, ㄇㄚ3="ㄇㄚ4", ㄅㄚ4="ㄇㄛ4")
    assert metrics["free_running/edit_error_rate"] == pytest.approx((1 + 2) / 8)
    assert metrics["free_running/sequence_error_rate"] == pytest.approx(2 / 3)
    assert metrics["free_running/tone_error_rate"] == pytest.approx(1 / 3)
    assert metrics["free_running/base_error_rate"] == pytest.approx(1 / 3)


def test_no_output_is_an_error_of_every_kind(task):
    metrics = evaluated(task, ㄨ1="")
    assert metrics["free_running/tone_error_rate"] == pytest.approx(1 / 3) == metrics["free_running/base_error_rate"]
