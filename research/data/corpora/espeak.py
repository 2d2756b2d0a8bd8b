"""Connected digits, synthesised by espeak-ng in 104 voices: the library and its data come from `espeakng-loader`.

One to seven digits, of which 0 is always "zero", never "oh". Each number of digits is equally frequent, and each digit
in each place. A voice is one of the library's variants (pitch, formants, breath, roughness, or a glottal source as in
Klatt 1980); it speaks each string in one of eight accents of English, at a speed, pitch, pitch range, word gap and
punctuation that are drawn anew, with up to 0.3 s of silence before and after it. 8,000 samples a second.

Split by voice: 74 train, 10 validate, 20 test. Variants with one stem in their names, or whose files set the same
formants, are one family, and a family is never split. The strings are split, too: a string of two digits or more stands
in one split only, by its hash (10% test, 5% validation); the ten single digits stand in all.

Voices, strings and settings are the same everywhere. The samples are the same each time on one machine; on another
operating system or processor the library's arithmetic, and its noise, which is drawn by the C library, may differ.
"""

import hashlib
import os
import platform
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int16
from scipy.signal import resample_poly

from research.errors import UserError
from research.tasks.corpora import recordings
from research.tasks.corpora.corpus import Corpus, Example, share
from research.tasks.corpora.espeak_library import Utterance
from research.tasks.corpora.fetch import scratch, wheel
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.synthesis import speak

PACKAGE = "0.2.4"
RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST_DIGITS = 7
MOST_SILENCE = 0.3
"""Seconds, before and after a string: synthesis begins and ends at once, recordings do not."""
ACCENTS = ("en", "en-us", "en-us-nyc", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
VALIDATION = (
    "Alicia", "Annie", "Denis", "Storm", "announcer", "antonio", "f1", "f4", "kaukovalta", "shelby",
)  # fmt: skip
TEST = (
    "Andrea", "UniRobot", "aunty", "boris", "david", "edward", "edward2", "grandpa", "john", "m2", "m3", "m4", "m7",
    "norbert", "pablo", "paul", "sandro", "steph", "steph2", "steph3",
)  # fmt: skip
"""Families in the order of a hash, the first that fit."""
STRINGS = {"train": 150, "validation": 100, "test": 100}
"""Of each voice."""
WHEELS = {
    ("Linux", "x86_64"): (
        "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    ),
    ("Darwin", "arm64"): (
        "py3-none-macosx_11_0_arm64",
        "d27cdca31112226e7299d8562e889d3e38a1e48055c9ee381b45d669072ee59f",
    ),
}
"""Tag and sha256 for each operating system and processor."""


class EspeakDigits(Corpus):
    """Connected digits, synthesised in 104 voices.

    A speaker is a voice, whatever its accent.
    """

    VERSION = tfds.core.Version("1.0.0")
    licence = "GPL-3"
    megabytes = 10
    source = f"Python package espeakng-loader {PACKAGE}"
    citation = "eSpeak NG, by Reece H. Dunn, Jonathan Duddington and others"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        archive = own_wheel()
        splits: dict[str, list[tuple[str, Example]]] = {name: [] for name in STRINGS}
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = unpacked(archive, folder)
            names = voices(library)
            for name, spoken in zip(names, pool.map(lambda name: _spoken(library, name), names), strict=True):
                splits[split_of(name)] += spoken
        return splits


def own_wheel() -> Path:
    """The wheel with the library for this machine; raises as `library_wheel` does."""
    return library_wheel(platform.system(), platform.machine())


def library_wheel(system: str, machine: str) -> Path:
    """The wheel with the library for that machine.

    Raises:
        UserError: if there is none, or it cannot be had.
    """
    if (system, machine) not in WHEELS:
        known = " and ".join(" ".join(one) for one in WHEELS)
        advice = "prepare the data on one of these, and copy its folder espeak_digits into the data folder here"
        raise UserError(f"espeakng-loader has no library for {system} {machine}, only for {known}; {advice}")
    tag, sha256 = WHEELS[system, machine]
    return wheel("espeakng_loader", PACKAGE, sha256, tag)


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack the library and its data; where they lie then."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "espeakng_loader"


def voices(library: Path) -> list[str]:
    """The names of all variants."""
    return sorted(path.name for path in (library / "espeak-ng-data" / "voices" / "!v").iterdir())


def split_of(voice: str) -> str:
    """The split that a voice belongs to."""
    return "test" if voice in TEST else "validation" if voice in VALIDATION else "train"


def may_say(split: str, string: Sequence[int]) -> bool:
    """Whether a string of digits may stand in a split."""
    if len(string) == 1:
        return True
    place = share("".join(map(str, string)))
    return split == ("test" if place < 0.1 else "validation" if place < 0.15 else "train")


def utterances(voice: str) -> list[tuple[str, Utterance]]:
    """What a voice says: the words, and how they are said; a pure function of its name."""
    rng, split = np.random.default_rng(seed(voice)), split_of(voice)
    return [_drawn(rng, voice, split) for _ in range(STRINGS[split])]


def digits(rng: np.random.Generator, split: str, least: int = 1) -> list[int]:
    """A random string that may stand in a split, of at least so many digits."""
    size = int(rng.integers(least, MOST_DIGITS + 1))
    while not may_say(split, drawn := rng.integers(0, len(WORDS), size).tolist()):
        pass
    return drawn


def load() -> dict[str, list[Recording]]:
    """The recordings of each split; a speaker is a voice.

    Raises:
        UserError: if the library cannot be had, or the prepared data not be written or read.
    """
    corpus = EspeakDigits.prepared()
    return {split: list(recordings.load(corpus, split).values()) for split in STRINGS}


def seed(voice: str) -> int:
    """Where a voice's draws begin."""
    return int.from_bytes(hashlib.sha256(voice.encode()).digest()[:8], "big")


def _drawn(rng: np.random.Generator, voice: str, split: str) -> tuple[str, Utterance]:
    words = [WORDS[digit] for digit in digits(rng, split)]
    utterance = Utterance(
        text=written(rng, words),
        voice=f"{rng.choice(ACCENTS)}+{voice}",
        speed=round(np.exp(rng.uniform(np.log(100), np.log(260)))),
        pitch=int(rng.integers(15, 86)),
        range=int(rng.integers(20, 91)),
        word_gap=int(rng.integers(0, 13)),
    )
    return " ".join(words), utterance


def written(rng: np.random.Generator, words: Sequence[str]) -> str:
    """The words with a way to put stops between and behind them, of which prosody follows."""
    separator, end = rng.choice([" ", ", "]), rng.choice(["", ".", ",", "?"], p=[0.4, 0.3, 0.2, 0.1])
    return separator.join(words) + end


def _spoken(library: Path, voice: str) -> list[tuple[str, Example]]:
    drawn = utterances(voice)
    sounds, rate = speak("espeak-ng", library, [utterance for _, utterance in drawn])
    return heard(voice, [text for text, _ in drawn], sounds, rate)


def heard(
    voice: str, texts: Sequence[str], sounds: Sequence[Int16[np.ndarray, "_"]], rate: int
) -> list[tuple[str, Example]]:
    """The examples that a voice's utterances make: at `RATE`, with silence before and after."""
    silences = np.random.default_rng([seed(voice), 1]).integers(0, int(MOST_SILENCE * RATE) + 1, (len(texts), 2))
    sounds = [np.pad(resampled(sound, rate), silence) for sound, silence in zip(sounds, silences, strict=True)]
    return [
        recordings.example(f"{voice}-{index:03}", Recording(sound, RATE, text, voice))
        for index, (sound, text) in enumerate(zip(sounds, texts, strict=True))
    ]


def resampled(sound: Int16[np.ndarray, "_"], rate: int) -> Int16[np.ndarray, "_"]:
    """The sound at `RATE`; what the filter overshoots is cut off."""
    ratio = Fraction(RATE, rate)
    smooth = resample_poly(sound.astype(np.float32), ratio.numerator, ratio.denominator)
    return np.clip(np.round(smooth), -(2**15), 2**15 - 1).astype(np.int16)
