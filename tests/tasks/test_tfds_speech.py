"""Speech of TFDS's corpora, made of small archives of the formats that it downloads."""

import pickle
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from research.data.audio.features import log_mel_filterbank
from research.tasks.task import Split
from research.tasks.tfds_speech import COMMANDS, Librispeech, SpeechCommands, TfdsSpeech
from tests.data.corpora import archives
from tests.tasks.outputs import perfect

BOOKS = Librispeech(train="460", evaluation="other", num_mels=12, stack=2)


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        manual = archives.manual_folder(tmp_path_factory.mktemp("tfds"), patch)
        archives.librispeech(manual)
        archives.speech_commands(manual)
        yield


def heard(task: TfdsSpeech, steps: int = 30):
    """Log-mel features and texts of the first batches of two."""
    stream: Any = task.stream
    batches = stream.batches(jax.random.key(0), steps, 2)
    for batch in map(batches.__getitem__, range(steps)):
        for source, length, target in zip(batch.inputs, batch.input_lengths, batch.targets, strict=True):
            yield source[:length], task.processor().decode(target.tolist())


def test_recordings_of_all_subsets_are_read_with_their_own_text():
    task, expected = BOOKS, {}
    for number in (4, 5):
        for k, text in enumerate(archives.TEXTS):
            sound = archives.samples(100 * number + k, 0.5 + 0.1 * k).astype(np.float32) / 32768
            expected[log_mel_filterbank(sound, BOOKS).astype(np.float16).tobytes()] = text.lower()
    found = {log_mel.tobytes(): text for log_mel, text in heard(task)}
    assert found == expected
    assert {log_mel.dtype for log_mel, _ in heard(task, 1)} == {np.dtype(np.float16)}


@pytest.mark.parametrize(("rate", "hop"), [(16000, 10.0), (8000, 10.0), (11025, 12.5)])
def test_the_lengths_that_buckets_are_made_of_are_those_of_the_features(rate, hop):
    task = Librispeech(train="100", sample_rate=rate, hop_ms=hop, frame_ms=25.0, num_mels=12)
    stream: Any = task.stream
    records = pickle.loads(pickle.dumps(stream.records))  # as a worker process has them
    lengths = [len(records[row][0]) for row in range(5)]
    np.testing.assert_array_equal(lengths, records.rows[:, 1])
    assert max(lengths) <= task.longest[0]


@pytest.mark.parametrize(("split", "voice"), [("validation", "20"), ("test", "22")])
def test_voices_of_validation_and_test_are_scored_as_text(split: Split, voice):
    examples = BOOKS.eval_examples(split, 100)
    assert sorted(one.text for one in examples.references) == sorted(text.lower() for text in archives.TEXTS)
    assert {one.speaker for one in examples.references} == {voice}
    assert examples.batch.inputs.shape[2] == BOOKS.spec.input_size == 24
    metrics = BOOKS.evaluate(perfect(examples), examples).metrics
    assert metrics["free_running/word_error_rate"] == 0 < metrics["baseline/most_frequent/word_error_rate"]


def test_commands_are_one_symbol_each_and_their_errors_are_those_of_the_recordings():
    task = SpeechCommands(num_mels=12)
    assert {text for _, text in heard(task)} == {"yes", "no", "_silence_", "_unknown_"} <= set(COMMANDS)
    assert {one.text for one in task.eval_examples("validation", 9).references} == {"yes", "_silence_", "_unknown_"}
    examples = task.eval_examples("test", 100)
    outputs = examples.batch.targets.copy()
    outputs[0, 0] = task.target_field.tokens("down")[0]
    metrics = task.evaluate(perfect(examples, outputs=outputs), examples).metrics
    assert metrics["free_running/word_error_rate"] == 1 / 4
