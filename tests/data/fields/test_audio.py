"""Recordings become examples that hold what was recorded, and training sees them distorted."""

import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import soundfile

from research.data.audio.features import Statistics
from research.data.corpora.recordings import Recording
from research.data.fields.audio import AudioInput
from research.data.processor import Processor
from research.data.tables.table import Table
from research.errors import UserError
from research.tasks.dataset import Dataset
from tests.data.recordings import all_spoken, spoken

TRAIN = all_spoken(["noon", "onoe", "eeno", "neon", "noone", "oneon", "neeno", "neeon"])  # of one bucket
TEST = [spoken("oneee", "a"), spoken("nnn", "b"), spoken("ene", "b", rate=16000), spoken("nox", "c")]


def table(recordings: list[Recording]) -> Table:
    """As a corpus of speech has it."""
    columns = {"name": [one.text for one in recordings], "text": [one.text for one in recordings]}
    columns |= {"speaker": [one.speaker for one in recordings], "sound": [one.samples for one in recordings]}
    return Table({**columns, "rate": [one.sample_rate for one in recordings]}, Path("speech"))


def task(**options: Any) -> Dataset:
    made = Dataset(source="speech", input=AudioInput(num_mels=12, **options))
    vars(made)["cache"] = None
    vars(made)["tables"] = {"train": table(TRAIN), "validation": table(TRAIN[:2]), "test": table(TEST)}
    return made


def read(made: Dataset, steps: int) -> list[tuple[str, np.ndarray]]:
    """Text and features of what training reads."""
    results, key, data = [], jax.random.key(3), jax.device_put(made.data)
    assert made.buckets == 1
    program = jax.jit(functools.partial(made.batch, batch_size=4, bucket=0))
    for step in range(steps):
        batch = jax.device_get(program(data, key, jax.numpy.int32(step)))
        for features, length, target in zip(batch.inputs, batch.input_lengths, batch.targets, strict=True):
            results.append((made.prepared.processor.decode(target.tolist()), features[:length]))
    return results


def of_test(made: Dataset) -> dict[str, np.ndarray]:
    examples = made.eval_examples("test", 4)
    rows = zip(examples.references, examples.batch.inputs, examples.batch.input_lengths, strict=True)  # pyright: ignore[reportArgumentType]
    return {texts[0]: features[:length] for texts, features, length in rows}


@pytest.mark.parametrize("normalize", ["utterance", "speaker"])
def test_a_file_of_a_test_recording_is_read_as_in_evaluation(normalize, tmp_path):
    made = task(normalize=normalize, deltas=1, stack=3, noise=1.0, speed=0.2)
    processor = Processor.from_dict(json.loads(json.dumps(made.prepared.processor.to_dict())))
    expected = of_test(made)
    for one in [one for one in TEST if normalize == "utterance" or one.speaker != "b"]:  # others speak twice
        soundfile.write(tmp_path / "a.wav", one.samples, one.sample_rate)
        np.testing.assert_allclose(processor.encode(str(tmp_path / "a.wav")), expected[one.text], atol=0.02)


def test_every_update_distorts_anew_and_the_same_one_in_the_same_way():
    made = task(speed=0.3, noise=1.0, time_masks=1, stack=2)
    first, again = read(made, 12), read(made, 12)
    for (text, features), (same, others) in zip(first, again, strict=True):
        assert text == same
        np.testing.assert_array_equal(features, others)
    assert len({len(features) for text, features in first if text == "noon"}) > 2
    assert max(len(features) for _, features in first) <= made.spec.input_length


@pytest.mark.parametrize(
    ("axis", "masks"),
    [
        (0, {"frequency_masks": 1, "frequency_mask_mels": 6}),
        (1, {"time_masks": 1, "time_mask_frames": 6, "time_mask_fraction": 0.5}),
    ],
    ids=["filters", "frames"],
)
def test_what_masks_hide_training_does_not_see(axis, masks):
    def hidden(made: Dataset) -> list[float]:
        return [float(np.mean(np.all(np.diff(features, axis=0) == 0, axis=axis))) for _, features in read(made, 8)]

    fractions = hidden(task(**masks))
    assert 0.01 < np.mean(fractions) < 0.5 and max(fractions) < 0.7
    assert max(hidden(task())) == 0


def test_speakers_are_normalized_each_by_the_recordings_of_the_split():
    made = task(normalize="speaker")
    frames: dict[str, list[np.ndarray]] = {}
    for text, features in of_test(made).items():
        frames.setdefault(next(one.speaker for one in TEST if one.text == text), []).append(features)
    for speaker in frames.values():
        np.testing.assert_allclose(np.concatenate(speaker).mean(0), 0, atol=2e-3)
    assert any(np.abs(features.mean(0)).max() > 0.1 for features in frames["b"])
    few = made.eval_examples("test", 2)  # whose speakers are still those of the split
    for texts, features in zip(few.references, few.batch.inputs, strict=True):
        known = of_test(made)[texts[0]]
        np.testing.assert_array_equal(features[: len(known)], known)
    trained = dict(read(made, 8))
    assert len(trained) == len(TRAIN)
    for speaker in "ab":
        whole = np.concatenate([trained[one.text] for one in TRAIN if one.speaker == speaker])
        np.testing.assert_allclose(whole.mean(0), 0, atol=0.02)
        np.testing.assert_allclose(whole.std(0), 1, atol=0.02)


def test_the_column_of_speakers_can_be_named_and_must_exist():
    with pytest.raises(UserError, match=r"task.input.speaker_column=who: speech has no such column"):
        _ = task(normalize="speaker", speaker_column="who").splits
    with pytest.raises(
        UserError, match=r"speaker_column=who: must be '', as task.input.normalize=utterance does not use"
    ):
        AudioInput(speaker_column="who")
    by_text = of_test(task(normalize="speaker", speaker_column="text"))
    assert all(np.abs(features.mean(0)).max() < 2e-3 for features in by_text.values())


def test_the_fraction_of_padding_counts_the_room_for_slower_utterances():
    plain, slower = task().padding, task(speed=0.25).padding
    assert plain is not None and slower is not None and plain == pytest.approx(1 - (1 - slower) * 1.25)


@pytest.mark.parametrize("kind", ["int16", "list", "float64", "stereo", "int64 stereo"])
def test_samples_may_be_integers_of_16_bits_or_floats_up_to_1_and_have_channels(kind):
    sound = TEST[0].samples
    twice = np.stack([sound, sound], axis=1)
    arrays = {"int16": sound, "list": sound.tolist(), "float64": sound / 32768, "stereo": twice / np.float32(32768)}
    options, columns = AudioInput(num_mels=12), ["sound"]
    value = options.read({"sound": arrays.get(kind, twice.astype(np.int64)), "rate": 8000}, columns, Path())
    expected = options.load((sound, 8000))
    np.testing.assert_array_equal(options.load(value), expected)


def test_the_rate_of_arrays_is_that_of_a_column_or_of_the_option():
    row = {"sound": TEST[0].samples, "rate": np.int32(8000), "hertz": 4000}
    seconds = len(TEST[0].samples) / 8000
    for rate, expected in ("hertz", 2), ("16000", 0.5), ("", 1):
        made = AudioInput(rate=rate)
        assert made.seconds(made.read(row, ["sound"], Path())) == expected * seconds
    with pytest.raises(ValueError, match="task.input.rate must say"):
        AudioInput().read({"sound": TEST[0].samples}, ["sound"], Path())


def test_statistics_are_those_of_training():
    made = task()
    wanted = Statistics.of([made.input.load((one.samples, one.sample_rate)) for one in TRAIN])
    np.testing.assert_array_equal(made.prepared.processor.input.corpus.mean, wanted.mean)


def test_bytes_that_are_no_audio_are_one_line():
    for method in (AudioInput().load, AudioInput().steps):
        with pytest.raises(UserError, match="audio: is no audio file"):
            method(b"RIFFxxxx")
