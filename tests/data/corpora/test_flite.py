"""What the voices say needs no library; what is heard of them does, and is left out where apt cannot get it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from research.data.corpora import espeak, flite
from research.data.corpora.flite import MAX_STRINGS, PITCH
from research.data.speech_synthesis.flite import Utterance
from research.data.speech_synthesis.speak import speak
from research.errors import UserError

NUMBER = Utterance("zero one nine", "slt", pitch=170.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return flite.libraries(tmp_path_factory.mktemp("flite"))
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sounds(library: Path) -> tuple[list[np.ndarray], int]:
    changes = ({}, {"stretch": 1.5}, {"pitch": 230.0}, {"voice": "awb"}, {"voice": "rms"}, {"voice": "kal16"}, {})
    return speak("flite", library, [replace(NUMBER, **change) for change in changes])


def pitch(sound: np.ndarray, rate: int) -> float:
    """Of the voiced parts, by the autocorrelation of pieces of 40 ms."""
    size, found = rate // 25, []
    for start in range(0, len(sound) - size, size):
        piece = sound[start : start + size] - np.mean(sound[start : start + size])
        likeness = np.correlate(piece, piece, "full")[size - 1 :]
        lag = rate // 400 + int(np.argmax(likeness[rate // 400 : rate // 60]))
        if np.std(piece) > 500 and likeness[lag] > 0.4 * likeness[0]:
            found.append(rate / lag)
    return float(np.median(found))


def test_each_voice_says_training_strings_at_its_own_pitch_and_tempo() -> None:
    for voice, middle in PITCH.items():
        said = flite.utterances(voice)
        assert said == flite.utterances(voice) and len(said) == MAX_STRINGS
        for text, utterance in said:
            assert espeak.may_say("train", [espeak.WORDS.index(word) for word in text.split()])
            assert "".join(mark for mark in utterance.text if mark not in ",.?") == text
            assert utterance.voice == voice and 0.75 <= utterance.stretch <= 1.6
            assert abs(np.log(utterance.pitch / middle)) <= 0.25
    assert flite.utterances("slt")[0] != flite.utterances("awb")[0]


def test_voices_tempo_and_pitch_are_heard(sounds: tuple[list[np.ndarray], int]) -> None:
    (plain, slow, high, *others, again), rate = sounds
    assert rate == 16_000 and 1 < len(plain) / rate < 3
    assert 1.4 < len(slow) / len(plain) < 1.6
    assert pitch(high, rate) > 1.2 * pitch(plain, rate)
    for one in others:
        assert len(one) != len(plain) and np.max(np.abs(one.astype(int))) > 3_000
    assert len(again) == len(plain)


def test_the_same_utterances_make_the_same_sound_in_each_call(
    library: Path, sounds: tuple[list[np.ndarray], int]
) -> None:
    again, _ = speak("flite", library, [NUMBER])
    np.testing.assert_array_equal(again[0], sounds[0][0])


def test_an_unknown_voice_gives_one_line(library: Path) -> None:
    with pytest.raises(UserError, match="flite: .*libflite_cmu_us_nobody") as caught:
        speak("flite", library, [replace(NUMBER, voice="nobody")])
    assert "\n" not in str(caught.value)


def test_another_machine_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UserError, match=r"are for Linux x86_64, not for \w+ riscv64; prepare the data there"):
        flite.libraries(tmp_path)


def test_the_first_strings_of_each_voice_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{voice}-{index:03}" for voice in ("slt", "awb") for index in range(4)]
    monkeypatch.setattr(flite.FliteDigits, "recordings", lambda corpus, split: dict(zip(names, names, strict=True)))
    assert flite.load(2) == ["slt-000", "slt-001", "awb-000", "awb-001"]
