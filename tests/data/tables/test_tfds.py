"""Data sets of TFDS that are read while a model trains, made of small archives of the formats that it downloads."""

import pickle
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from research.data.audio.features import log_mel_filterbank
from research.data.corpora.source import Source
from research.data.fields import INPUTS, TARGETS
from research.data.fields.audio import AudioInput
from research.data.fields.text import TextTarget
from research.data.tables import encoded
from research.errors import UserError
from research.tasks import dataset
from research.tasks.dataset import Dataset
from research.tasks.task import Split
from tests.data.corpora import archives
from tests.tasks.outputs import perfect

FEATURES = AudioInput(sample_rate=16000, num_mels=12, stack=2)


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        manual = archives.manual_folder(tmp_path_factory.mktemp("tfds"), patch)
        archives.librispeech(manual)
        archives.speech_commands(manual)
        patch.setattr(encoded, "MEMORY", 0)
        yield


def books(features: AudioInput = FEATURES, train: str = "train_clean360+train_other500", **options: Any) -> Dataset:
    source = options.pop("source", "librispeech")
    parts = {"train": train, "validation": "dev_other", "test": "test_other"}
    return Dataset(source=source, **parts, input=features, target=TextTarget(lowercase=True), **options)


def read(task: Dataset, steps: int = 30) -> dict[bytes, str]:
    """Log-mel features and texts of the first batches of two."""
    stream: Any = task.stream
    batches, results = stream.batches(jax.random.key(0), steps, 2), {}
    for batch in map(batches.__getitem__, range(steps)):
        for source, length, target in zip(batch.inputs, batch.input_lengths, batch.targets, strict=True):
            assert source.dtype == np.float16
            results[source[:length].tobytes()] = task.prepared.processor.decode(target.tolist())
    return results


@pytest.mark.parametrize("source", ["librispeech", "tfds:librispeech", "tfds:librispeech/lazy_decode"])
def test_recordings_of_all_subsets_are_read_with_their_own_text(source):
    expected = {}
    for number in (5, 6):
        for k, text in enumerate(archives.TEXTS):
            sound = archives.samples(100 * number + k, 0.5 + 0.1 * k).astype(np.float32) / 32768
            expected[log_mel_filterbank(sound, FEATURES).astype(np.float16).tobytes()] = text.lower()
    assert read(books(source=source)) == expected


@pytest.mark.parametrize(("rate", "hop"), [(16000, 10.0), (8000, 10.0), (11025, 12.5)])
def test_the_lengths_that_buckets_are_made_of_are_those_of_the_features(rate, hop):
    task = books(AudioInput(sample_rate=rate, hop_ms=hop, num_mels=12), "train_clean100")
    stream: Any = task.stream
    records = pickle.loads(pickle.dumps(stream.records))  # as a worker process has them
    lengths = [len(records[row][0]) for row in range(5)]
    np.testing.assert_array_equal(lengths, records.measure()[2][:, 0])
    assert max(lengths) <= task.longest[0]


def test_what_was_measured_is_not_measured_again(monkeypatch):
    monkeypatch.setattr(dataset, "WORTH_SECONDS", -1)
    first, reads = books(), []
    assert first.spec.input_length > 0
    get = Source.__getitem__
    monkeypatch.setattr(Source, "__getitem__", lambda self, row: reads.append(row) or get(self, row))
    assert books().spec == first.spec and not reads
    assert books(AudioInput(sample_rate=16000, num_mels=12, hop_ms=12.0)).spec != first.spec and reads


@pytest.mark.parametrize(("split", "voice"), [("validation", 20), ("test", 22)])
def test_other_voices_are_scored_as_text(split: Split, voice):
    task = books()
    examples = task.eval_examples(split, 100)
    assert sorted(examples.references) == sorted([text.lower()] for text in archives.TEXTS)
    rows = task.tables[split]
    assert {rows[row]["speaker_id"] for row in range(len(rows))} == {voice}
    assert examples.batch.inputs.shape[2] == task.spec.input_size == 24
    metrics = task.evaluate(perfect(examples), examples).metrics
    assert metrics["free_running/word_error_rate"] == 0 < metrics["baseline/most_frequent/word_error_rate"]


def test_a_class_of_arrays_whose_rate_the_data_set_knows():
    task = Dataset(source="speech_commands", input=AudioInput(num_mels=12), target=TARGETS["label"]())
    assert set(task.prepared.processor.target.vocabulary) == {"yes", "no", "_silence_", "_unknown_"}
    examples = task.eval_examples("test", 100)
    assert sorted(examples.references) == ["_silence_", "_unknown_", "no", "yes"]
    assert examples.batch.input_lengths is not None and set(examples.batch.input_lengths.tolist()) == {40}  # of 0.4 s


def test_joined_recordings_are_streamed_as_well():
    task = books(train="train_clean100", joined=6)
    texts = read(task).values()
    assert {text for text in texts if text not in map(str.lower, archives.TEXTS)}
    assert len(texts) == len(archives.TEXTS) + 6


def test_splits_that_have_no_usual_names_must_be_named():
    with pytest.raises(
        UserError, match=r"librispeech: has the splits dev_clean, .*; task.train, .validation, .test say"
    ):
        _ = Dataset(source="librispeech", input=INPUTS["audio"]()).splits
