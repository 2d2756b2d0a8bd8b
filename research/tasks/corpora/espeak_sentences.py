"""English sentences, synthesised by espeak-ng in 104 voices: speech to train on beside recorded prompts.

Half of the texts are one to eight words in a row of LibreOffice's English sentences, a quarter are words in a row of
the prompts that train (`research/tasks/corpora/asterisk.py`), and a quarter are their words in random order, each
equally frequent. All are in the prompts' form. No text holds a prompt of the splits validation or test, at its place or
within, unless a training prompt holds it too.

A voice is one of the library's variants, with an American accent; speed, pitch and pitch range are drawn anew for each
text, as are the silences before and after it, of up to 0.2 s, and the level of a faint white noise. 8,000 samples a
second. Texts and settings are the same everywhere; of samples, `research/tasks/corpora/espeak.py` says how far they
are.
"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from research.config.speech import MOST_SENTENCES
from research.tasks.corpora import asterisk, espeak, libreoffice, recordings
from research.tasks.corpora.corpus import Corpus, Example
from research.tasks.corpora.espeak import RATE
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.synthesis import Utterance, speak

AT_ONCE = 250
"""Texts that one process says."""
MOST_WORDS = 8
MOST_CHARACTERS = 60
MOST_SILENCE = 0.2
"""Seconds, before and after."""
MOST_NOISE = 16.0
"""Standard deviation of the loudest noise, in steps of a sample."""


class EspeakSentences(Corpus):
    """English sentences, synthesised in 104 voices.

    A speaker is a voice.
    """

    VERSION = tfds.core.Version("1.0.0")
    licence = "GPL-3"
    megabytes = 10
    source = f"Python package espeakng-loader {espeak.PACKAGE}; the corpora asterisk_en and libreoffice_de"
    citation = "eSpeak NG, by Reece H. Dunn, Jonathan Duddington and others"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        prompts = {split: [one.text for one in found] for split, found in asterisk.load("en").items()}
        english = [asterisk.AsteriskEn.normalised(pair.english) for pair in libreoffice.load("de")["train"]]
        drawn = texts(
            prompts["train"], prompts["validation"] + prompts["test"], [one for one in english if one], MOST_SENTENCES
        )
        parts = [drawn[start : start + AT_ONCE] for start in range(0, MOST_SENTENCES, AT_ONCE)]
        archive = espeak.own_wheel()
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = espeak.unpacked(archive, Path(folder))
            names = espeak.voices(library)
            found = list(pool.map(lambda part: spoken(library, names, *part), enumerate(parts)))
        spelled = [recording for part in found for recording in part]
        return {"train": [recordings.example(f"{index:05}", one) for index, one in enumerate(spelled)]}


def load(count: int) -> list[Recording]:
    """The first so many, at most `MOST_SENTENCES`; they are in random order.

    Raises:
        UserError: if an archive cannot be had, or the prepared data not be written or read.
    """
    found = recordings.load(EspeakSentences.prepared(), "train")
    return [found[name] for name in sorted(found)[:count]]


def texts(train: Sequence[str], held_out: Sequence[str], other: Sequence[str], count: int) -> list[str]:
    """What is said, in random order.

    Args:
        train: texts of the prompts that train.
        held_out: of those that do not.
        other: English sentences, in the same form.
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
            source = train if kind == 1 else other
            whole = source[int(rng.integers(len(source)))].split()
            start = int(rng.integers(max(len(whole) - size, 0) + 1))
            chosen = whole[start : start + size]
        text = " ".join(chosen)
        if len(text) <= MOST_CHARACTERS and not any(held in f" {text} " for held in barred):
            found.append(text)
    return found


def spoken(library: Path, voices: Sequence[str], part: int, said: Sequence[str]) -> list[Recording]:
    """What these texts sound like; a pure function of the number of the part, as far as the library is."""
    rng = np.random.default_rng([1, part])
    chosen = [str(rng.choice(voices)) for _ in said]
    sounds, rate = speak(library, [_utterance(rng, *pair) for pair in zip(said, chosen, strict=True)])
    found = []
    for sound, text, voice in zip(sounds, said, chosen, strict=True):
        padded = np.pad(espeak.resampled(sound, rate), rng.integers(0, int(MOST_SILENCE * RATE) + 1, 2))
        noise = rng.normal(0, np.exp(rng.uniform(0, np.log(MOST_NOISE))), len(padded))
        noisy = np.clip(np.rint(padded + noise), -(2**15), 2**15 - 1).astype(np.int16)
        found.append(Recording(noisy, RATE, text, voice))
    return found


def _utterance(rng: np.random.Generator, text: str, voice: str) -> Utterance:
    return Utterance(
        text=text,
        voice=f"en-us+{voice}",
        speed=round(np.exp(rng.uniform(np.log(110), np.log(220)))),
        pitch=int(rng.integers(15, 86)),
        range=int(rng.integers(20, 91)),
    )
