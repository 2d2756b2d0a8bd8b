"""Sentences in five languages, synthesized by espeak-ng in 104 voices: speech to train on, next to recorded prompts.

A quarter of the texts are words of the training prompts (`asterisk.py`) in random order, each equally frequent. The
others are one to eight words in a row: of these prompts, and twice as often of LibreOffice's sentences where there are
any, in English and in French. All are in the form of the prompts. No text contains a prompt of the splits validation or
test, unless a training prompt contains it, too.

A voice is one of the library's variants, with an American accent in English; each text has a random speed, pitch and
pitch range, silences of up to 0.2 s before and after it, and faint white noise of a random level. The sample rate is
8,000 Hz. At a few pitches the library crashes on some voices; there it speaks at its default pitch. Texts and settings
are the same everywhere; `espeak.py` says how far the samples are.
"""

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from research.data.corpora import asterisk, espeak, libreoffice
from research.data.corpora.corpus import SPLITS, Examples, take
from research.data.corpora.espeak import RATE
from research.data.corpora.fetch import scratch
from research.data.corpora.recordings import Recording, SpeechCorpus, to_int16
from research.data.speech_synthesis.espeak import Utterance
from research.data.speech_synthesis.speak import LibraryDiedError, speak

MAX_SENTENCES = 10_000
"""Sentences of a language."""
AT_ONCE = 250
"""Texts that one process says."""
MAX_WORDS = 8
MAX_CHARACTERS = 60
MAX_SILENCE = 0.2
"""Seconds, before and after."""
MAX_NOISE = 16.0
"""Standard deviation of the loudest noise, in steps of a sample."""


@dataclass(frozen=True, kw_only=True)
class EspeakSentences(SpeechCorpus):
    """Synthesized sentences; a speaker is a voice."""

    license: str = "GPL-3"
    megabytes: int = 10
    citation: str = "eSpeak NG, by Reece H. Dunn, Jonathan Duddington and others"
    language: str
    accent: str
    """The library's name for the language and accent."""

    def examples(self) -> Examples:
        prompter = asterisk.CORPORA[self.language]
        prompts = {split: prompter.columns(split)["text"] for split in SPLITS}
        sentences = [*filter(None, map(prompter.normalize, _sentences(self.language)))]
        drawn = texts(prompts["train"], prompts["validation"] + prompts["test"], sentences, MAX_SENTENCES)
        parts = [drawn[start : start + AT_ONCE] for start in range(0, MAX_SENTENCES, AT_ONCE)]
        archive = espeak.library_wheel(platform.system(), platform.machine())
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = espeak.unpack(archive, folder)
            results = list(pool.map(lambda part: synthesize(library, self.accent, *part), enumerate(parts)))
        for index, recording in enumerate(chain.from_iterable(results)):
            yield recording.example("train", f"{index:05}")

    def tables(self, config: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the columns in the order of the names, so that the first rows are the same number of random texts."""
        columns = self.columns("train")
        return {"train": take(columns, np.argsort(columns["name"]).tolist())}


def _corpus(language: str, name: str, accent: str, corpora: str) -> EspeakSentences:
    return EspeakSentences(
        name=f"espeak_sentences_{language}",
        summary=f"{name} sentences, synthesized in 104 voices.",
        source=f"Python package espeakng-loader {espeak.PACKAGE}; {corpora}",
        language=language,
        accent=accent,
    )


CORPORA = {
    "en": _corpus("en", "English", "en-us", "the corpora asterisk_en and libreoffice_de"),
    "fr": _corpus("fr", "French", "fr", "the corpora asterisk_fr and libreoffice_fr"),
    "es": _corpus("es", "Spanish", "es-419", "the corpus asterisk_es"),
    "it": _corpus("it", "Italian", "it", "the corpus asterisk_it"),
    "ru": _corpus("ru", "Russian", "ru", "the corpus asterisk_ru"),
}
"""The corpora by language."""


def texts(train: Sequence[str], others: Sequence[str], sentences: Sequence[str], count: int) -> list[str]:
    """Return the texts to synthesize, in random order.

    Args:
        train: texts of the training prompts.
        others: texts of the validation and test prompts.
        sentences: other sentences in the same form; there may be none.
        count: number of texts.
    """
    rng = np.random.default_rng(0)
    words = sorted({word for text in train for word in text.split()})
    trained = [f" {text} " for text in train]
    barred = {held for held in (f" {text} " for text in others) if not any(held in text for text in trained)}
    results: list[str] = []
    while len(results) < count:
        size, kind = int(rng.integers(1, MAX_WORDS + 1)), int(rng.integers(4))
        if kind == 0:
            chosen = rng.choice(words, size).tolist()
        else:
            source = train if kind == 1 or not sentences else sentences
            whole = source[int(rng.integers(len(source)))].split()
            start = int(rng.integers(max(len(whole) - size, 0) + 1))
            chosen = whole[start : start + size]
        text = " ".join(chosen)
        if len(text) <= MAX_CHARACTERS and not any(held in f" {text} " for held in barred):
            results.append(text)
    return results


def synthesize(library: Path, accent: str, part: int, lines: Sequence[str]) -> list[Recording]:
    """Return recordings of texts; a pure function of the number of the part, as far as the library is."""
    rng, names = np.random.default_rng([1, part]), espeak.voices(library)
    voices = [str(rng.choice(names)) for _ in lines]
    utterances = [_draw(rng, text, f"{accent}+{voice}") for text, voice in zip(lines, voices, strict=True)]
    sounds, rate = _speak(library, utterances)
    results = []
    for sound, text, voice in zip(sounds, lines, voices, strict=True):
        padded = np.pad(espeak.resample_to_int16(sound, rate), rng.integers(0, int(MAX_SILENCE * RATE) + 1, 2))
        noise = rng.normal(0, np.exp(rng.uniform(0, np.log(MAX_NOISE))), len(padded))
        results.append(Recording(to_int16(padded + noise), RATE, text, voice))
    return results


def _sentences(language: str) -> list[str]:
    """Return the training sentences of LibreOffice's help in a language; empty where there are none."""
    sources = {"en": ("de", "english"), "fr": ("fr", "translation")}
    if language not in sources:
        return []
    other, column = sources[language]
    return libreoffice.CORPORA[other].columns("train")[column]


def _speak(library: Path, utterances: list[Utterance]) -> tuple[list[np.ndarray], int]:
    """Speak as `speak`, but what the library crashes on at its default pitch, and then all again, as it has a state."""
    while True:
        try:
            return speak("espeak-ng", library, utterances)
        except LibraryDiedError as died:
            deadly = utterances[died.number]
            calm = Utterance(deadly.text, deadly.voice, deadly.speed)
            if deadly == calm:
                raise
            utterances = [*utterances[: died.number], calm, *utterances[died.number + 1 :]]


def _draw(rng: np.random.Generator, text: str, voice: str) -> Utterance:
    return Utterance(
        text=text,
        voice=voice,
        speed=round(np.exp(rng.uniform(np.log(110), np.log(220)))),
        pitch=int(rng.integers(15, 86)),
        range=int(rng.integers(20, 91)),
    )
