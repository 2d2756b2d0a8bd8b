"""Voices made up of tones stand for the synthesized ones and for the real one."""

import dataclasses

import numpy as np
import pytest
from research.tasks.audio import fbank, sound

from research.batch import EOS, PAD
from research.data.corpora import asterisk, espeak, flite
from research.data.corpora.recordings import Recording
from research.tasks import SpeechDigits, speech_digits
from research.tasks.speech_digits import JOINED, LONGEST_PAUSE, SpeechDigits
from research.tasks.task import Predictions
from tests.data.recordings import RATE, spoken

WORDS = espeak.WORDS
TRAIN = [
    *(spoken(word, "a", draw=draw) for draw, word in enumerate(WORDS)),
    *(spoken(text, "b", draw=20) for text in ("two", "two nine", "nine two one", "two")),
]
VALIDATION = [spoken("one one", "c", draw=21)]
TEST = [spoken(text, "d", draw=30 + draw) for draw, text in enumerate(["one two", "six", "three four five", "two"])]
REAL = [spoken(word, "Allison", draw=40 + draw) for draw, word in enumerate(WORDS)]
EVERYTHING = len(TEST) + len(REAL) + JOINED


@pytest.fixture(scope="module")
def task() -> SpeechDigits:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(espeak, "load", lambda: {"train": TRAIN, "validation": VALIDATION, "test": TEST})
        patch.setattr(asterisk, "digits", lambda: REAL)
        return SpeechDigits(num_mels=12)


def test_the_voices_to_be_scored_on_can_be_chosen(monkeypatch):
    monkeypatch.setattr(espeak, "load", lambda: {"train": TRAIN, "validation": VALIDATION, "test": TEST})
    monkeypatch.setattr(asterisk, "digits", lambda: REAL)
    made = SpeechDigits(num_mels=12, held_out="validation")
    assert {one.speaker for one in made.test} == {"c", "Allison"} and len(made.test) == 1 + len(REAL) + JOINED
    count = len(made.test)
    assert made.evaluate(predictions(made, count)).metrics["free_running/word_error_rate"] == 0


def predictions(task: SpeechDigits, count: int = EVERYTHING, **changes: np.ndarray) -> Predictions:
    """What a perfect model does."""
    held_out = task.held_out(count)
    assert held_out.target_lengths is not None
    none = np.zeros(held_out.targets.shape)
    perfect = Predictions(none, none, held_out.target_lengths, held_out.targets, held_out.targets)
    return dataclasses.replace(perfect, **changes)


def without_last_word(task: SpeechDigits, wrong: np.ndarray) -> dict[str, float]:
    """The metrics of a model that leaves out the last word of some examples."""
    targets = task.held_out(EVERYTHING).targets.copy()
    ends = np.argmax(targets == EOS, axis=1)
    rows = np.flatnonzero(wrong)
    targets[rows, ends[rows]] = PAD
    targets[rows, ends[rows] - 1] = EOS
    return task.evaluate(predictions(task, outputs=targets)).metrics


def speakers(task: SpeechDigits) -> np.ndarray:
    return np.array([task.test[row].speaker for row in task.rows(EVERYTHING)])


def words(task: SpeechDigits) -> np.ndarray:
    return np.array([len(task.test[row].text.split()) for row in task.rows(EVERYTHING)])


def test_training_hears_the_training_voices_and_neither_the_others_nor_the_real_one(task):
    heard = [
        features[:length].tobytes()
        for batch in task.data
        for features, length in zip(batch.inputs, batch.input_lengths, strict=True)
    ]
    expected = [fbank.log_mel(sound.resampled(one.sound, RATE, RATE), task.options).astype(np.float16) for one in TRAIN]
    assert sorted(heard) == sorted(features.tobytes() for features in expected)


def test_voices_built_from_recordings_are_added_to_training_alone(task, monkeypatch):
    monkeypatch.setattr(espeak, "load", lambda: {"train": TRAIN, "validation": VALIDATION, "test": TEST})
    monkeypatch.setattr(asterisk, "digits", lambda: REAL)
    added = [spoken("six six", "slt", draw=90 + draw) for draw in range(40)]
    monkeypatch.setattr(flite, "load", lambda count: added[:count])
    more = SpeechDigits(num_mels=12, flite_strings=30)
    counts = [sum(len(batch.inputs) for batch in one.data) for one in (task, more)]
    assert counts == [len(TRAIN), len(TRAIN) + 30]
    assert [one.text for one in more.test] == [one.text for one in task.test]
    assert more.constant == "six six"


def test_unseen_voices_and_the_real_one_are_held_out(task):
    found = [task.test[row] for row in task.rows(EVERYTHING + 1000)]
    assert len(found) == EVERYTHING
    assert sorted(one.text for one in found if one.speaker == "d") == sorted(one.text for one in TEST)
    assert sum(one.speaker == "Allison" for one in found) == len(REAL) + JOINED
    assert {one.speaker for one in found} == {"d", "Allison"}
    assert task.vocabulary.symbols == tuple(sorted(WORDS))


def test_real_digits_stand_alone_and_in_strings_that_training_does_not_have():
    strings = speech_digits.joined(REAL)
    assert [one.text for one in strings[:10]] == list(WORDS)
    for one, clip in zip(strings[:10], REAL, strict=True):
        np.testing.assert_array_equal(one.sound, clip.sound)
    sizes = [len(one.text.split()) for one in strings[10:]]
    assert len(sizes) == JOINED and set(sizes) == set(range(2, 8))
    for one in strings[10:]:
        digits = [WORDS.index(word) for word in one.text.split()]
        assert espeak.may_say("test", digits)
    assert len({one.text for one in strings[10:]}) > 0.75 * JOINED  # of two digits there are but ten


def test_a_string_is_its_recordings_in_order_with_short_pauses_between():
    for one in speech_digits.joined(REAL)[10:20]:
        clips = [REAL[WORDS.index(word)].sound for word in one.text.split()]
        place, longest = 0, int(LONGEST_PAUSE * RATE)
        for clip in clips:
            starts = range(place, place + longest + 1)
            (start,) = [at for at in starts if np.array_equal(one.sound[at : at + len(clip)], clip)]
            assert not np.any(one.sound[place:start])
            place = start + len(clip)
        assert place == len(one.sound)
    lengths = {len(one.sound) - sum(len(REAL[WORDS.index(word)].sound) for word in one.text.split())
               for one in speech_digits.joined(REAL)[10:]}  # fmt: skip
    assert len(lengths) > 100


def test_pauses_and_strings_are_the_same_in_every_run():
    for first, second in zip(speech_digits.joined(REAL), speech_digits.joined(REAL), strict=True):
        assert first.text == second.text
        np.testing.assert_array_equal(first.sound, second.sound)


def test_recordings_of_another_rate_have_pauses_of_the_same_time():
    twice = [Recording(np.repeat(one.sound, 2), 2 * RATE, one.text, one.speaker) for one in REAL]
    for one, other in zip(speech_digits.joined(REAL), speech_digits.joined(twice), strict=True):
        assert other.rate == 2 * RATE
        assert abs(len(other.sound) - 2 * len(one.sound)) <= 14


def test_perfect_outputs_have_no_error_but_those_of_the_baseline(task):
    metrics = task.evaluate(predictions(task)).metrics
    baseline = {name for name in metrics if "/baseline/" in name}
    assert len(baseline) == 2 and all(metrics[name] > 0.5 for name in baseline)
    assert all(value == 0 for name, value in metrics.items() if name not in baseline)


def test_errors_on_unseen_voices_are_those_of_the_standard_metrics(task):
    own = speakers(task) == "d"
    metrics = without_last_word(task, own & (words(task) > 1))
    assert metrics["free_running/word_error_rate"] == pytest.approx(2 / 7) == metrics["free_running/edit_error_rate"]
    assert metrics["free_running/sequence_error_rate"] == 0.5
    assert all(value == 0 for name, value in metrics.items() if name.startswith("free_running/real/"))


def test_errors_on_the_real_voice_are_in_metrics_of_their_own(task):
    real, sizes = speakers(task) == "Allison", words(task)
    wrong = real & ((sizes == 7) | (sizes == 1) & (np.cumsum(real & (sizes == 1)) <= 3))
    metrics = without_last_word(task, wrong)
    assert metrics["free_running/real/word_error_rate"] == pytest.approx(np.sum(wrong) / np.sum(sizes[real]))
    assert metrics["free_running/real/sequence_error_rate"] == pytest.approx(np.sum(wrong) / np.sum(real))
    assert metrics["free_running/real/single_word_error_rate"] == pytest.approx(0.3)
    assert metrics["free_running/word_error_rate"] == 0 == metrics["free_running/sequence_error_rate"]


def test_the_baseline_says_the_most_frequent_training_string_to_everything(task):
    metrics = task.evaluate(predictions(task)).metrics
    assert metrics["baseline/most_frequent/word_error_rate"] == pytest.approx(
        1 - 2 / 7
    )  # "two" stands three times in training
    sizes, real = words(task), speakers(task) == "Allison"
    said = np.array(["two" in task.test[row].text.split() for row in task.rows(EVERYTHING)])
    expected = 1 - np.sum(said[real]) / np.sum(sizes[real])
    assert metrics["baseline/most_frequent/real/word_error_rate"] == pytest.approx(expected)


def test_tables_are_of_the_unseen_voices(task):
    found = task.evaluate(predictions(task))
    assert found.by_length is not None and found.by_position is not None
    assert sum(found.by_length["count"]) == len(TEST) == found.by_position["count"][0]


@pytest.mark.parametrize("count", [60, 120])
def test_a_small_sample_can_be_scored(task, count):
    assert task.evaluate(predictions(task, count)).metrics["baseline/most_frequent/real/word_error_rate"] > 0
