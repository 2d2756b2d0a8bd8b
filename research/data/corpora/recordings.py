"""Recorded speech with what is said in it: what the corpora of sound share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import tensorflow_datasets as tfds
from jaxtyping import Int16

from research.tasks.corpora.corpus import Corpus, Example


@dataclass(frozen=True)
class Recording:
    """What a speaker says."""

    sound: Int16[np.ndarray, " N"]
    rate: int
    """Samples a second."""
    text: str
    speaker: str


def features() -> tfds.features.FeaturesDict:
    """The features of a record."""
    text = tfds.features.Text()
    sound = tfds.features.Tensor(shape=(None,), dtype=np.int16)
    rate = tfds.features.Scalar(dtype=np.int32)
    return tfds.features.FeaturesDict({"name": text, "sound": sound, "rate": rate, "text": text, "speaker": text})


def example(name: str, recording: Recording) -> tuple[str, Example]:
    """The key and the features of a record; the name tells it from all others of the corpus."""
    return name, {
        "name": name,
        "sound": recording.sound,
        "rate": recording.rate,
        "text": recording.text,
        "speaker": recording.speaker,
    }


def decoded(path: Path) -> tuple[Int16[np.ndarray, " N"], int]:
    """The samples of a sound file, of all its channels the mean, and how many there are a second."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    scaled = np.rint(samples.mean(axis=1) * 2**15)  # as int16, what ogg decodes beyond full scale would wrap around
    return np.clip(scaled, -(2**15), 2**15 - 1).astype(np.int16), rate


def load(corpus: Corpus, split: str) -> dict[str, Recording]:
    """The recordings of a split by their names, in the order on disk, which is the same everywhere.

    Raises:
        UserError: if the files are damaged.
    """
    arrays = corpus.packed(split, _pack)
    sounds = np.split(arrays["sounds"], np.cumsum(arrays["lengths"])[:-1])
    columns = (arrays[column].tolist() for column in ("rates", "texts", "speakers"))
    return dict(zip(arrays["names"].tolist(), map(Recording, sounds, *columns), strict=True))


def _pack(records: Iterator[Example]) -> dict[str, np.ndarray]:
    rows = list(records)
    texts = {f"{field}s": np.array([row[field].decode() for row in rows], str) for field in ("name", "text", "speaker")}
    sounds = [row["sound"] for row in rows]
    return {
        **texts,
        "rates": np.array([row["rate"] for row in rows], np.int32),
        "lengths": np.array([len(sound) for sound in sounds], np.int64),
        "sounds": np.concatenate([np.zeros(0, np.int16), *sounds]),
    }
