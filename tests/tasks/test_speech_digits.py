"""Voices made up of tones stand for the synthesized ones and for the real one."""

from collections.abc import Iterator

import numpy as np
import pytest

from research.batch import EOS, PAD
from research.data.corpora import asterisk, espeak, flite
from research.data.corpora.recordings import Recording
from research.tasks import speech_digits
from research.tasks.speech_digits import MAX_PAUSE, NUM_STRINGS, SpeechDigits
from research.tasks.speech_digits import REAL as REAL_SPEAKER
from research.tasks.task import EvalExamples
from tests.data.recordings import RATE, spoken
from tests.tasks.outputs import perfect

WORDS = espeak.WORDS
TRAIN = [
    *(spoken(word, "a", draw=draw) for draw, word in enumerate(WORDS)),
    *(spoken(text, "b", draw=20) for text in ("two", "two nine", "nine two one", "two")),
]
VALIDATION = [spoken("one one", "c", draw=21)]
TEST = [spoken(text, "d", draw=30 + draw) for draw, text in enumerate(["one two", "six", "three four five", "two"])]
REAL = [spoken(word, "Allison", draw=40 + draw) for draw, word in enumerate(WORDS)]
EVERYTHING = len(TEST) + len(REAL) + NUM_STRINGS


@pytest.fixture(scope="module")
def task() -> Iterator[SpeechDigits]:
    with pytest.MonkeyPatch.context() as patch:
        said = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
        patch.setattr(espeak.EspeakDigits, "recordings", lambda corpus, split: dict(enumerate(said[split])))
        patch.setattr(asterisk, "digits", lambda: REAL)
        yield SpeechDigits(num_mels=12)


@pytest.fixture(scope="module")
def everything(task) -> EvalExamples:
    return task.eval_examples("test", EVERYTHING + 1000)


def test_validation_has_voices_of_its_own_and_not_the_real_one(task):
    examples = task.eval_examples("validation", 1000)
    assert [(one.text, one.speaker) for one in examples.references] == [("one one", "c")]
    metrics = task.evaluate(perfect(examples), examples).metrics
    assert metrics["free_running/word_error_rate"] == 0 and not any("real" in name for name in metrics)


def test_the_recording_of_an_example_is_what_was_spoken(task, everything):
    samples, rate = task.recording(everything, 3)
    assert rate == RATE and samples is everything.references[3].samples


def without_last_word(task: SpeechDigits, everything: EvalExamples, wrong: np.ndarray) -> dict[str, float]:
    """Return the metrics of a model that leaves out the last word of some examples."""
    targets = everything.batch.targets.copy()
    ends = np.argmax(targets == EOS, axis=1)
    rows = np.flatnonzero(wrong)
    targets[rows, ends[rows]] = PAD
    targets[rows, ends[rows] - 1] = EOS
    return task.evaluate(perfect(everything, outputs=targets), everything).metrics


def is_real(everything: EvalExamples) -> np.ndarray:
    return np.array([one.speaker == REAL_SPEAKER for one in everything.references])


def words(everything: EvalExamples) -> np.ndarray:
    return np.array([len(one.text.split()) for one in everything.references])


def test_training_hears_the_training_voices_and_neither_the_others_nor_the_real_one(task):
    heard = [
        features[:length].tobytes()
        for batch in task.data
        for features, length in zip(batch.inputs, batch.input_lengths, strict=True)
    ]
    expected = [task.log_mel(one) for one in TRAIN]
    assert sorted(heard) == sorted(features.tobytes() for features in expected)


def test_voices_built_from_recordings_are_added_to_training_alone(task, monkeypatch):
    monkeypatch.setattr(asterisk, "digits", lambda: REAL)
    added = [spoken("six six", "slt", draw=90 + draw) for draw in range(40)]
    monkeypatch.setattr(flite, "load", lambda count: added[:count])
    more = SpeechDigits(num_mels=12, flite_strings=30)
    counts = [sum(len(batch.inputs) for batch in one.data) for one in (task, more)]
    assert counts == [len(TRAIN), len(TRAIN) + 30]
    said = [[(one.text, one.speaker) for one in digits.eval_examples("test", 20).references] for digits in (task, more)]
    assert said[0] == said[1]
    assert (task.prepared.most_frequent, more.prepared.most_frequent) == ("two", "six six")


def test_test_has_unseen_voices_and_the_real_one(task, everything):
    assert len(everything.references) == EVERYTHING
    real = is_real(everything)
    unseen = [one for one, is_her in zip(everything.references, real, strict=True) if not is_her]
    assert sorted(one.text for one in unseen) == sorted(one.text for one in TEST)
    assert {one.speaker for one in unseen} == {"d"} and np.sum(real) == len(REAL) + NUM_STRINGS
    assert task.processor().target.vocabulary == ("<unk>", *sorted(WORDS))


def test_real_digits_stand_alone_and_in_strings_that_training_does_not_have():
    strings = speech_digits.strings_of(REAL)
    assert [one.text for one in strings[:10]] == list(WORDS)
    for one, clip in zip(strings[:10], REAL, strict=True):
        np.testing.assert_array_equal(one.samples, clip.samples)
    sizes = [len(one.text.split()) for one in strings[10:]]
    assert len(sizes) == NUM_STRINGS and set(sizes) == set(range(2, 8))
    for one in strings[10:]:
        digits = [WORDS.index(word) for word in one.text.split()]
        assert espeak.may_say("test", digits)
    assert len({one.text for one in strings[10:]}) > 0.75 * NUM_STRINGS  # of two digits there are but ten


def test_a_string_is_its_recordings_in_order_with_short_pauses_between():
    for one in speech_digits.strings_of(REAL)[10:20]:
        clips = [REAL[WORDS.index(word)].samples for word in one.text.split()]
        place, longest = 0, int(MAX_PAUSE * RATE)
        for clip in clips:
            starts = range(place, place + longest + 1)
            (start,) = [at for at in starts if np.array_equal(one.samples[at : at + len(clip)], clip)]
            assert not np.any(one.samples[place:start])
            place = start + len(clip)
        assert place == len(one.samples)
    lengths = {len(one.samples) - sum(len(REAL[WORDS.index(word)].samples) for word in one.text.split())
               for one in speech_digits.strings_of(REAL)[10:]}  # fmt: skip
    assert len(lengths) > 100


def test_pauses_and_strings_are_the_same_in_every_run():
    for first, second in zip(speech_digits.strings_of(REAL), speech_digits.strings_of(REAL), strict=True):
        assert first.text == second.text
        np.testing.assert_array_equal(first.samples, second.samples)


def test_recordings_of_another_rate_have_pauses_of_the_same_time():
    twice = [Recording(np.repeat(one.samples, 2), 2 * RATE, one.text, one.speaker) for one in REAL]
    for one, other in zip(speech_digits.strings_of(REAL), speech_digits.strings_of(twice), strict=True):
        assert other.sample_rate == 2 * RATE
        assert abs(len(other.samples) - 2 * len(one.samples)) <= 14


def test_perfect_outputs_have_no_error_but_those_of_the_baseline(task, everything):
    metrics = task.evaluate(perfect(everything), everything).metrics
    baseline = {name for name in metrics if "baseline/" in name}
    assert len(baseline) == 3 and all(metrics[name] > 0.5 for name in baseline)
    assert all(value == 0 for name, value in metrics.items() if name not in baseline)


def test_errors_on_unseen_voices_are_those_of_the_standard_metrics(task, everything):
    metrics = without_last_word(task, everything, ~is_real(everything) & (words(everything) > 1))
    assert metrics["free_running/word_error_rate"] == pytest.approx(2 / 7) == metrics["exposure_bias_gap"]
    assert metrics["free_running/sequence_error_rate"] == 0.5
    assert all(value == 0 for name, value in metrics.items() if name.startswith("free_running/real/"))


def test_errors_on_the_real_voice_are_in_separate_metrics(task, everything):
    real, sizes = is_real(everything), words(everything)
    wrong = real & ((sizes == 7) | (sizes == 1) & (np.cumsum(real & (sizes == 1)) <= 3))
    metrics = without_last_word(task, everything, wrong)
    assert metrics["free_running/real/word_error_rate"] == pytest.approx(np.sum(wrong) / np.sum(sizes[real]))
    assert metrics["free_running/real/sequence_error_rate"] == pytest.approx(np.sum(wrong) / np.sum(real))
    assert metrics["free_running/real/single_word_error_rate"] == pytest.approx(0.3)
    assert metrics["free_running/word_error_rate"] == 0 == metrics["free_running/sequence_error_rate"]


def test_the_baseline_is_the_most_frequent_training_string_for_everything(task, everything):
    metrics = task.evaluate(perfect(everything), everything).metrics
    # "two" stands three times in training.
    assert metrics["baseline/most_frequent/word_error_rate"] == pytest.approx(1 - 2 / 7)
    sizes, real = words(everything), is_real(everything)
    has_two = np.array(["two" in one.text.split() for one in everything.references])
    expected = 1 - np.sum(has_two[real]) / np.sum(sizes[real])
    assert metrics["baseline/most_frequent/real/word_error_rate"] == pytest.approx(expected)


def test_tables_are_of_the_unseen_voices(task, everything):
    found = task.evaluate(perfect(everything), everything)
    assert found.by_length is not None and found.by_position is not None
    assert sum(found.by_length["count"]) == len(TEST) == found.by_position["count"][0]


def test_a_small_sample_can_be_scored(task):
    few = task.eval_examples("test", 60)
    assert task.evaluate(perfect(few), few).metrics["baseline/most_frequent/real/word_error_rate"] > 0
