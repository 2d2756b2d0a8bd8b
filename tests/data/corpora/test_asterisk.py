"""A package of the same form stands for Asterisk's: one short recording a text."""

import gzip
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from research.data.corpora import asterisk
from research.data.corpora.asterisk import CORPORA, SPLITS
from research.data.corpora.fetch import data_folder
from research.data.corpora.recordings import Recording
from tests.data.corpora.debs import write_deb

WORDS = CORPORA["en"].digits.split()
SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
LISTED = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
TEXTS = {
    **{f"digits/{digit}": word for digit, word in enumerate(WORDS)},
    **{f"menu/{number}": f"{number % 10} and {WORDS[number // 10]}!" for number in range(40)},
    "again/1": "1 AND three",
    "silence/1": "one second of silence",
    "beep": "[a simple beep]",
    "absent": "there is no such file",
    "empty": "an empty file",
    "long": "this goes on",
    "fast": "this cannot be said in so short a time",
}


def wav(seconds: float, level: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(round(8000 * seconds), level, np.int16), 8000, format="WAV")
    return file.getvalue()


@pytest.fixture
def english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"long": 8.5, "fast": 0.5}
    files = {key: wav(seconds.get(key, 1), place) for place, key in enumerate(TEXTS) if key != "absent"}
    files["empty"] = b""
    publish(tmp_path, monkeypatch, TEXTS, files)


def publish(
    folder: Path, monkeypatch: pytest.MonkeyPatch, texts: Mapping[str, str], files: Mapping[str, bytes]
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    listed = "; a comment: no text\n\n" + "".join(f"{key}: {text}\n" for key, text in texts.items())
    manual = data_folder() / "downloads" / "manual"
    written = write_deb(
        manual / f"asterisk-core-sounds-en_{asterisk.PACKAGE}_all.deb", {LISTED: gzip.compress(listed.encode())}
    )
    sounds = write_deb(
        manual / f"asterisk-core-sounds-en-wav_{asterisk.PACKAGE}_all.deb",
        {f"{SOUNDS}/{key}.wav": data for key, data in files.items()},
    )
    monkeypatch.setitem(CORPORA, "en", replace(CORPORA["en"], sha256_texts=written, sha256_sounds=sounds))


def load() -> dict[str, list[Recording]]:
    return {split: list(CORPORA["en"].recordings(split).values()) for split in SPLITS}


def test_what_cannot_be_learned_from_is_left_out(english: None) -> None:
    splits = load()
    sounds = [int(one.samples[0]) for recordings in splits.values() for one in recordings]
    keys = list(TEXTS)
    assert {keys[sound] for sound in sounds} == set(keys) - {"silence/1", "beep", "absent", "empty", "long", "fast"}
    assert len(sounds) == len(set(sounds))


def test_each_recording_has_its_own_text_and_the_same_text_is_in_one_split(english: None) -> None:
    splits = load()
    keys, texts = list(TEXTS), {}
    for split, recordings in splits.items():
        texts[split] = {one.text for one in recordings}
        for one in recordings:
            assert one.text == CORPORA["en"].normalize(TEXTS[keys[one.samples[0]]])
            assert (one.sample_rate, len(one.samples), one.speaker) == (8000, 8000, "en_US_f_Allison")
            assert asterisk.split_of(one.text) == split
    assert (
        not texts["train"] & texts["test"] | texts["train"] & texts["validation"] | texts["test"] & texts["validation"]
    )
    assert min(map(len, texts.values())) > 0
    (both,) = [split for split in splits if "one and three" in texts[split]]
    assert sum(one.text == "one and three" for one in splits[both]) == 2


def test_the_digits_come_in_their_order(english: None) -> None:
    assert [(one.text, int(one.samples[0])) for one in asterisk.digits()] == [(word, k) for k, word in enumerate(WORDS)]


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("en", "Press 1 to hear 'new' messages; don't hang-up.", "press one to hear new messages don't hang up"),
        ("en", "dash [-]", "dash"),
        ("en", "3D audio", "three d audio"),
        ("en", "Mailbox? Password!", "mailbox password"),
        ("en", "[sound of monkeys]", ""),
        ("en", 'IAX (note: does not say "2")', ""),
        ("en", "<beep ascending>", ""),
        ("en", "H.323", ""),
        ("en", "28.8 kilobit", ""),
        ("en", "followed by * or #", ""),
        ("en", "...", ""),
        ("fr", "Appuyez sur 0, l’e\u0301toile", "appuyez sur zéro l'étoile"),
        ("fr", "lorsque terminé.vm-review: veuillez faire 4", ""),
        ("es", "Opción inválida", "opcion invalida"),
        ("it", "Questa pu? essere", ""),
        ("it", "La conferenza ? piena", ""),
        ("it", "è già lì", "è già lì"),
        ("ru", "Нажмите 1: «решётку» – ё", "нажмите один решетку е"),
        ("ru", "используйте 7 для Q", ""),
    ],
)
def test_texts_are_as_they_are_spoken_or_left_out(language: str, text: str, spoken: str) -> None:
    assert CORPORA[language].normalize(text) == spoken


def test_of_a_key_that_is_listed_twice_the_first_text_counts() -> None:
    listed = "; x: comment\na: one\nb:two: three\na: four\nno text"
    assert asterisk.prompts(listed) == {"a": "one", "b": "two: three"}


def test_the_split_of_a_text_is_the_same_everywhere() -> None:
    places = {number: asterisk.split_of(f"text {number}") for number in range(16)}
    assert [number for number, split in places.items() if split == "test"] == [12, 13]
    assert [number for number, split in places.items() if split == "validation"] == [6, 14]
    splits = [asterisk.split_of(f"text {number}") for number in range(1000)]
    assert [splits.count(split) for split in SPLITS] == [832, 81, 87]


def test_each_language_has_words_of_its_own_letters_for_ten_digits() -> None:
    assert list(CORPORA) == ["en", "fr", "es", "it", "ru"]
    for corpus in CORPORA.values():
        assert corpus.normalize("0 1 2 3 4 5 6 7 8 9") == corpus.digits
        assert len(set(corpus.digits.split())) == 10
