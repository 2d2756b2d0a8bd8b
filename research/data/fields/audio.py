"""Audio: files or arrays to log-mel features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import numpy as np
import soundfile
from jaxtyping import Array, Int

from research.batch import InputKind
from research.data.audio import augment, features
from research.data.audio.augment import SpeechOptions
from research.data.audio.features import Statistics
from research.data.audio.field import AudioField
from research.data.audio.files import load_audio, resample
from research.data.fields.field_options import as_number
from research.data.fields.files import FileInput, opened
from research.errors import UserError, first_line
from research.options import require

Value = str | bytes | tuple[np.ndarray, float]
"""A path, the bytes of a file, or samples and their rate."""


@dataclass(frozen=True)
class AudioInput(FileInput, SpeechOptions):
    """Audio files or arrays, as log-mel features."""

    kind: ClassVar[InputKind] = "features"
    unit: ClassVar[str] = "frames of audio"
    usual: ClassVar = ("audio", "path", "audio_filepath", "file_name", "file", "wav", "speech", "sound")
    per_file: ClassVar[bool] = True
    name: Literal["audio"] = "audio"
    rate: str = ""
    """Samples a second of arrays: a number, or a column. Empty: files say it themselves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = "none, corpus or utterance"
        require(self.normalize != "speaker", "task.input.normalize", self.normalize, allowed)

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> Value:
        value = row[columns[0]]
        if isinstance(value, bytes):
            return value
        if not isinstance(value, np.ndarray | list):
            return self.path(value, folder)
        if not self.rate:
            raise ValueError("is an array; task.input.rate must say its samples a second")
        rate = as_number(row.get(self.rate, self.rate))
        return np.asarray(value), rate

    def steps(self, value: Value) -> int:
        if isinstance(value, tuple):
            seconds = len(value[0]) / value[1]
        else:
            try:
                info = soundfile.info(opened(value))
            except (OSError, soundfile.LibsndfileError) as error:
                raise UserError(f"{_name(value)}: is no audio file ({first_line(error)})") from error
            seconds = info.frames / info.samplerate
        return max(1, int(seconds * 1000 / self.hop_ms + 0.5))

    def load(self, value: Value) -> np.ndarray:
        """Return log-mel features [T, M] in half precision, which rounds them by less than 0.01."""
        if isinstance(value, str):
            samples = load_audio(value, self.sample_rate)
        else:
            samples, rate = soundfile.read(opened(value), dtype="float32") if isinstance(value, bytes) else value
            samples = resample(samples if samples.ndim == 1 else samples.mean(axis=1), int(rate), self.sample_rate)
        try:
            return features.log_mel_filterbank(samples, self).astype(np.float16)[: self.steps(value)]
        except ValueError as error:
            raise UserError(f"{_name(value)}: {error}; must be longer") from error

    def fit(self, values: Sequence[np.ndarray]) -> AudioField:
        options = {item.name: getattr(self, item.name) for item in fields(features.FeatureOptions)}
        return AudioField(features.FeatureOptions(**options), Statistics.of(values))

    def stored(self, field: AudioField, value: np.ndarray) -> np.ndarray:
        return value

    def shape(self, field: AudioField, longest: int) -> tuple[int, int]:
        return self.width, -(-augment.max_frames(longest, self) // self.stack)

    def augment(
        self, field: AudioField, inputs: Array, lengths: Int[Array, " B"], key: Array
    ) -> tuple[Array, Int[Array, " B"]]:
        distort_key, mask_key = jax.random.split(key)
        log_mel, lengths = augment.distort(inputs.astype(np.float32), lengths, distort_key, self)
        normalized = features.normalize(log_mel, lengths, self, field.corpus)
        return features.stack_frames(augment.mask(normalized, lengths, mask_key, self), lengths, self.stack)


def _name(value: Value) -> str:
    return value if isinstance(value, str) else "audio"
