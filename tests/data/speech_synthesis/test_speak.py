import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from research.data.corpora import espeak
from research.data.speech_synthesis.espeak import Utterance
from research.data.speech_synthesis.speak import LibraryDiedError, speak
from research.errors import UserError
from tests.data.speech_synthesis.libraries import own_wheel

NUMBER = Utterance("zero one nine", "en-us+Alicia")  # with breath, which is drawn at random


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("espeak")
    yield espeak.unpack(own_wheel(), folder)


@pytest.fixture(scope="module")
def sounds(library: Path) -> tuple[list[np.ndarray], int]:
    changes = (
        {},
        {"speed": 90},
        {"pitch": 99},
        {"range": 0},
        {"word_gap": 20},
        {"voice": "en-us+boris"},
        {"voice": "en-gb-scotland+Alicia"},
        {"text": "zero one nine four four"},
    )
    return speak("espeak-ng", library, [replace(NUMBER, **change) for change in changes])


def test_an_utterance_is_heard_and_nothing_of_it_is_cut_off(sounds: tuple[list[np.ndarray], int]) -> None:
    spoken, rate = sounds
    assert rate == 22_050
    for sound in spoken:
        assert sound.dtype == np.int16
        assert 3_000 < np.max(np.abs(sound.astype(int))) < 32_767
        assert 0.7 < len(sound) / rate < 4


def test_each_setting_is_heard(sounds: tuple[list[np.ndarray], int]) -> None:
    plain, slow, high, monotone, apart, other, accent, longer = sounds[0]
    assert len(slow) > 1.4 * len(plain)
    assert len(apart) > len(plain) + 0.2 * sounds[1] and len(longer) > 1.3 * len(plain)
    for changed in (high, monotone, other, accent):
        assert len(changed) != len(plain) or not np.array_equal(changed, plain)


def test_the_same_utterances_make_the_same_sound_in_each_call(
    library: Path, sounds: tuple[list[np.ndarray], int]
) -> None:
    again, _ = speak("espeak-ng", library, [NUMBER, NUMBER])
    np.testing.assert_array_equal(again[0], sounds[0][0])
    assert not np.array_equal(again[0], again[1])  # the noise and the library's state go on


def test_what_the_library_dies_of_is_named(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = "import os\nfrom research.data.speech_synthesis import speak\n"
    main += "class Deadly(speak.espeak.Library):\n"
    main += "    def say(self, one):\n        return os.abort() if one.pitch == 17 else super().say(one)\n"
    main += "speak.espeak.Library = Deadly\nimport sys\nspeak.main(*sys.argv[1:])\n"
    run = subprocess.run

    def dying(command: list[str], **options):
        place = command.index("-m")
        return run([*command[:place], "-c", main, *command[place + 2 :]], **options)

    monkeypatch.setattr(subprocess, "run", dying)
    with pytest.raises(
        LibraryDiedError, match=r"espeak-ng: died of signal 6 saying 'zero one nine' by en-us\+Alicia"
    ) as died:
        speak("espeak-ng", library, [replace(NUMBER, pitch=pitch) for pitch in (50, 17, 50)])
    assert died.value.number == 1
    assert len(speak("espeak-ng", library, [NUMBER])[0]) == 1


def test_an_unknown_voice_is_named(library: Path) -> None:
    with pytest.raises(UserError, match="espeak-ng: no voice xx"):
        speak("espeak-ng", library, [replace(NUMBER, voice="xx+nobody")])


def test_a_library_that_cannot_be_loaded_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"espeak-ng: .*libespeak-ng") as caught:
        speak("espeak-ng", tmp_path, [NUMBER])
    assert "\n" not in str(caught.value)
