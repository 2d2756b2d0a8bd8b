"""A processor of audio that was saved and restored, without a corpus, reads and writes as the first."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from research.batch import FIRST_SYMBOL
from research.data.audio import features
from research.data.audio.augment import SpeechOptions
from research.data.audio.features import Statistics
from research.data.audio.field import AudioField
from research.data.audio.files import load_audio
from research.data.processor import Processor
from research.data.text import Symbols
from research.errors import UserError
from tests.data.recordings import spoken

MELS = 12


def processor(separator: str = "", **options) -> Processor:
    speech = SpeechOptions(num_mels=MELS, **options)
    log_mel = features.log_mel_filterbank(spoken("other", "b").samples.astype(np.float32) / 32768, speech)
    return Processor(AudioField(speech, Statistics.of([log_mel])), Symbols(("a", "b", "ch"), separator))


def file(folder: Path, rate: int = 8000) -> str:
    path = folder / "a.wav"
    soundfile.write(path, spoken("hallo", rate=rate).samples, rate)
    return str(path)


@pytest.mark.parametrize("normalize", ["none", "corpus", "speaker", "utterance"])
def test_what_is_saved_is_json_and_all_that_is_needed(normalize, tmp_path):
    first = processor(normalize=normalize, deltas=1, stack=3)
    again = Processor.from_dict(json.loads(json.dumps(first.to_dict())))
    assert again.to_dict() == first.to_dict()
    encoded = first.encode(file(tmp_path))
    assert (encoded.dtype, encoded.shape) == (np.float32, (-(-70 // 3), MELS * 2 * 3))
    np.testing.assert_array_equal(again.encode(file(tmp_path)), encoded)


def test_a_lone_sound_normalized_by_speaker_is_normalized_by_itself(tmp_path):
    path = file(tmp_path)
    speaker, utterance = processor(normalize="speaker").encode(path), processor(normalize="utterance").encode(path)
    np.testing.assert_allclose(speaker, utterance, atol=1e-3)
    assert np.abs(utterance - processor(normalize="corpus").encode(path)).mean() > 0.1


def test_options_of_distortion_are_not_saved():
    saved = Processor.from_dict(processor(speed=0.1, noise=0.5).to_dict())
    assert isinstance(saved.input, AudioField) and not isinstance(saved.input.options, SpeechOptions)


def test_text_is_joined_by_the_separator():
    tokens = [FIRST_SYMBOL + 2, FIRST_SYMBOL]
    assert processor().decode(tokens) == "cha" and processor(" ").decode(tokens) == "ch a"
    assert processor().symbols(tokens) == ["ch", "a"]


@pytest.mark.parametrize("stack", [1, 3])
def test_the_picture_of_a_sound_is_as_long_as_what_the_model_reads(stack, tmp_path):
    path, one = file(tmp_path), processor(stack=stack)
    axis = one.axis(path)
    log_mel = features.log_mel_filterbank(load_audio(path, 8000), SpeechOptions(num_mels=MELS))
    assert axis.picture is not None and axis.picture.shape == (MELS, len(one.encode(path)))
    np.testing.assert_allclose(axis.picture[:, 0], log_mel[:stack].mean(0), rtol=1e-5)
    np.testing.assert_allclose(axis.picture[:, -1], log_mel[stack * (len(axis.picture[0]) - 1) :].mean(0), rtol=1e-5)
    assert axis.extent == pytest.approx(len(axis.picture[0]) * stack / 100) and axis.name == "time (s)"


@pytest.mark.parametrize("hertz", [500, 1000, 2000])
def test_a_tone_is_brightest_where_its_frequency_is_marked(hertz, tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000), 8000)
    axis = processor().axis(str(path))
    assert axis.picture is not None
    assert int(axis.heights[f"{hertz / 1000:g} kHz"]) == int(np.argmax(np.mean(axis.picture, axis=1)))
    assert "4 kHz" not in axis.heights  # above the highest filter's peak


def test_a_file_that_is_no_sound_is_an_error_of_the_user(tmp_path):
    (tmp_path / "a.wav").write_text("text")
    with pytest.raises(UserError, match="is no sound"):
        processor().encode(str(tmp_path / "a.wav"))


def test_a_sound_too_short_for_a_frame_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.sin(np.arange(700)), 8000)
    with pytest.raises(UserError, match=rf"^{path}: lasts 0.0875 s; must be at least 0.1 s, half of task.hop_ms=200$"):
        processor(hop_ms=200.0, frame_ms=200.0).encode(str(path))
