"""What is said of which texts, and that the library says it; small corpora stand for those that texts come from."""

from pathlib import Path

import numpy as np
import pytest

from research.data.corpora import asterisk, espeak, espeak_sentences, libreoffice
from research.data.corpora.espeak import RATE
from research.data.corpora.espeak_sentences import CORPORA, MAX_CHARACTERS, MAX_NOISE, MAX_SILENCE, MAX_WORDS, texts
from research.data.corpora.fetch import data_folder
from research.data.corpora.recordings import Recording
from research.data.speech_synthesis.espeak import Utterance
from research.data.speech_synthesis.speak import LibraryDiedError, speak
from tests.data.speech_synthesis.libraries import own_wheel

TRAIN = ["press one to hear it", "press two", "the number is wrong", "extension four", "please hold on"]
HELD_OUT = ["press four", "extension", "weasels", "is not", "hold"]
OTHER = [
    "choose a cell and then choose the format of the cell",
    "weasels eat the cell",
    "that is not so",
    "it is nothing",
    "an extension holds it",
    f"{'x' * 58} is long",
]


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    return texts(TRAIN, HELD_OUT, OTHER, 4000)


def within(text: str, other: str) -> bool:
    return f" {text} " in f" {other} "


def test_no_text_contains_one_of_validation_or_test_unless_training_does(drawn: list[str]) -> None:
    for held in ("press four", "weasels", "is not"):
        assert not [text for text in drawn if within(held, text)]
    for both in ("extension", "hold"):
        assert [text for text in drawn if within(both, text)]
    assert [text for text in drawn if within("it is nothing", text)]  # its letters contain one of the test


def test_words_are_those_of_training_and_of_the_other_sentences_in_the_promised_shares(drawn: list[str]) -> None:
    in_a_row = {kind: [any(within(text, whole) for whole in source) for text in drawn]
                for kind, source in (("train", TRAIN), ("other", OTHER))}  # fmt: skip
    neither = ~np.array(in_a_row["train"]) & ~np.array(in_a_row["other"])
    assert np.mean(in_a_row["other"]) == pytest.approx(0.5, abs=0.1)
    assert np.mean(in_a_row["train"]) > 0.25 and np.mean(neither) > 0.1
    words = {word for text in TRAIN for word in text.split()}
    assert all(set(text.split()) <= words for text, mixed in zip(drawn, neither, strict=True) if mixed)


def test_texts_are_short_and_of_all_lengths(drawn: list[str]) -> None:
    assert {len(text.split()) for text in drawn} == set(range(1, MAX_WORDS + 1))
    assert max(map(len, drawn)) <= MAX_CHARACTERS


def test_where_there_are_no_other_sentences_all_words_are_of_training() -> None:
    found = texts(TRAIN, HELD_OUT, [], 400)
    assert {word for text in found for word in text.split()} <= {word for text in TRAIN for word in text.split()}
    in_a_row = [any(within(text, whole) for whole in TRAIN) for text in found]
    assert 0.7 < np.mean(in_a_row) < 0.95


def test_sentences_of_french_are_the_french_ones_and_other_languages_have_prompts_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    german = {"english": ["open it"], "translation": ["öffnen"]}
    columns = {"de": german, "fr": {**german, "translation": ["ouvrir"]}}
    monkeypatch.setattr(libreoffice.Libreoffice, "columns", lambda corpus, split: columns[corpus.language])
    found = {language: espeak_sentences._sentences(language) for language in CORPORA}
    assert found == {"en": ["open it"], "fr": ["ouvrir"], "es": [], "it": [], "ru": []}


def test_the_same_texts_are_drawn_each_time_and_fewer_are_their_beginning(drawn: list[str]) -> None:
    assert texts(TRAIN, HELD_OUT, OTHER, 100) == drawn[:100]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return espeak.unpack(own_wheel(), tmp_path_factory.mktemp("espeak"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "downloads").mkdir()
    own_wheel()
    (folder / "downloads" / "manual").symlink_to(data_folder() / "downloads" / "manual")
    splits = {"train": TRAIN, "validation": HELD_OUT[:2], "test": HELD_OUT[2:]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder))
        patch.setattr(asterisk.Asterisk, "columns", lambda corpus, split: {"text": splits[split]})
        sentences = {"english": [text.upper() + "." for text in OTHER]}
        patch.setattr(libreoffice.Libreoffice, "columns", lambda corpus, split: sentences)
        patch.setattr(espeak_sentences, "MAX_SENTENCES", 12)
        patch.setattr(espeak_sentences, "AT_ONCE", 5)
        columns = CORPORA["en"].tables()["train"]
        return [
            Recording(*row)
            for row in zip(*(columns[name] for name in ("sound", "rate", "text", "speaker")), strict=True)
        ]


def test_every_text_is_heard_in_its_order_by_one_of_many_voices(prepared: list[Recording], drawn: list[str]) -> None:
    assert [one.text for one in prepared] == drawn[:12]
    assert len({one.speaker for one in prepared}) > 6
    for one in prepared:
        assert one.sample_rate == espeak.RATE and one.samples.dtype == np.int16
        assert 0.03 < len(one.samples) / one.sample_rate / len(one.text) < 0.3 + 2 * MAX_SILENCE / len(one.text)
        assert np.max(np.abs(one.samples.astype(int))) > 2_000


def test_there_is_faint_noise_of_several_levels_where_nothing_is_said(prepared: list[Recording]) -> None:
    ends = [np.std(one.samples[-100:].astype(float)) for one in prepared]
    quiet = [level for level in ends if level < 2 * MAX_NOISE]
    assert len(quiet) >= 6 and min(quiet) > 0.5 and max(quiet) > 2 * min(quiet)


def test_the_library_speaks_each_language_in_a_way_of_its_own(library: Path) -> None:
    latin = {language: corpus.accent for language, corpus in CORPORA.items() if language != "ru"}
    voices = [*latin.values(), "de", CORPORA["ru"].accent, "bg"]
    texts = ["telefono"] * (len(latin) + 1) + ["привет"] * 2
    said = [Utterance(text, f"{voice}+f1") for text, voice in zip(texts, voices, strict=True)]
    sounds, _ = speak("espeak-ng", library, said)
    assert len({len(sound) for sound in sounds}) == len(sounds) and min(map(len, sounds)) > 5000


def test_parts_sound_the_same_each_time(library: Path) -> None:
    first, again, other = (espeak_sentences.synthesize(library, "en-us", part, ["hold on"] * 2) for part in (0, 0, 1))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.samples, same.samples)
    assert len(first[0].samples) != len(first[1].samples) and len(first[0].samples) != len(other[0].samples)


def test_what_the_library_dies_of_is_said_at_its_own_pitch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a few Italian words by two voices."""
    calls: list[list[Utterance]] = []

    def fragile(name: str, library: Path, utterances: list[Utterance]) -> tuple[list[np.ndarray], int]:
        calls.append(utterances)
        for number, one in enumerate(utterances):
            if one.pitch < 20 or one.voice == "it+silent":
                raise LibraryDiedError(f"{name}: died saying {one.text!r}", number)
        return [np.full(one.pitch, 7, np.int16) for one in utterances], RATE

    monkeypatch.setattr(espeak_sentences, "speak", fragile)
    given = [Utterance(text, "it+rob", 120, pitch, 90) for text, pitch in (("uno", 17), ("due", 60), ("tre", 15))]
    sounds, _ = espeak_sentences._speak(Path(), given)
    assert [len(sound) for sound in sounds] == [50, 60, 50]
    assert calls[-1] == [Utterance("uno", "it+rob", 120), given[1], Utterance("tre", "it+rob", 120)]
    with pytest.raises(LibraryDiedError, match="died saying 'uno'"):
        espeak_sentences._speak(Path(), [Utterance("uno", "it+silent", 120, 60, 90)])
