"""Connected digits, synthesized by espeak-ng in 104 voices: the library and its data come from `espeakng-loader`.

One to seven digits, of which 0 is always "zero", never "oh". Each number of digits is equally frequent, and each digit
in each place. A voice is one of the library's variants (pitch, formants, breath, roughness, or a glottal source as in
Klatt 1980); it speaks each string in one of eight accents of English, with a random speed, pitch, pitch range, word gap
and punctuation, and up to 0.3 s of silence before and after it. The sample rate is 8,000 Hz.

Split by voice: 74 train, 10 validate, 20 test. Variants with one stem in their names, or whose files set the same
formants, are one family, and a family is never split. The strings are split, too: a string of two digits or more is in
one split only, by its hash (10% test, 5% validation); the ten single digits are in all.

Voices, strings and settings are the same everywhere. The samples are the same each time on one machine; on another
operating system or processor the library's arithmetic, and its noise, which comes from the C library, may differ.
"""

import hashlib
import os
import platform
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int16

from research.data.corpora.corpus import Examples, hash_split
from research.data.corpora.fetch import scratch, wheel
from research.data.corpora.recordings import Recording, SpeechCorpus, to_int16
from research.data.speech_synthesis.espeak import Utterance
from research.data.speech_synthesis.speak import speak
from research.errors import UserError

PACKAGE = "0.2.4"
RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MAX_DIGITS = 7
MAX_SILENCE = 0.3
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
"""Strings of each voice."""
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


@dataclass(frozen=True, kw_only=True)
class EspeakDigits(SpeechCorpus):
    """Synthesized strings of digits; a speaker is a voice, whatever its accent."""

    name: str = "espeak_digits"
    summary: str = "Connected digits, synthesized in 104 voices."
    license: str = "GPL-3"
    megabytes: int = 10
    source: str = f"Python package espeakng-loader {PACKAGE}"
    citation: str = "eSpeak NG, by Reece H. Dunn, Jonathan Duddington and others"

    def examples(self) -> Examples:
        archive = library_wheel(platform.system(), platform.machine())
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = unpack(archive, folder)
            names = voices(library)
            drawn = map(utterances, names)
            for part in pool.map(partial(synthesize, "espeak-ng", library), map(split_of, names), names, drawn):
                yield from part


def library_wheel(system: str, machine: str) -> Path:
    """Return the wheel with the library for a machine.

    Raises:
        UserError: if there is none, or it cannot be fetched.
    """
    if (system, machine) not in WHEELS:
        known = " and ".join(" ".join(key) for key in WHEELS)
        advice = "prepare the data on one of these, and copy its folder espeak_digits into the data folder here"
        raise UserError(f"espeakng-loader has no library for {system} {machine}, only for {known}; {advice}")
    tag, sha256 = WHEELS[system, machine]
    return wheel("espeakng_loader", PACKAGE, sha256, tag)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the library and its data; return where they lie."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "espeakng_loader"


def voices(library: Path) -> list[str]:
    """Return the names of all variants."""
    return sorted(path.name for path in (library / "espeak-ng-data" / "voices" / "!v").iterdir())


def split_of(voice: str) -> str:
    """Return the split that a voice belongs to."""
    return "test" if voice in TEST else "validation" if voice in VALIDATION else "train"


def may_say(split: str, string: Sequence[int]) -> bool:
    """Tell whether a string of digits may be in a split."""
    return len(string) == 1 or split == hash_split("".join(map(str, string)), test=0.1, validation=0.05)


def utterances(voice: str) -> list[tuple[str, Utterance]]:
    """Return the words and the utterance of each string of a voice: a pure function of its name."""
    rng, split = np.random.default_rng(seed(voice)), split_of(voice)
    return [_draw(rng, voice, split) for _ in range(STRINGS[split])]


def draw_digits(rng: np.random.Generator, split: str, min_digits: int = 1) -> list[int]:
    """Return a random string of at least `min_digits` digits that may be in a split."""
    size = int(rng.integers(min_digits, MAX_DIGITS + 1))
    while not may_say(split, digits := rng.integers(0, len(WORDS), size).tolist()):
        pass
    return digits


def seed(voice: str) -> int:
    """Return the seed of a voice's draws."""
    return int.from_bytes(hashlib.sha256(voice.encode()).digest()[:8], "big")


def _draw(rng: np.random.Generator, voice: str, split: str) -> tuple[str, Utterance]:
    words = [WORDS[digit] for digit in draw_digits(rng, split)]
    utterance = Utterance(
        text=punctuate(rng, words),
        voice=f"{rng.choice(ACCENTS)}+{voice}",
        speed=round(np.exp(rng.uniform(np.log(100), np.log(260)))),
        pitch=int(rng.integers(15, 86)),
        range=int(rng.integers(20, 91)),
        word_gap=int(rng.integers(0, 13)),
    )
    return " ".join(words), utterance


def punctuate(rng: np.random.Generator, words: Sequence[str]) -> str:
    """Return the words with random punctuation between and behind them, which changes the prosody."""
    separator, end = rng.choice([" ", ", "]), rng.choice(["", ".", ",", "?"], p=[0.4, 0.3, 0.2, 0.1])
    return separator.join(words) + end


def synthesize(
    library: Literal["espeak-ng", "flite"], folder: Path, split: str, voice: str, strings: Sequence[tuple[str, Any]]
) -> Examples:
    """Return the examples of a voice's `utterances`, spoken by a library: at `RATE`, with silence before and after."""
    texts, spoken = zip(*strings, strict=True)
    sounds, rate = speak(library, folder, spoken)
    silences = np.random.default_rng([seed(voice), 1]).integers(0, int(MAX_SILENCE * RATE) + 1, (len(texts), 2))
    padded = [np.pad(resample_to_int16(sound, rate), silence) for sound, silence in zip(sounds, silences, strict=True)]
    said = [Recording(samples, RATE, text, voice) for samples, text in zip(padded, texts, strict=True)]
    return [recording.example(split, f"{voice}-{index:03}") for index, recording in enumerate(said)]


def resample_to_int16(samples: Int16[np.ndarray, "_"], rate: int) -> Int16[np.ndarray, "_"]:
    """Return the samples at `RATE`; what the filter overshoots is clipped."""
    from scipy.signal import resample_poly

    ratio = Fraction(RATE, rate)
    return to_int16(resample_poly(samples.astype(np.float32), ratio.numerator, ratio.denominator))
