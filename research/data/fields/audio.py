"""Audio: files or arrays to log-mel features."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import numpy as np
import soundfile
from jaxtyping import Array, Int

from research.batch import InputKind
from research.data.audio import augment, concatenation, features
from research.data.audio.augment import SpeechOptions
from research.data.audio.features import Statistics
from research.data.audio.field import AudioField
from research.data.audio.files import duration, load_audio, resample
from research.data.fields.field_options import as_number
from research.data.fields.files import FileInput
from research.errors import UserError, first_line
from research.options import require_default

RATES = ("sample_rate", "rate")
"""Usual names of the column with the samples a second of arrays."""
SPEAKER = "speaker"
"""Usual name of the column with the speaker."""


@dataclass(frozen=True)
class Joined:
    """Recordings that are concatenated (`research/data/audio/concatenation.py`)."""

    parts: Sequence["Value"]
    cuts: np.ndarray


Value = str | bytes | tuple[np.ndarray, float] | Joined
"""A path, the bytes of a file, samples and their rate, or several of these."""


@dataclass(frozen=True)
class AudioInput(FileInput, SpeechOptions):
    """Audio files or arrays, as log-mel features."""

    kind: ClassVar[InputKind] = "features"
    unit: ClassVar[str] = "frames of audio"
    usual: ClassVar = ("audio", "path", "audio_filepath", "file_name", "file", "wav", "speech", "sound")
    per_file: ClassVar[bool] = True
    name: Literal["audio"] = "audio"
    rate: str = ""
    """Samples a second of arrays: a number, or a column. Empty: the column sample_rate or rate, or as TFDS knows."""
    speaker_column: str = ""
    """normalize=speaker: column that tells the speaker. Empty: speaker."""

    def __post_init__(self) -> None:
        super().__post_init__()
        by = f"task.input.normalize={self.normalize}"
        require_default(self, self.section, "speaker_column", self.normalize == "speaker", by)

    @property
    def group_column(self) -> str:
        return self.speaker_column or SPEAKER if self.normalize == "speaker" else ""

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> Value:
        value = row[columns[0]]
        if isinstance(value, bytes):
            return value
        if not isinstance(value, np.ndarray | list):
            return self.path(value, folder)
        rate = row.get(self.rate, self.rate) or next((row[name] for name in RATES if name in row), None)
        if rate is None:
            raise ValueError("is an array; task.input.rate must say its samples a second")
        samples = np.asarray(value)
        if samples.dtype.kind not in "iuf":
            raise ValueError(f"is {value!r:.40}; must be samples")
        return samples, as_number(rate)

    def seconds(self, value: Value) -> float:
        """Return the duration of a value; raises UserError if it is a file that cannot be read."""
        if isinstance(value, Joined):  # how much silence is cut off is known only of the samples
            return len(self.samples(value)) / self.sample_rate
        if isinstance(value, tuple):
            return len(value[0]) / value[1]
        with _reading(value):
            return duration(value) if isinstance(value, str) else soundfile.info(io.BytesIO(value)).duration

    def steps(self, value: Value) -> int:
        return max(1, int(self.seconds(value) * 1000 / self.hop_ms + 0.5))

    def samples(self, value: Value) -> np.ndarray:
        """Return audio at `sample_rate`; integers count as samples of 16 bits."""
        if isinstance(value, Joined):
            return concatenation.concatenate(list(map(self.samples, value.parts)), value.cuts, self.sample_rate)
        if isinstance(value, str):
            return load_audio(value, self.sample_rate)
        with _reading(value):
            samples, rate = soundfile.read(io.BytesIO(value), dtype="float32") if isinstance(value, bytes) else value
        samples = samples.astype(np.float32) / np.float32(32768 if samples.dtype.kind == "i" else 1)
        return resample(samples if samples.ndim == 1 else samples.mean(axis=1), int(rate), self.sample_rate)

    def load(self, value: Value) -> np.ndarray:
        """Return log-mel features [T, M] in half precision, which rounds them by less than 0.01."""
        samples = self.samples(value)
        try:
            return features.log_mel_filterbank(samples, self).astype(np.float16)[: self.steps(value)]
        except ValueError as error:
            raise UserError(f"{_name(value)}: {error}; must be longer") from error

    def fit(self, values: Sequence[np.ndarray]) -> AudioField:
        options = {item.name: getattr(self, item.name) for item in fields(features.FeatureOptions)}
        return AudioField(features.FeatureOptions(**options), Statistics.of(values))

    def fit_group(self, values: Iterable[np.ndarray]) -> Statistics:
        return Statistics.of(values)

    def stored(self, field: AudioField, value: np.ndarray, group: Statistics | None = None) -> np.ndarray:
        return features.match_corpus(value, group, field.corpus).astype(np.float16) if group else value

    def shape(self, field: AudioField, longest: int) -> tuple[int, int]:
        return self.width, -(-augment.max_frames(longest, self) // self.stack)

    def padding(self, fraction: float) -> float:
        """Return the fraction of padding that the space for audio that the augmentation makes longer leaves."""
        return 1 - (1 - fraction) / (1 + self.speed)

    def augment(
        self, field: AudioField, inputs: Array, lengths: Int[Array, " B"], key: Array
    ) -> tuple[Array, Int[Array, " B"]]:
        distort_key, mask_key = jax.random.split(key)
        log_mel, lengths = augment.distort(inputs.astype(np.float32), lengths, distort_key, self)
        normalized = features.normalize(log_mel, lengths, self, field.corpus)
        return features.stack_frames(augment.mask(normalized, lengths, mask_key, self), lengths, self.stack)


@contextlib.contextmanager
def _reading(value: Value) -> Iterator[None]:
    """Turn what a damaged file raises into one line."""
    try:
        yield
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"{_name(value)}: is no audio file ({first_line(error)})") from error


def _name(value: Value) -> str:
    return value if isinstance(value, str) else "audio"
