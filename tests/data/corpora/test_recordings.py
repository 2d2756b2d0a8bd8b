from pathlib import Path

import numpy as np
import pytest
import soundfile

from research.data.corpora import recordings
from research.data.corpora.corpus import Examples
from research.data.corpora.recordings import Recording, SpeechCorpus

SPOKEN = {
    "one": Recording(np.arange(-5, 5, dtype=np.int16), 8000, "eins", "a"),
    "two": Recording(np.array([2**15 - 1, -(2**15)], np.int16), 44100, "ㄦ4", "b"),
}


class Counting(SpeechCorpus):
    """Two recordings."""

    def examples(self) -> Examples:
        return [recording.example("spoken", name) for name, recording in SPOKEN.items()]


def test_recordings_are_loaded_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    corpus = Counting(name="counting", summary="", license="", megabytes=0, source="", citation="")
    for _ in range(2):  # from the records, and from their packed copy
        loaded = corpus.recordings("spoken")
        assert loaded.keys() == SPOKEN.keys()
        for name, recording in SPOKEN.items():
            one = loaded[name]
            assert (one.sample_rate, one.text, one.speaker) == (
                recording.sample_rate,
                recording.text,
                recording.speaker,
            )
            assert one.samples.dtype == np.int16 and one.samples.tolist() == recording.samples.tolist()


def test_a_wav_file_is_decoded_exactly(tmp_path: Path) -> None:
    samples = np.array([-(2**15), -1, 0, 1, 12345, 2**15 - 1], np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    sound, rate = recordings.decode(tmp_path / "a.wav")
    assert rate == 8000 and sound.dtype == np.int16 and sound.tolist() == samples.tolist()


def test_channels_become_their_mean(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[100, 300], [-8, 0]], np.int16), 8000)
    assert recordings.decode(tmp_path / "a.wav")[0].tolist() == [200, -4]


def test_what_is_beyond_full_scale_is_cut_off_and_does_not_wrap_around(tmp_path: Path) -> None:
    time = np.arange(8000) / 8000
    soundfile.write(tmp_path / "a.ogg", 1.5 * np.sin(2 * np.pi * 100 * time), 8000, format="OGG", subtype="VORBIS")
    sound, _ = recordings.decode(tmp_path / "a.ogg")
    assert sound.max() == 2**15 - 1 and sound.min() == -(2**15)
    assert np.abs(np.diff(sound.astype(int))).max() < 10_000  # wrapped around, it would jump by 65,000
