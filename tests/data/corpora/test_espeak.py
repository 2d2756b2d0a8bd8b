import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from research.data.corpora import espeak
from research.data.corpora.espeak import STRINGS, TEST, VALIDATION, WORDS, EspeakDigits, may_say, split_of
from research.data.corpora.fetch import data_folder
from research.data.corpora.source import Source
from research.errors import UserError
from tests.data.speech_synthesis.libraries import own_wheel

CHOSEN = ("Alex", "f1", "steph")  # one voice of each split
STEMS = {"anxiousandy": "andy", "whisperf": "whisper", "robert": "rob", "anikarobot": "anika"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return espeak.unpack(own_wheel(), tmp_path_factory.mktemp("espeak"))


@pytest.fixture(scope="module")
def voices(library: Path) -> list[str]:
    return espeak.voices(library)


@pytest.fixture(scope="module")
def drawn(voices: list[str]) -> dict[str, list]:
    """The strings of each voice, and how it says them."""
    return {voice: espeak.utterances(voice) for voice in voices}


@pytest.fixture(scope="module")
def said(drawn: dict[str, list]) -> dict[str, list[str]]:
    """The strings of each split."""
    texts = defaultdict(list)
    for voice, strings in drawn.items():
        texts[split_of(voice)] += [text for text, _ in strings]
    return texts


def test_every_voice_of_the_library_stands_in_one_split(voices: list[str]) -> None:
    assert len(voices) == len(set(voices)) == 104
    assert set(TEST + VALIDATION) <= set(voices) and not set(TEST) & set(VALIDATION)
    assert [sum(split_of(voice) == name for voice in voices) for name in STRINGS] == [74, 10, 20]


def test_voices_of_one_name_or_with_the_same_formants_stand_in_one_split(voices: list[str], library: Path) -> None:
    families = defaultdict(set)
    for voice in voices:
        text = (library / "espeak-ng-data" / "voices" / "!v" / voice).read_text(errors="replace")
        formants = tuple(" ".join(line.split()) for line in text.splitlines() if re.match(r"formant [0-3]\b", line))
        families[formants].add(split_of(voice))
        stem = re.sub(r"\d+$", "", voice.lower())
        if len(stem) > 1:  # f1, m3: another person each
            families[STEMS.get(stem, stem)].add(split_of(voice))
    assert len(families) > 100
    assert [family for family, splits in families.items() if len(splits) > 1] == []


def test_no_string_of_two_digits_or_more_stands_in_two_splits(said: dict[str, list[str]]) -> None:
    longer = {split: {text for text in texts if " " in text} for split, texts in said.items()}
    assert not longer["train"] & longer["validation"]
    assert not longer["test"] & (longer["train"] | longer["validation"])
    for texts in said.values():
        assert {text for text in texts if " " not in text} == set(WORDS)


def test_a_string_may_stand_in_exactly_one_split_in_the_promised_shares() -> None:
    strings = [tuple(map(int, f"{number:04}")) for number in range(10_000)]
    counts = {split: sum(may_say(split, string) for string in strings) for split in STRINGS}
    assert sum(counts.values()) == 10_000
    np.testing.assert_allclose([counts["test"], counts["validation"]], [1000, 500], rtol=0.1)


def test_strings_have_one_to_seven_digits_all_equally_frequent(said: dict[str, list[str]]) -> None:
    assert {split: len(texts) for split, texts in said.items()} == {"train": 11_100, "validation": 1000, "test": 2000}
    sizes = np.bincount([len(text.split()) for text in said["train"]])
    np.testing.assert_allclose(sizes[1:] / 11_100, np.full(7, 1 / 7), rtol=0.1)
    words = [word for text in said["train"] for word in text.split()]
    np.testing.assert_allclose([words.count(word) / len(words) for word in WORDS], np.full(10, 0.1), rtol=0.05)


def test_a_voice_says_the_same_each_time_and_another_says_something_else(drawn: dict[str, list]) -> None:
    assert espeak.utterances("f1") == drawn["f1"] != drawn["f4"]


def test_settings_vary_and_every_accent_is_spoken(drawn: dict[str, list]) -> None:
    utterances = [utterance for strings in drawn.values() for _, utterance in strings]
    assert {utterance.voice.partition("+")[0] for utterance in utterances} == set(espeak.ACCENTS)
    for name in ("speed", "pitch", "range", "word_gap"):
        assert len({getattr(utterance, name) for utterance in utterances}) > 10


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The records of a corpus of three voices, each with three strings."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "downloads").mkdir()
    own_wheel()
    (folder / "downloads" / "manual").symlink_to(data_folder() / "downloads" / "manual")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder))
        patch.setattr(espeak, "voices", lambda library: list(CHOSEN))
        patch.setattr(espeak, "STRINGS", dict.fromkeys(STRINGS, 3))
        corpus = EspeakDigits()
        records = {split: list(Source(str(corpus.prepare()), split)) for split in STRINGS}
        said = {split_of(voice): [text for text, _ in espeak.utterances(voice)] for voice in CHOSEN}
    for split, texts in said.items():
        assert sorted(record["text"].decode() for record in records[split]) == sorted(texts)
    return records


def test_records_are_split_by_voice(prepared: dict[str, list]) -> None:
    for voice, records in zip(CHOSEN, prepared.values(), strict=True):
        assert [record["speaker"].decode() for record in records] == [voice] * 3


def test_a_digit_takes_a_plausible_time_at_8_kilohertz(prepared: dict[str, list]) -> None:
    for record in (record for records in prepared.values() for record in records):
        digits = len(record["text"].split())
        assert record["sound"].dtype == np.int16
        heard = np.flatnonzero(record["sound"])
        assert 0.1 < (heard[-1] - heard[0]) / espeak.RATE / digits < 1.5
        assert np.max(np.abs(record["sound"].astype(int))) > 2_000


def test_silence_of_another_length_surrounds_each_string(prepared: dict[str, list]) -> None:
    sounds = [record["sound"] for records in prepared.values() for record in records]
    before = [np.flatnonzero(sound)[0] / espeak.RATE for sound in sounds]
    after = [np.flatnonzero(sound[::-1])[0] / espeak.RATE for sound in sounds]
    for lengths in (before, after):
        assert len(set(lengths)) == len(sounds)
        assert np.max(lengths) > 0.15 and np.min(lengths) < 0.25


def test_where_the_package_has_no_library_one_line_says_so() -> None:
    with pytest.raises(UserError, match="no library for Linux aarch64, only for Linux x86_64 and Darwin arm64"):
        espeak.library_wheel("Linux", "aarch64")
