"""Speech of TFDS's corpora, made of small archives of the formats that it downloads."""

from collections.abc import Iterator

import jax
import numpy as np
import pytest
from research.tasks.audio import fbank

from research.errors import UserError
from research.tasks import Librispeech, SpeechCommands
from research.tasks.task import Predictions
from research.tasks.tfds_speech import COMMANDS, Librispeech, SpeechCommands, TfdsSpeech
from tests.data.corpora import archives

BOOKS = Librispeech(train="460", held_out="test_other", num_mels=12, stack=2)


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        manual = archives.manual_folder(tmp_path_factory.mktemp("tfds"), patch)
        archives.librispeech(manual)
        archives.speech_commands(manual)
        yield


def heard(task: TfdsSpeech, steps: int = 30):
    """Log-mel features and texts of the first batches of two."""
    batches = task.stream.batches(jax.random.key(0), steps, 2)
    for batch in map(batches.__getitem__, range(steps)):
        for source, length, target in zip(batch.inputs, batch.input_lengths, batch.targets, strict=True):
            yield source[:length], task.processor().decode(target.tolist())


def test_recordings_of_all_subsets_are_read_with_their_own_text():
    task, expected = Librispeech(BOOKS), {}
    for number in (4, 5):
        for k, text in enumerate(archives.TEXTS):
            sound = archives.samples(100 * number + k, 0.5 + 0.1 * k).astype(np.float32) / 32768
            expected[fbank.log_mel(sound, BOOKS).astype(np.float16).tobytes()] = text.lower()
    found = {log_mel.tobytes(): text for log_mel, text in heard(task)}
    assert found == expected
    assert {log_mel.dtype for log_mel, _ in heard(task, 1)} == {np.dtype(np.float16)}


@pytest.mark.parametrize(("rate", "hop"), [(16000, 10.0), (8000, 10.0), (11025, 12.5)])
def test_the_lengths_that_buckets_are_made_of_are_those_of_the_features(rate, hop):
    task = Librispeech(train="100", rate=rate, hop_ms=hop, frame_ms=25.0, num_mels=12)
    records = task.stream.records
    lengths = [len(records[row][0]) for row in range(5)]
    np.testing.assert_array_equal(lengths, records.frames)
    assert max(lengths) <= max(source for source, _ in task.widths)


def test_held_out_voices_are_scored_as_text():
    task = Librispeech(BOOKS)
    assert sorted(one.text for one in task.test) == sorted(text.lower() for text in archives.TEXTS)
    assert {one.speaker for one in task.test} == {"22"}
    assert not sum(one.sound.nbytes for one in task.test)  # kept as features only: a subset has hours
    batch = task.held_out(100)
    assert batch.target_lengths is not None and batch.inputs.shape[2] == task.spec.input_size == 24
    none = np.zeros(batch.targets.shape)
    metrics = task.evaluate(Predictions(none, none, batch.target_lengths, batch.targets, batch.targets)).metrics
    assert metrics["free_running/word_error_rate"] == 0 < metrics["baseline/most_frequent/word_error_rate"]


def test_commands_are_one_symbol_each_and_their_errors_are_those_of_the_recordings():
    task = SpeechCommands(num_mels=12)
    assert {text for _, text in heard(task)} == {"yes", "no", "_silence_", "_unknown_"} <= set(COMMANDS)
    batch = task.held_out(100)
    outputs = batch.targets.copy()
    outputs[0, 0] = task.vocabulary.encode(["down"])[0]
    none = np.zeros(batch.targets.shape)
    assert batch.target_lengths is not None
    metrics = task.evaluate(Predictions(none, none, batch.target_lengths, outputs, batch.targets)).metrics
    assert metrics["free_running/word_error_rate"] == 1 / 4


def test_features_of_a_speaker_are_refused():
    with pytest.raises(UserError, match=r"task\.normalize=speaker: must be none, corpus or utterance"):
        Librispeech(normalize="speaker")
