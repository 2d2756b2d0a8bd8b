"""What a model of speech hears of a sound, and what it says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float32

from research.config import FeatureOptions
from research.tasks.audio import fbank, sound
from research.tasks.audio.fbank import Statistics
from research.tasks.reader import Axis, Kind, Reader, Vocabulary

SHOWN_HERTZ = (250, 500, 1000, 2000, 4000)
"""Frequencies that are marked at a spectrogram."""


@dataclass(frozen=True)
class SoundReader(Reader):
    """Sound files to features as in training; symbols to text."""

    kind: ClassVar[Kind] = "sound"
    options: FeatureOptions
    corpus: Statistics
    """Of the training set."""
    vocabulary: Vocabulary
    separator: str = ""
    """What stands between two symbols of a text."""

    def saved(self) -> dict[str, Any]:
        return {
            "features": {item.name: getattr(self.options, item.name) for item in fields(FeatureOptions)},
            "corpus": {name: values.tolist() for name, values in asdict(self.corpus).items()},
            "symbols": list(self.vocabulary.symbols),
            "separator": self.separator,
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "SoundReader":
        corpus = {name: np.array(values, np.float32) for name, values in saved["corpus"].items()}
        vocabulary = Vocabulary(tuple(saved["symbols"]))
        return cls(FeatureOptions(**saved["features"]), Statistics(**corpus), vocabulary, saved["separator"])

    def read(self, given: str) -> Float32[np.ndarray, "S D"]:
        """The features of a file, which is taken as all that its speaker says."""
        return self.features(self._heard(given))

    def text(self, tokens: Sequence[int]) -> str:
        return self.separator.join(self.said(tokens))

    def said(self, tokens: Sequence[int]) -> list[str]:
        return self.vocabulary.names(tokens)

    def axis(self, given: str) -> Axis:
        """The spectrogram, of which a step shows the mean of the frames that are stacked in it."""
        log_mel = fbank.log_mel(sound.read(given, self.options.rate), self.options)
        lengths = np.array([len(log_mel)])
        steps, _ = fbank.stacked(log_mel[None], lengths, self.options.stack)
        frames = steps[0].reshape(len(steps[0]), self.options.stack, self.options.mels)
        count = np.minimum(len(log_mel) - self.options.stack * np.arange(len(frames)), self.options.stack)
        picture = np.sum(frames, axis=1).T / count
        peaks = self.options.edges_hz[1:-1]
        return Axis(
            picture=picture,
            heights={
                f"{hertz / 1000:g} kHz": float(np.interp(hertz, peaks, np.arange(len(peaks)) + 0.5))
                for hertz in SHOWN_HERTZ
                if peaks[0] <= hertz <= peaks[-1]
            },
            name="time (s)",
            extent=len(frames) * self.options.stack * self.options.hop_ms / 1e3,
        )

    def features(self, log_mel: Float[np.ndarray, "T M"]) -> Float32[np.ndarray, "S D"]:
        """What the model reads of a log-mel filterbank; normalised by speaker, it is one of `fbank.as_corpus`."""
        lengths = np.array([len(log_mel)])
        finished = fbank.finished(log_mel[None].astype(np.float32), lengths, self.options, self.corpus)
        return fbank.stacked(finished, lengths, self.options.stack)[0][0].astype(np.float32)

    def _heard(self, given: str) -> Float32[np.ndarray, "T M"]:
        log_mel = fbank.log_mel(sound.read(given, self.options.rate), self.options)
        if self.options.normalise != "speaker":
            return log_mel
        return fbank.as_corpus(log_mel, Statistics.of([log_mel]), self.corpus)
