"""A reader that was saved and restored, without a corpus, reads and writes as the first."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from research.batch import FIRST_SYMBOL
from research.config import SpeechOptions
from research.errors import UserError
from research.tasks.audio import fbank, sound
from research.tasks.audio.fbank import Statistics
from research.tasks.audio.reader import SoundReader
from research.tasks.reader import Vocabulary
from tests.tasks.recordings import spoken

MELS = 12


def reader(separator: str = "", **options) -> SoundReader:
    made = SpeechOptions(mels=MELS, **options)
    corpus = Statistics.of([fbank.log_mel(spoken("other", "b").sound.astype(np.float32) / 32768, made)])
    return SoundReader(made, corpus, Vocabulary(("a", "b", "ch")), separator)


def file(folder: Path, rate: int = 8000) -> str:
    path = folder / "a.wav"
    soundfile.write(path, spoken("hallo", rate=rate).sound, rate)
    return str(path)


@pytest.mark.parametrize("normalise", ["none", "corpus", "speaker", "utterance"])
def test_what_is_saved_is_json_and_all_that_is_needed(normalise, tmp_path):
    first = reader(normalise=normalise, deltas=1, stack=3)
    again = SoundReader.restored(json.loads(json.dumps(first.saved())))
    assert again.saved() == first.saved()
    features = first.read(file(tmp_path))
    assert (features.dtype, features.shape) == (np.float32, (-(-70 // 3), MELS * 2 * 3))
    np.testing.assert_array_equal(again.read(file(tmp_path)), features)


def test_a_lone_sound_normalised_by_speaker_is_normalised_by_itself(tmp_path):
    path = file(tmp_path)
    speaker, utterance = reader(normalise="speaker").read(path), reader(normalise="utterance").read(path)
    np.testing.assert_allclose(speaker, utterance, atol=1e-3)
    assert np.abs(utterance - reader(normalise="corpus").read(path)).mean() > 0.1


def test_what_is_not_distorted_is_what_a_saved_reader_does_not_hold():
    saved = SoundReader.restored(reader(speed=0.1, noise=0.5).saved())
    assert not isinstance(saved.options, SpeechOptions)


def test_text_is_joined_by_the_separator():
    tokens = [FIRST_SYMBOL + 2, FIRST_SYMBOL]
    assert reader().text(tokens) == "cha" and reader(" ").text(tokens) == "ch a"
    assert reader().said(tokens) == ["ch", "a"]


@pytest.mark.parametrize("stack", [1, 3])
def test_the_picture_of_a_sound_is_as_long_as_what_the_model_reads(stack, tmp_path):
    path, one = file(tmp_path), reader(stack=stack)
    axis = one.axis(path)
    log_mel = fbank.log_mel(sound.read(path, 8000), one.options)
    assert axis.picture is not None and axis.picture.shape == (MELS, len(one.read(path)))
    np.testing.assert_allclose(axis.picture[:, 0], log_mel[:stack].mean(0), rtol=1e-5)
    np.testing.assert_allclose(axis.picture[:, -1], log_mel[stack * (len(axis.picture[0]) - 1) :].mean(0), rtol=1e-5)
    assert axis.extent == pytest.approx(len(axis.picture[0]) * stack / 100) and axis.name == "time (s)"


@pytest.mark.parametrize("hertz", [500, 1000, 2000])
def test_a_tone_is_brightest_where_its_frequency_is_marked(hertz, tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000), 8000)
    axis = reader().axis(str(path))
    assert axis.picture is not None
    assert int(axis.heights[f"{hertz / 1000:g} kHz"]) == int(np.argmax(np.mean(axis.picture, axis=1)))
    assert "4 kHz" not in axis.heights  # above the highest filter's peak


def test_a_file_that_is_no_sound_is_an_error_of_the_user(tmp_path):
    (tmp_path / "a.wav").write_text("text")
    with pytest.raises(UserError, match="is no sound"):
        reader().read(str(tmp_path / "a.wav"))
