"""Features of speech: the log-mel filterbank as Kaldi defines it, normalized, with differences over time, stacked.

    frame t       frame_ms of audio around (t + 1/2) hop_ms, mirrored at both ends; T = round(duration / hop)
    x             minus its mean, then x_n - 0.97 x_{n-1}, times the window (1/2 - 1/2 cos(2 pi n / (N - 1)))^0.85
    power         |FFT|^2, padded with zeros to the next power of two
    mel_m         triangles on mel = 1127 ln(1 + Hz / 700), evenly spaced, each as wide as two spacings
    log           of the sum, at least ln(1.19e-7), which is about the noise of rounding to 16 bits; full scale is 1

    normalized    (x - mean) / deviation, for each filter
    d_t           sum_{n=1,2} n (x_{t+n} - x_{t-n}) / 10, the ends repeated; the second differences are those of these

All functions but the filterbank take NumPy or JAX arrays. Values past a sequence's length have no influence, so a
recording has the same features alone and in a batch. Padding is zero.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import kaldi_native_fbank
import numpy as np
from jaxtyping import Float, Float32, Int

from research.batch import ArrayT
from research.data.audio.files import Audio
from research.errors import UserError
from research.options import require, require_between

MIN_DEVIATION = 0.1
"""Least deviation that normalization divides by: a filter that hardly moves is not amplified."""
DELTA_REACH = 2
"""Frames that a difference looks ahead and back."""
MEL_HZ, MEL_FACTOR = 700, 1127
"""mel = 1127 ln(1 + Hz / 700), the scale of HTK and Kaldi."""


@dataclass(frozen=True)
class FeatureOptions:
    """From audio to features: log-mel filterbank, normalized, with differences, stacked. Saved with a run."""

    section: ClassVar[str] = "task"
    """Section of the options, for messages."""
    sample_rate: int = 8000
    """Samples a second; recordings of another rate are resampled."""
    num_mels: int = 40
    """Filters of the bank, evenly spaced on the mel scale."""
    frame_ms: float = 25.0
    """Length of a frame in milliseconds."""
    hop_ms: float = 10.0
    """Milliseconds from frame to frame."""
    lowest_hz: float = 20.0
    """Lower edge of the lowest filter."""
    highest_hz: float = 0.0
    """Upper edge of the highest filter; 0: half the sample rate."""
    normalize: Literal["none", "corpus", "speaker", "utterance"] = "utterance"
    """Frames over which each filter gets mean 0 and standard deviation 1: all of training, the speaker's, or the
    utterance's. A recording that a user gives counts as all of its speaker's."""
    deltas: int = 0
    """Differences over time next to the features: 1: the first, 2: the second as well."""
    stack: int = 1
    """Frames that make one time step, side by side."""

    def __post_init__(self) -> None:
        require_between(
            self, self.section, sample_rate=(4000, 48000), num_mels=(4, 256), frame_ms=(5, 200), hop_ms=(1, 200),
            deltas=(0, 2), stack=(1, 16),
        )  # fmt: skip
        half, low, high, top = self.sample_rate / 2, self.lowest_hz, self.highest_hz, self.top_hz
        allowed = f"at most {self.section}.frame_ms={self.frame_ms:g}"
        require(self.hop_ms <= self.frame_ms, f"{self.section}.hop_ms", self.hop_ms, allowed)
        allowed = f"0, or at most {half:g}, half the sample rate"
        require(high == 0 or 0 < high <= half, f"{self.section}.highest_hz", high, allowed)
        require(0 <= low < top, f"{self.section}.lowest_hz", low, f"at least 0, less than {top:g}")
        allowed = "fewer: a filter would hold no frequency of a frame's spectrum"
        require(self._narrowest() > 0, f"{self.section}.num_mels", self.num_mels, allowed)

    @property
    def top_hz(self) -> float:
        """Upper edge of the highest filter."""
        return self.highest_hz or self.sample_rate / 2

    @property
    def edges_hz(self) -> list[float]:
        """Edges of the filters: filter m begins at value m, peaks at m + 1 and ends at m + 2."""
        low, high = (MEL_FACTOR * math.log1p(hertz / MEL_HZ) for hertz in (self.lowest_hz, self.top_hz))
        mels = [low + (high - low) * m / (self.num_mels + 1) for m in range(self.num_mels + 2)]
        return [MEL_HZ * math.expm1(mel / MEL_FACTOR) for mel in mels]

    @property
    def width(self) -> int:
        """Features of a time step."""
        return self.num_mels * (1 + self.deltas) * self.stack

    def _narrowest(self) -> int:
        """Return the least number of the spectrum's frequencies within a filter."""
        samples = int(self.sample_rate * self.frame_ms / 1000)
        spacing = self.sample_rate / 2 ** math.ceil(math.log2(samples))
        edges = self.edges_hz
        return min(
            math.ceil(end / spacing) - math.floor(start / spacing) - 1
            for start, end in zip(edges, edges[2:], strict=False)
        )


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each filter over all frames of some recordings."""

    mean: Float32[np.ndarray, " M"]
    deviation: Float32[np.ndarray, " M"]

    @classmethod
    def of(cls, recordings: Iterable[Float[np.ndarray, "_ M"]]) -> "Statistics":
        """Return the statistics of log-mel features."""
        count, total, squares = 0, np.float64(0), np.float64(0)
        for log_mel in recordings:
            frames = log_mel.astype(np.float64)
            count += len(frames)
            total = total + np.sum(frames, axis=0)
            squares = squares + np.sum(np.square(frames), axis=0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - np.square(mean), MIN_DEVIATION**2))
        return cls(np.asarray(mean, np.float32), np.asarray(deviation, np.float32))


def log_mel_filterbank(audio: Audio, options: FeatureOptions) -> Float32[np.ndarray, "T M"]:
    """Return the filterbank of audio at `options.sample_rate`; at least one frame.

    Raises:
        UserError: if the audio is shorter than half a hop.
    """
    settings = kaldi_native_fbank.FbankOptions()
    frame, bank = settings.frame_opts, settings.mel_opts
    frame.samp_freq, frame.frame_length_ms, frame.frame_shift_ms = options.sample_rate, options.frame_ms, options.hop_ms
    frame.dither, frame.snip_edges = 0, False
    bank.num_bins, bank.low_freq, bank.high_freq = options.num_mels, options.lowest_hz, options.top_hz
    computed: Any = kaldi_native_fbank.OnlineFbank(settings)
    computed.accept_waveform(options.sample_rate, audio)
    computed.input_finished()
    if not computed.num_frames_ready:
        seconds, half = len(audio) / options.sample_rate, options.hop_ms / 2000
        raise UserError(f"lasts {seconds:g} s; must be at least {half:g} s, half of task.hop_ms={options.hop_ms:g}")
    return np.stack([computed.get_frame(index) for index in range(computed.num_frames_ready)])


def normalize(
    features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], options: FeatureOptions, corpus: Statistics
) -> Float[ArrayT, "B T D"]:
    """Normalize log-mel features and add their differences; `stack_frames` comes after it.

    Args:
        features: log-mel features; to be normalized by speaker, those of `match_corpus`.
        lengths: frames of each.
        options: how they are normalized, and which differences are added.
        corpus: statistics of the training set; unused where each utterance is normalized by itself.

    Returns:
        M * (1 + deltas) features, zeros past the lengths.
    """
    normalized: Any = _normalize_utterances(features, lengths) if options.normalize == "utterance" else features
    if options.normalize in ("corpus", "speaker"):
        normalized = (features - corpus.mean[None, None]) / corpus.deviation[None, None]
    return mask_padding(add_deltas(normalized, lengths, options.deltas), lengths)


def match_corpus(
    features: Float[np.ndarray, "T M"], speaker: Statistics, corpus: Statistics
) -> Float32[np.ndarray, "T M"]:
    """Return log-mel features with the mean and deviation of the corpus in place of their speaker's.

    So what is normalized by the corpus is normalized by speaker, and a distortion meets plausible levels.
    """
    scale = corpus.deviation / speaker.deviation
    return ((features - speaker.mean) * scale + corpus.mean).astype(np.float32)


def add_deltas(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], order: int) -> Float[ArrayT, "B T D"]:
    """Return the features and their differences up to the order, side by side: [B, T, M * (1 + order)]."""
    parts = [features]
    for _ in range(order):
        parts.append(_differences(parts[-1], lengths))
    return _numpy(features).concatenate(parts, axis=2)


def stack_frames(
    features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], count: int
) -> tuple[Float[ArrayT, "B S D"], Int[ArrayT, " B"]]:
    """Concatenate `count` frames into one step: S = ceil(T / count), D = M * count; zeros fill the last."""
    batch, steps, width = features.shape
    groups = -(-steps // count)
    new_lengths: Any = -(-lengths // count)
    padded = _numpy(features).pad(mask_padding(features, lengths), ((0, 0), (0, groups * count - steps), (0, 0)))
    return padded.reshape(batch, groups, width * count), new_lengths


def mask_padding(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"]) -> Float[ArrayT, "B T M"]:
    """Return the features with zeros past the lengths."""
    xp = _numpy(features)
    valid = xp.arange(features.shape[1])[None, :] < lengths[:, None]
    return xp.where(valid[:, :, None], features, 0)


def _normalize_utterances(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"]) -> Float[ArrayT, "B T M"]:
    """Normalize each utterance by its own mean and deviation."""
    count = lengths[:, None, None].astype(features.dtype)
    mean = mask_padding(features, lengths).sum(axis=1, keepdims=True) / count
    centered = mask_padding(features - mean, lengths)
    variance = (centered**2).sum(axis=1, keepdims=True) / count
    return centered / _numpy(features).maximum(variance, MIN_DEVIATION**2) ** 0.5


def _differences(features: Any, lengths: Any) -> Any:
    xp = _numpy(features)
    places, last = xp.arange(features.shape[1])[None, :], lengths[:, None] - 1

    def at(offset: int) -> Any:
        index = xp.minimum(xp.maximum(places + offset, 0), last)
        return xp.take_along_axis(features, index[:, :, None], axis=1)

    total = sum(n * (at(n) - at(-n)) for n in range(1, DELTA_REACH + 1))
    return total / (2 * sum(n * n for n in range(1, DELTA_REACH + 1)))


def _numpy(array: Any) -> Any:
    """Return the library of an array: `numpy` or `jax.numpy`."""
    return array.__array_namespace__()
