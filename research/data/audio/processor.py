"""From an audio file to the features of a speech model, and from its tokens to text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float32

from research.data.audio import features
from research.data.audio.features import FeatureOptions, Statistics
from research.data.audio.files import load_audio
from research.data.processor import Axis, Kind, Processor
from research.data.text import Vocabulary

SHOWN_HERTZ = (250, 500, 1000, 2000, 4000)
"""Frequencies that are marked at a spectrogram."""


@dataclass(frozen=True)
class AudioProcessor(Processor):
    """Audio files to features as in training; symbols to text."""

    kind: ClassVar[Kind] = "audio"
    options: FeatureOptions
    corpus: Statistics
    """Statistics of the training set."""
    vocabulary: Vocabulary
    separator: str = ""
    """Text between two symbols."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "features": {item.name: getattr(self.options, item.name) for item in fields(FeatureOptions)},
            "corpus": {name: values.tolist() for name, values in asdict(self.corpus).items()},
            "symbols": list(self.vocabulary.symbols),
            "separator": self.separator,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "AudioProcessor":
        corpus = {name: np.array(values, np.float32) for name, values in saved["corpus"].items()}
        vocabulary = Vocabulary(tuple(saved["symbols"]))
        return cls(FeatureOptions(**saved["features"]), Statistics(**corpus), vocabulary, saved["separator"])

    def encode(self, source: str) -> Float32[np.ndarray, "S D"]:
        """Return the features of a file, which counts as all of its speaker's."""
        log_mel = self._log_mel(source)
        if self.options.normalize == "speaker":
            log_mel = features.match_corpus(log_mel, Statistics.of([log_mel]), self.corpus)
        return self.features(log_mel)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.separator.join(self.symbols(tokens))

    def symbols(self, tokens: Sequence[int]) -> list[str]:
        return self.vocabulary.decode(tokens)

    def axis(self, source: str) -> Axis:
        """Return the spectrogram, of which a step shows the mean of the frames that are stacked in it."""
        log_mel = self._log_mel(source)
        steps, _ = features.stack_frames(log_mel[None], np.array([len(log_mel)]), self.options.stack)
        frames = steps[0].reshape(len(steps[0]), self.options.stack, self.options.num_mels)
        count = np.minimum(len(log_mel) - self.options.stack * np.arange(len(frames)), self.options.stack)
        peaks = self.options.edges_hz[1:-1]
        return Axis(
            picture=np.sum(frames, axis=1).T / count,
            heights={
                f"{hertz / 1000:g} kHz": float(np.interp(hertz, peaks, np.arange(len(peaks)) + 0.5))
                for hertz in SHOWN_HERTZ
                if peaks[0] <= hertz <= peaks[-1]
            },
            name="time (s)",
            extent=len(frames) * self.options.stack * self.options.hop_ms / 1e3,
        )

    def features(self, log_mel: Float[np.ndarray, "T M"]) -> Float32[np.ndarray, "S D"]:
        """Return the model's input of a log-mel filterbank; to be normalized by speaker, one of `match_corpus`."""
        lengths = np.array([len(log_mel)])
        normalized = features.normalize(log_mel[None].astype(np.float32), lengths, self.options, self.corpus)
        return features.stack_frames(normalized, lengths, self.options.stack)[0][0].astype(np.float32)

    def _log_mel(self, source: str) -> Float32[np.ndarray, "T M"]:
        return features.log_mel_filterbank(load_audio(source, self.options.sample_rate), self.options)
