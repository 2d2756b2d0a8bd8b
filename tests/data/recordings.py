"""Recordings made up for tests: each letter of a text is a tone of its own."""

from collections.abc import Sequence

import numpy as np

from research.data.corpora.recordings import Recording

RATE = 8000


def spoken(text: str, speaker: str = "a", rate: int = RATE, draw: int = 0) -> Recording:
    """A tenth of a second for each letter, and for silence before and after."""
    noise = np.random.default_rng(draw)
    time = np.arange(rate // 10) / rate
    level = 0.1 if speaker == "a" else 0.4
    tones = [level * np.sin(2 * np.pi * (200 + 90 * (ord(letter) % 32)) * time) for letter in text]
    sound = np.concatenate([0 * time, *tones, 0 * time]) + noise.normal(0, 0.002, len(time) * (len(text) + 2))
    return Recording(np.asarray(np.round(32767 * sound), np.int16), rate, text, speaker)


def all_spoken(texts: Sequence[str]) -> list[Recording]:
    """By two speakers in turn."""
    return [spoken(text, "ab"[index % 2], draw=index) for index, text in enumerate(texts)]
