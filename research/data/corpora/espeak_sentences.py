"""Sentences in five languages, synthesised by espeak-ng in 104 voices: speech to train on beside recorded prompts.

A quarter of the texts are words of the prompts that train (`research/tasks/corpora/asterisk.py`) in random order, each
equally frequent. The others are one to eight words in a row: of these prompts, and twice as often of LibreOffice's
sentences where there are any, in English and in French. All are in the form of the prompts. No text holds a prompt of
the splits validation or test, as a whole or within, unless a training prompt holds it, too.

A voice is one of the library's variants, with an American accent in English; speed, pitch and pitch range are drawn
anew for each text, as are the silences before and after it, of up to 0.2 s, and the level of a faint white noise. 8,000
samples a second. At a few pitches the library dies of some voices; there it speaks at its own pitch. Texts and settings
are the same everywhere; of samples, `research/tasks/corpora/espeak.py` says how far they are.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from research.config.speech import MOST_SENTENCES
from research.tasks.corpora import asterisk, espeak, libreoffice, recordings
from research.tasks.corpora.corpus import Corpus, Example
from research.tasks.corpora.espeak import RATE
from research.tasks.corpora.espeak_library import Utterance
from research.tasks.corpora.fetch import scratch
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.synthesis import LibraryDiedError, speak

AT_ONCE = 250
"""Texts that one process says."""
MOST_WORDS = 8
MOST_CHARACTERS = 60
MOST_SILENCE = 0.2
"""Seconds, before and after."""
MOST_NOISE = 16.0
"""Standard deviation of the loudest noise, in steps of a sample."""


class EspeakSentences(Corpus):
    """Sentences, synthesised in 104 voices.

    A speaker is a voice.
    """

    VERSION = tfds.core.Version("1.0.0")
    licence = "GPL-3"
    megabytes = 10
    citation = "eSpeak NG, by Reece H. Dunn, Jonathan Duddington and others"
    language: ClassVar[str]
    accent: ClassVar[str]
    """The library's name for the language as it is spoken."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        prompts = {split: [one.text for one in found] for split, found in asterisk.load(self.language).items()}
        normalised = map(asterisk.BUILDERS[self.language].normalised, self.sentences())
        other = [sentence for sentence in normalised if sentence]
        drawn = texts(prompts["train"], prompts["validation"] + prompts["test"], other, MOST_SENTENCES)
        parts = [drawn[start : start + AT_ONCE] for start in range(0, MOST_SENTENCES, AT_ONCE)]
        archive = espeak.own_wheel()
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = espeak.unpacked(archive, folder)
            found = list(pool.map(lambda part: spoken(library, self.accent, *part), enumerate(parts)))
        heard = [recording for part in found for recording in part]
        return {"train": [recordings.example(f"{index:05}", one) for index, one in enumerate(heard)]}

    @classmethod
    def sentences(cls) -> list[str]:
        """Of the language, beside the prompts."""
        return []


class EspeakSentencesEn(EspeakSentences):
    """English sentences, synthesised in 104 voices."""

    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpora asterisk_en and libreoffice_de"
    language = "en"
    accent = "en-us"

    @classmethod
    def sentences(cls) -> list[str]:
        return [pair.english for pair in libreoffice.load("de")["train"]]


class EspeakSentencesFr(EspeakSentences):
    """French sentences, synthesised in 104 voices."""

    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpora asterisk_fr and libreoffice_fr"
    language = "fr"
    accent = "fr"

    @classmethod
    def sentences(cls) -> list[str]:
        return [pair.translation for pair in libreoffice.load("fr")["train"]]


class EspeakSentencesEs(EspeakSentences):
    """Spanish sentences, synthesised in 104 voices."""

    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpus asterisk_es"
    language = "es"
    accent = "es-419"


class EspeakSentencesIt(EspeakSentences):
    """Italian sentences, synthesised in 104 voices."""

    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpus asterisk_it"
    language = "it"
    accent = "it"


class EspeakSentencesRu(EspeakSentences):
    """Russian sentences, synthesised in 104 voices."""

    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpus asterisk_ru"
    language = "ru"
    accent = "ru"


BUILDERS: Mapping[str, type[EspeakSentences]] = {
    builder.language: builder
    for builder in (EspeakSentencesEn, EspeakSentencesFr, EspeakSentencesEs, EspeakSentencesIt, EspeakSentencesRu)
}


def load(language: str, count: int) -> list[Recording]:
    """The first so many, at most `MOST_SENTENCES`; they are in random order.

    Raises:
        UserError: if an archive cannot be had, or the prepared data not be written or read.
    """
    found = recordings.load(BUILDERS[language].prepared(), "train")
    return [found[name] for name in sorted(found)[:count]]


def texts(train: Sequence[str], held_out: Sequence[str], other: Sequence[str], count: int) -> list[str]:
    """What is said, in random order.

    Args:
        train: texts of the prompts that train.
        held_out: of those that do not.
        other: sentences in the same form; there may be none.
    """
    rng = np.random.default_rng(0)
    words = sorted({word for text in train for word in text.split()})
    trained = [f" {text} " for text in train]
    barred = {held for held in (f" {text} " for text in held_out) if not any(held in text for text in trained)}
    found: list[str] = []
    while len(found) < count:
        size, kind = int(rng.integers(1, MOST_WORDS + 1)), int(rng.integers(4))
        if kind == 0:
            chosen = rng.choice(words, size).tolist()
        else:
            source = train if kind == 1 or not other else other
            whole = source[int(rng.integers(len(source)))].split()
            start = int(rng.integers(max(len(whole) - size, 0) + 1))
            chosen = whole[start : start + size]
        text = " ".join(chosen)
        if len(text) <= MOST_CHARACTERS and not any(held in f" {text} " for held in barred):
            found.append(text)
    return found


def spoken(library: Path, accent: str, part: int, said: Sequence[str]) -> list[Recording]:
    """What these texts sound like; a pure function of the number of the part, as far as the library is."""
    rng, voices = np.random.default_rng([1, part]), espeak.voices(library)
    chosen = [str(rng.choice(voices)) for _ in said]
    drawn = [_utterance(rng, text, f"{accent}+{voice}") for text, voice in zip(said, chosen, strict=True)]
    sounds, rate = _heard(library, drawn)
    found = []
    for sound, text, voice in zip(sounds, said, chosen, strict=True):
        padded = np.pad(espeak.resampled(sound, rate), rng.integers(0, int(MOST_SILENCE * RATE) + 1, 2))
        noise = rng.normal(0, np.exp(rng.uniform(0, np.log(MOST_NOISE))), len(padded))
        noisy = np.clip(np.rint(padded + noise), -(2**15), 2**15 - 1).astype(np.int16)
        found.append(Recording(noisy, RATE, text, voice))
    return found


def _heard(library: Path, utterances: list[Utterance]) -> tuple[list[np.ndarray], int]:
    """As `speak`, but what the library dies of is said at its own pitch; it says all anew, as it keeps a state."""
    while True:
        try:
            return speak("espeak-ng", library, utterances)
        except LibraryDiedError as died:
            deadly = utterances[died.number]
            calm = Utterance(deadly.text, deadly.voice, deadly.speed)
            if deadly == calm:
                raise
            utterances = [*utterances[: died.number], calm, *utterances[died.number + 1 :]]


def _utterance(rng: np.random.Generator, text: str, voice: str) -> Utterance:
    return Utterance(
        text=text,
        voice=voice,
        speed=round(np.exp(rng.uniform(np.log(110), np.log(220)))),
        pitch=int(rng.integers(15, 86)),
        range=int(rng.integers(20, 91)),
    )
