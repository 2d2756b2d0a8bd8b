"""A package of the same form stands for gcin's voices."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from research.data.corpora import gcin
from research.data.corpora.fetch import data_folder
from tests.data.corpora.debs import write_deb

BASES = ("ㄅㄚ", "ㄇㄚ", "ㄉㄜ", "ㄓ", "ㄌㄧㄡ", "ㄐㄩㄝ", "ㄨㄛ", "ㄦ")
NAMES = [base + tone for base in BASES for tone in ("", "1", "2", "3", "4")]


def ogg(level: float) -> bytes:
    file = io.BytesIO()
    sound = level * np.sin(np.arange(2000) / 20)
    soundfile.write(file, sound, 44100, format="OGG", subtype="VORBIS")
    return file.getvalue()


@pytest.fixture
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    files = {f"{name}/{speaker}.ogg": ogg(0.5) for name in NAMES for speaker in "35"}
    files |= {"ㄅ/3.ogg": ogg(0.5), "ㄉ1/3.ogg": ogg(0.5), "ㄏㄡ/5.ogg": ogg(0.01), "ㄏㄡ/9.ogg": ogg(0.5)}
    name = f"gcin-voice_{gcin.PACKAGE}_all.deb"
    path = data_folder() / "downloads" / "manual" / name
    sha256 = write_deb(path, {f"usr/share/gcin-voice/ogg/{name}": data for name, data in files.items()})
    monkeypatch.setattr(gcin, "Gcin", partial(gcin.Gcin, sha256=sha256))


def test_a_text_is_zhuyin_and_a_tone() -> None:
    names = ("ㄇㄚ", "ㄇㄚ1", "ㄇㄚ2", "ㄇㄚ3", "ㄇㄚ4", "ㄓ4", "ㄓ1", "ㄧ", "ㄦ2")
    assert [gcin.syllable(name) for name in names] == [
        *("ㄇㄚ1", "ㄇㄚ5", "ㄇㄚ2", "ㄇㄚ3", "ㄇㄚ4", "ㄓ4", "ㄓ5", "ㄧ1", "ㄦ2"),
    ]


def test_names_of_letters_are_no_syllables() -> None:
    assert [gcin.syllable(name) for name in ("ㄅ", "ㄐ", "ㄒ", "ㄉ1", "ㄇ1")] == [""] * 5


@pytest.mark.parametrize("way", gcin.Gcin.configs)
def test_every_whole_recording_is_in_one_split(voices: None, way: str) -> None:
    tables = gcin.Gcin().tables(way)
    said = [pair for columns in tables.values() for pair in zip(columns["text"], columns["speaker"], strict=True)]
    assert len(said) == 2 * len(NAMES)
    assert set(said) == {(gcin.syllable(name), speaker) for name in NAMES for speaker in "35"}
    for split, columns in tables.items():
        assert {
            gcin.split_of(text, speaker, way) for text, speaker in zip(columns["text"], columns["speaker"], strict=True)
        } <= {split}
        assert set(columns["rate"]) <= {44100} and all(np.abs(sound).max() > 10_000 for sound in columns["sound"])


@pytest.mark.parametrize(
    ("way", "key"),
    [
        ("syllable", lambda text, speaker: text),
        ("base", lambda text, speaker: text[:-1]),
        ("speaker", lambda text, speaker: speaker),
    ],
)
def test_no_key_is_in_two_splits(way, key) -> None:
    bases = [first + vowel for first in "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒ" for vowel in "ㄚㄛㄜㄝㄞㄟㄠㄡㄢㄣ"]
    everything = [(base + tone, speaker) for base in bases for tone in "12345" for speaker in "35"]
    sides = {split: set() for split in gcin.SPLITS}
    for text, speaker in everything:
        sides[gcin.split_of(text, speaker, way)].add(key(text, speaker))
    assert not sides["train"] & sides["test"]
    assert not sides["validation"] & sides["test"]
    if way != "speaker":
        assert not sides["train"] & sides["validation"]
        total = sum(map(len, sides.values()))
        assert 0.05 < len(sides["test"]) / total < 0.15 and 0.02 < len(sides["validation"]) / total < 0.08
    else:
        assert sides == {"train": {"3"}, "validation": {"3"}, "test": {"5"}}


def test_splits_are_the_same_everywhere() -> None:
    texts = [gcin.syllable(name) for name in NAMES]
    found = {way: "".join(gcin.split_of(text, "3", way)[1] for text in texts) for way in gcin.Gcin.configs}
    assert found == {  # tRain, vAlidation, tEst
        "syllable": "rrrrrrerrrrrrrrrrrrrerrrrrrrerrrrrrrreer",
        "base": "rrrrreeeeerrrrrrrrrrrrrrrrrrrrrrrrreeeee",
        "speaker": "rrrrrrrrrrrrrrrrrrrrrrrrrrrrarrrrrrrrrrr",
    }
