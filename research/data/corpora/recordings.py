"""Recorded speech with its text: what the corpora of speech share."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile
from jaxtyping import Int16

from research.data.corpora.corpus import Arrays, Example, PackageCorpus

TEXTS = ("name", "text", "speaker")


@dataclass(frozen=True)
class Recording:
    """Speech of one speaker."""

    samples: Int16[np.ndarray, " N"]
    sample_rate: int
    text: str
    speaker: str


@dataclass(frozen=True, kw_only=True)
class SpeechCorpus(PackageCorpus):
    """A corpus of recordings."""

    FEATURES: ClassVar = {
        **dict.fromkeys(TEXTS, "text"),
        "sound": (np.int16, (None,)),
        "rate": (np.int32, ()),
    }

    def recordings(self, split: str) -> dict[str, Recording]:
        """Return the recordings of a split by their names, in the order on disk, which is the same everywhere.

        Raises:
            UserError: if the corpus cannot be prepared or read.
        """
        arrays = self.packed(split, _pack)
        samples = np.split(arrays["sounds"], np.cumsum(arrays["lengths"])[:-1])
        columns = (arrays[column].tolist() for column in ("rates", "texts", "speakers"))
        return dict(zip(arrays["names"].tolist(), map(Recording, samples, *columns), strict=True))


def example(split: str, name: str, recording: Recording) -> tuple[str, str, Example]:
    """Return split, key and features of a record; the name tells it from all others of the corpus."""
    texts = {"name": name, "text": recording.text, "speaker": recording.speaker}
    return split, name, {**texts, "sound": recording.samples, "rate": recording.sample_rate}


def decode(path: Path) -> tuple[Int16[np.ndarray, " N"], int]:
    """Return the samples of an audio file, the mean of its channels, and how many there are a second."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return to_int16(samples.mean(axis=1) * 2**15), rate  # what ogg decodes can lie beyond full scale


def to_int16(samples: np.ndarray) -> Int16[np.ndarray, " N"]:
    """Round samples to 16 bits; clip what is beyond them."""
    return np.clip(np.rint(samples), -(2**15), 2**15 - 1).astype(np.int16)


def _pack(records: Iterable[Example]) -> Arrays:
    rows = list(records)
    texts = {f"{name}s": np.array([row[name].decode() for row in rows], str) for name in TEXTS}
    sounds = [row["sound"] for row in rows]
    return {
        **texts,
        "rates": np.array([row["rate"] for row in rows], np.int32),
        "lengths": np.array([len(sound) for sound in sounds], np.int64),
        "sounds": np.concatenate([np.zeros(0, np.int16), *sounds]),
    }
