"""Files of every kind that is promised, and one clear line for each that is nothing of the sort."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from research.data.audio.files import duration, load_audio, resample
from research.errors import UserError

RATE = 8000


def tone(rate: int, seconds: float = 0.5, hertz: float = 440, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def written(path: Path, samples: np.ndarray, rate: int, **settings: Any) -> Path:
    soundfile.write(path, samples, rate, **settings)
    return path


@pytest.mark.parametrize(
    ("name", "rate", "settings", "tolerance"),
    [
        ("a.wav", 44100, {}, 1e-3),
        ("a.wav", 8000, {"subtype": "PCM_U8"}, 1e-2),
        ("a.wav", 22050, {"subtype": "FLOAT"}, 1e-3),
        ("a.flac", 48000, {}, 1e-3),
        ("a.ogg", 16000, {}, 3e-2),
        ("a.ogg", 48000, {"format": "OGG", "subtype": "OPUS"}, 3e-2),
        ("a.mp3", 48000, {}, 3e-2),
        ("no_ending", 11025, {"format": "WAV"}, 1e-3),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_any_rate_and_kind_hold_the_same_sound(name, rate, settings, tolerance, channels, tmp_path):
    both = np.stack([tone(rate), 0.5 * tone(rate)][:channels], axis=1)
    found = load_audio(written(tmp_path / name, both, rate, **settings), RATE)
    expected = tone(RATE) * (0.75 if channels == 2 else 1)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    np.testing.assert_allclose(found[400:-400], expected[400:-400], atol=tolerance)


def test_a_flac_stream_of_unknown_length_is_read_to_its_end(tmp_path):
    known = written(tmp_path / "a.flac", tone(RATE), RATE)
    expected = load_audio(known, RATE)
    np.testing.assert_array_equal(load_audio(untold(known), RATE), expected)


def untagged(path: Path) -> bytes:
    """An mp3 file without its first frame, which says how many there are."""
    content = path.read_bytes()
    return content[content.index(content[:2], 4) :]


def test_an_mp3_file_whose_length_is_only_estimated_is_read_to_its_end(tmp_path):
    """As ffmpeg writes it into a pipe, which Common Voice does."""
    path = written(tmp_path / "a.mp3", tone(44100), 44100, bitrate_mode="CONSTANT", compression_level=0.8)
    tag, content, whole = b"ID3\4\0\0\0\0\4\0" + bytes(512), path.read_bytes(), untagged(path)
    for start in b"", tag:
        path.write_bytes(start + whole + b"TAG" + bytes(125))
        expected = soundfile.info(path).duration
        assert duration(path) == pytest.approx(len(load_audio(path, RATE)) / RATE, abs=1e-3)
        assert 0.5 < duration(path) < expected
        path.write_bytes(start + content)
        assert duration(path) == 0.5 and len(load_audio(path, RATE)) == 4000


def test_a_constant_offset_makes_no_click_at_another_rate(tmp_path):
    plain, shifted = (
        load_audio(written(tmp_path / "a.wav", tone(44100) + offset, 44100, subtype="FLOAT"), RATE)
        for offset in (0, 0.4)
    )
    np.testing.assert_allclose(shifted, plain, atol=1e-4)


def test_channels_that_differ_are_averaged(tmp_path):
    """One of them may be silent, and unrelated ones are no opposites, however many."""
    unrelated = np.random.default_rng(0).normal(0, 0.1, (8000, 16)).astype(np.float32)
    for samples in (unrelated, np.stack([tone(RATE), 0 * tone(RATE)], axis=1)):
        path = written(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
        np.testing.assert_allclose(load_audio(path, RATE), np.mean(samples, axis=1), atol=1e-6)


def test_what_a_lower_rate_cannot_hold_is_left_out_and_not_folded_back(tmp_path):
    both = tone(44100, hertz=1000) + tone(44100, hertz=5000)
    found = load_audio(written(tmp_path / "a.wav", both, 44100, subtype="FLOAT"), RATE)
    np.testing.assert_allclose(found[400:-400], tone(RATE, hertz=1000)[400:-400], atol=1e-3)


def test_whole_numbers_become_floats_of_full_scale_1():
    found = resample(np.array([-32768, 0, 16384], np.int16), RATE, RATE)
    assert found.dtype == np.float32 and found.tolist() == [-1, 0, 0.5]


def cut(path: Path, share: float) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def without_last_page(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    return path


def without_length(path: Path) -> Path:
    path.write_bytes(untagged(path))
    return path


def untold(path: Path) -> Path:
    """A flac file as one that was written into a pipe: its header does not say how long it is."""
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    content[22:26] = bytes(4)
    path.write_bytes(content)
    return path


def with_rate(path: Path, rate: int) -> Path:
    """A wav file whose header says that it has this rate."""
    header = bytearray(path.read_bytes())
    struct.pack_into("<I", header, 24, rate)
    path.write_bytes(header)
    return path


def faulty(kind: str, folder: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, 8000)
    makers = {
        "missing": lambda: folder / "missing.wav",
        "folder": lambda: folder,
        "empty": lambda: cut(written(folder / "empty.wav", noise, RATE), 0),
        "text": lambda: folder / "text.wav",
        "aiff": lambda: written(folder / "a.aiff", noise, RATE),
        "mp3": lambda: cut(written(folder / "a.mp3", noise, RATE), 0.5),
        "variable mp3": lambda: without_length(written(folder / "a.mp3", np.r_[noise, noise / 99], 44100)),
        "flac": lambda: cut(written(folder / "a.flac", noise, RATE), 0.5),
        "ogg": lambda: cut(written(folder / "a.ogg", noise, RATE), 0.5),
        "end of ogg": lambda: cut(written(folder / "a.ogg", np.tile(noise, 8), RATE), 0.998),
        "ogg of one page less": lambda: without_last_page(written(folder / "a.ogg", np.tile(noise, 8), RATE)),
        "long stream": lambda: untold(written(folder / "a.flac", np.tile(noise, 61), RATE)),
        "wav": lambda: cut(written(folder / "a.wav", noise, RATE), 0.5),
        "header": lambda: cut(written(folder / "a.wav", noise, RATE), 0.001),
        "0 Hz": lambda: with_rate(written(folder / "a.wav", noise, RATE), 0),
        "100 Hz": lambda: with_rate(written(folder / "a.wav", noise, RATE), 100),
        "silence": lambda: written(folder / "a.wav", np.full(8000, 0.25), RATE),
        "faint": lambda: written(folder / "a.wav", noise * 1e-3, RATE, subtype="FLOAT"),
        "one faint channel": lambda: written(
            folder / "a.wav", np.stack([noise * 1.5e-3 / np.max(np.abs(noise)), 0 * noise], 1), RATE, subtype="FLOAT"
        ),
        "opposite": lambda: written(folder / "a.wav", np.stack([noise, -noise], 1), RATE),
        "nearly opposite": lambda: written(folder / "a.wav", np.stack([noise + 0.2, -0.9 * noise], 1), RATE),
        "nan": lambda: written(folder / "a.wav", noise * np.nan, RATE, subtype="FLOAT"),
        "huge": lambda: written(folder / "a.wav", noise * 1e29, RATE, subtype="FLOAT"),
        "no samples": lambda: written(folder / "a.wav", noise[:0], RATE),
        "short": lambda: written(folder / "a.wav", noise[:300], RATE),
        "30 minutes": lambda: written(folder / "a.flac", np.zeros(30 * 60 * RATE, np.int16), RATE),
    }
    (folder / "text.wav").write_text("no sound\n" * 100)
    return makers[kind]()


@pytest.mark.parametrize(
    ("kind", "fault", "allowed"),
    [
        ("missing", "No such file", "wav, flac, ogg or mp3"),
        ("folder", "Is a directory", "wav, flac, ogg or mp3"),
        ("empty", "is empty", "wav, flac, ogg or mp3"),
        ("text", "is no sound", "wav, flac, ogg or mp3"),
        ("aiff", "is of the format AIFF", "wav, flac, ogg or mp3"),
        ("mp3", "is cut off after", "must be whole"),
        ("variable mp3", "of a variable bit rate without its length", "must have it"),
        ("flac", "is damaged or cut off", "wav, flac, ogg or mp3"),
        ("ogg", "(is cut off|holds no samples)", ""),
        ("end of ogg", "is cut off after", "must be whole"),
        ("ogg of one page less", "is cut off after", "must be whole"),
        ("long stream", "lasts longer", "at most 60 s"),
        ("wav", "is cut off after 0.50 s", "must be whole"),
        ("header", "is no sound", "wav, flac, ogg or mp3"),
        ("0 Hz", "its header gives no rate", "between 4000 and 192000"),
        ("100 Hz", "has 100 samples a second", "between 4000 and 192000"),
        ("silence", "has an amplitude of 0 of full scale", "at least 0.001"),
        ("faint", "has an amplitude of 0.000.. of full scale", "at least 0.001"),
        (
            "one faint channel",
            "has an amplitude of 0.000.. of full scale in the mean of its channels",
            "at least 0.001",
        ),
        ("opposite", "its channels cancel one another", "in phase"),
        ("nearly opposite", "its channels cancel one another", "in phase"),
        ("nan", "no finite numbers", "all must be"),
        ("huge", "has samples beyond 1e.06 times full scale", "must be within"),
        ("no samples", "holds no samples", "at least 0.05 s"),
        ("short", "lasts 0.037 s", "at least 0.05 s"),
        ("30 minutes", "lasts 1800 s", "at most 60 s"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line_with_its_name(kind, fault, allowed, tmp_path):
    path = faulty(kind, tmp_path)
    with pytest.raises(UserError, match=f"{fault}.*{allowed}") as error:
        load_audio(path, RATE)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_header_written_before_the_length_was_known_is_no_fault(tmp_path):
    path = written(tmp_path / "a.wav", tone(RATE), RATE)
    header = bytearray(path.read_bytes())
    for place in (4, 40):
        struct.pack_into("<I", header, place, 0xFFFFFFFF)
    path.write_bytes(header)
    assert len(load_audio(path, RATE)) == 4000


def test_a_damaged_file_prints_nothing_beside_its_line(tmp_path, capfd):
    file, faults = tmp_path / "damaged.wav", 0
    soundfile.write(file, np.sin(np.arange(4000) / 5), 8000, format="RF64", subtype="PCM_16")
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[int(rng.integers(12, 104))] = int(rng.integers(256))
        file.write_bytes(damaged)
        try:
            load_audio(file, 8000)
        except UserError:
            faults += 1
    assert faults > 10
    assert capfd.readouterr() == ("", "")
