"""Errors of syllables are counted in symbols, in tones, and without the tone."""

import pytest

from research.data.corpora import gcin
from research.tasks.speech_syllables import SpeechSyllables
from tests.data.recordings import all_spoken
from tests.tasks.outputs import outputs, perfect

SPLITS = {
    "train": ["ㄅㄚ1", "ㄅㄚ1", "ㄅㄚ2", "ㄇㄛ4"],
    "validation": ["ㄉㄚ1"],
    "test": ["ㄇㄚ2", "ㄅㄚ4", "ㄛ1"],
}


@pytest.fixture
def task(monkeypatch) -> SpeechSyllables:
    ways = []
    recorded = {split: all_spoken(texts) for split, texts in SPLITS.items()}
    monkeypatch.setattr(gcin, "load", lambda way: ways.append(way) or recorded)
    made = SpeechSyllables(split="base", num_mels=12)
    assert made.prepared.most_frequent == "ㄅㄚ1" and ways == ["base"]
    return made


def test_syllables_of_validation_are_those_of_their_split(task):
    assert [one.text for one in task.eval_examples("validation", 9).references] == SPLITS["validation"]


def evaluated(task: SpeechSyllables, **said: str) -> dict[str, float]:
    """Return the metrics of a model that says these syllables in place of others."""
    examples = task.eval_examples("test", 100)
    texts = [str(said.get(one.text, one.text)) for one in examples.references]
    tokens = [task.processor().target.tokens(text) for text in texts]
    return task.evaluate(perfect(examples, outputs=outputs(tokens)), examples).metrics


def test_a_syllable_without_errors_has_none_and_the_most_frequent_one_has(task):
    metrics = evaluated(task)
    assert {name for name, value in metrics.items() if value} == {
        "baseline/most_frequent/edit_error_rate",
        "baseline/most_frequent/sequence_error_rate",
    }
    assert metrics["baseline/most_frequent/edit_error_rate"] == pytest.approx((2 + 1 + 2) / 8)
    assert metrics["baseline/most_frequent/sequence_error_rate"] == 1


def test_tones_and_what_is_left_without_them_are_counted_apart(task):
    metrics = evaluated(task, ㄇㄚ2="ㄇㄚ4", ㄅㄚ4="ㄇㄛ4")
    assert metrics["free_running/edit_error_rate"] == pytest.approx((1 + 2) / 8)
    assert metrics["free_running/sequence_error_rate"] == pytest.approx(2 / 3)
    assert metrics["free_running/tone_error_rate"] == pytest.approx(1 / 3)
    assert metrics["free_running/base_error_rate"] == pytest.approx(1 / 3)


def test_no_output_is_an_error_of_every_kind(task):
    metrics = evaluated(task, ㄛ1="")
    assert metrics["free_running/tone_error_rate"] == pytest.approx(1 / 3) == metrics["free_running/base_error_rate"]
