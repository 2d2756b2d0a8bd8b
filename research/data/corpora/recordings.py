"""Recorded speech with its text: what the corpora of speech share."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile
from jaxtyping import Int16

from research.data.corpora.corpus import Example, PackageCorpus


@dataclass(frozen=True)
class Recording:
    """Speech of one speaker."""

    samples: Int16[np.ndarray, " N"]
    sample_rate: int
    text: str
    speaker: str

    def example(self, split: str, name: str) -> tuple[str, str, Example]:
        """Return split, key and features of a record; the name tells it from all others of the corpus."""
        texts = {"name": name, "text": self.text, "speaker": self.speaker}
        return split, name, {**texts, "sound": self.samples, "rate": self.sample_rate}


@dataclass(frozen=True, kw_only=True)
class SpeechCorpus(PackageCorpus):
    """A corpus of recordings."""

    FEATURES: ClassVar = {
        **dict.fromkeys(("name", "text", "speaker"), "text"),
        "sound": (np.int16, (None,)),
        "rate": (np.int32, ()),
    }

    def recordings(self, split: str) -> dict[str, Recording]:
        """Return the recordings of a split by their names, in the order on disk, which is the same everywhere.

        Raises:
            UserError: if the corpus cannot be prepared or read.
        """
        columns = self.columns(split)
        parts = (columns["sound"], columns["rate"].tolist(), columns["text"], columns["speaker"])
        return dict(zip(columns["name"], map(Recording, *parts), strict=True))


def decode(path: Path) -> tuple[Int16[np.ndarray, " N"], int]:
    """Return the samples of an audio file, the mean of its channels, and how many there are a second."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return to_int16(samples.mean(axis=1) * 2**15), rate  # what ogg decodes can lie beyond full scale


def to_int16(samples: np.ndarray) -> Int16[np.ndarray, " N"]:
    """Round samples to 16 bits; clip what is beyond them."""
    return np.clip(np.rint(samples), -(2**15), 2**15 - 1).astype(np.int16)
