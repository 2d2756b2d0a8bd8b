"""Audio to the features of a speech model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float32

from research.data.audio import features
from research.data.audio.features import FeatureOptions, Statistics
from research.data.audio.files import load_audio
from research.data.field import Axis, Field, Kind
from research.errors import UserError

SHOWN_HERTZ = (250, 500, 1000, 2000, 4000)
"""Frequencies that are marked at a spectrogram."""


@dataclass(frozen=True)
class AudioField(Field):
    """Log-mel features, normalized, with differences, stacked; a file counts as all recordings of its speaker."""

    name: ClassVar[str] = "audio"
    kind: ClassVar[Kind] = "audio"
    options: FeatureOptions
    corpus: Statistics
    """Statistics of the training set."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "options": {item.name: getattr(self.options, item.name) for item in fields(FeatureOptions)},
            "corpus": {name: values.tolist() for name, values in asdict(self.corpus).items()},
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "AudioField":
        corpus = {name: np.array(values, np.float32) for name, values in saved["corpus"].items()}
        return cls(FeatureOptions(**saved["options"]), Statistics(**corpus))

    def load(self, source: str) -> Float32[np.ndarray, "T M"]:
        """Return the log-mel features of a file."""
        audio = load_audio(source, self.options.sample_rate)
        try:
            return features.log_mel_filterbank(audio, self.options)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def encode(self, value: Float[np.ndarray, "T M"], speaker: Statistics | None = None) -> Float32[np.ndarray, "S D"]:
        """Return the model's input of log-mel features; the speaker's statistics are by default of these alone."""
        if self.options.normalize == "speaker":
            value = features.match_corpus(value, speaker or Statistics.of([value]), self.corpus)
        lengths = np.array([len(value)])
        normalized = features.normalize(value[None].astype(np.float32), lengths, self.options, self.corpus)
        return features.stack_frames(normalized, lengths, self.options.stack)[0][0].astype(np.float32)

    def axis(self, value: Float[np.ndarray, "T M"]) -> Axis:
        """Return the spectrogram; a step shows the mean of the frames that are stacked in it."""
        stack = self.options.stack
        steps, _ = features.stack_frames(value[None], np.array([len(value)]), stack)
        frames = steps[0].reshape(len(steps[0]), stack, self.options.num_mels)
        count = np.minimum(len(value) - stack * np.arange(len(frames)), stack)
        peaks = self.options.edges_hz[1:-1]
        heights = {
            f"{hertz / 1000:g} kHz": float(np.interp(hertz, peaks, np.arange(len(peaks)) + 0.5))
            for hertz in SHOWN_HERTZ
            if peaks[0] <= hertz <= peaks[-1]
        }
        extent = len(frames) * stack * self.options.hop_ms / 1e3
        return Axis(picture=np.sum(frames, axis=1).T / count, heights=heights, name="time (s)", extent=extent)
