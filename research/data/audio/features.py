"""Features of speech: the log-mel filterbank as Kaldi defines it, normalised, with differences over time, stacked.

    frame t       frame_ms of sound around (t + 1/2) hop_ms, mirrored at both ends; T = round(duration / hop)
    x             minus its mean, then x_n - 0.97 x_{n-1}, times the window (1/2 - 1/2 cos(2 pi n / (N - 1)))^0.85
    power         |FFT|^2, padded with zeros to the next power of two
    mel_m         triangles on mel = 1127 ln(1 + Hz / 700), evenly spaced, each as wide as two spacings
    log           of the sum, at least ln(1.19e-7), which is about the noise of rounding to 16 bits; full scale is 1

    normalised    (x - mean) / deviation, for each filter
    d_t           sum_{n=1,2} n (x_{t+n} - x_{t-n}) / 10, the ends repeated; the second differences are those of these

All but the filterbank itself works on NumPy arrays as on JAX arrays, and nothing depends on what stands past a
sequence's length, so that a sound alone has the features that it has in a batch. Zeros stand there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kaldi_native_fbank
import numpy as np
from jaxtyping import Float, Float32, Int

from research.batch import ArrayT
from research.config import FeatureOptions
from research.tasks.audio.sound import Sound

LEAST_DEVIATION = 0.1
"""What a filter's deviation counts as, at least: one that hardly moves is not blown up."""
REACH = 2
"""Frames that a difference looks ahead and back."""


@dataclass(frozen=True)
class Statistics:
    """Of each filter, over all frames of some sounds."""

    mean: Float32[np.ndarray, " M"]
    deviation: Float32[np.ndarray, " M"]

    @classmethod
    def of(cls, sounds: Iterable[Float[np.ndarray, "_ M"]]) -> "Statistics":
        """Of all frames of these."""
        count, total, squares = 0, np.float64(0), np.float64(0)
        for one in sounds:
            frames = one.astype(np.float64)
            count += len(frames)
            total = total + np.sum(frames, axis=0)
            squares = squares + np.sum(np.square(frames), axis=0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - np.square(mean), LEAST_DEVIATION**2))
        return cls(np.asarray(mean, np.float32), np.asarray(deviation, np.float32))


def log_mel(sound: Sound, options: FeatureOptions) -> Float32[np.ndarray, "T M"]:
    """The filterbank of a sound of `options.rate`; at least one frame.

    Raises:
        ValueError: if the sound is shorter than half a hop.
    """
    settings = kaldi_native_fbank.FbankOptions()
    frame, bank = settings.frame_opts, settings.mel_opts
    frame.samp_freq, frame.frame_length_ms, frame.frame_shift_ms = options.rate, options.frame_ms, options.hop_ms
    frame.dither, frame.snip_edges = 0, False
    bank.num_bins, bank.low_freq, bank.high_freq = options.mels, options.lowest_hz, options.top_hz
    computed: Any = kaldi_native_fbank.OnlineFbank(settings)
    computed.accept_waveform(options.rate, sound)
    computed.input_finished()
    if not computed.num_frames_ready:
        raise ValueError(f"{len(sound)} samples make no frame")
    return np.stack([computed.get_frame(index) for index in range(computed.num_frames_ready)])


def finished(
    features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], options: FeatureOptions, corpus: Statistics
) -> Float[ArrayT, "B T D"]:
    """Log-mel features, normalised and with differences; `stacked` is what is left to do.

    Args:
        corpus: of the training set; read where it is what normalises. For normalisation by speaker, features are those
            of `as_corpus`.

    Returns:
        M * (1 + deltas) features, zeros past the lengths.
    """
    normal: Any = with_own_statistics(features, lengths) if options.normalise == "utterance" else features
    if options.normalise in ("corpus", "speaker"):
        normal = (features - corpus.mean[None, None]) / corpus.deviation[None, None]
    return within(with_deltas(normal, lengths, options.deltas), lengths)


def as_corpus(features: Float[np.ndarray, "T M"], own: Statistics, corpus: Statistics) -> Float32[np.ndarray, "T M"]:
    """Log-mel features of a speaker, with the mean and deviation of the corpus in place of its own.

    So what the corpus normalises is normalised by speaker, and a distortion meets plausible levels.
    """
    scale = corpus.deviation / own.deviation
    return ((features - own.mean) * scale + corpus.mean).astype(np.float32)


def with_own_statistics(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"]) -> Float[ArrayT, "B T M"]:
    """Each utterance by its own mean and deviation."""
    count = lengths[:, None, None].astype(features.dtype)
    valid = within(features, lengths)
    mean = valid.sum(axis=1, keepdims=True) / count
    centred = within(features - mean, lengths)
    variance = (centred**2).sum(axis=1, keepdims=True) / count
    return centred / _numpy(features).maximum(variance, LEAST_DEVIATION**2) ** 0.5


def with_deltas(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], order: int) -> Float[ArrayT, "B T D"]:
    """The features and their differences up to the order, side by side: [B, T, M * (1 + order)]."""
    parts = [features]
    for _ in range(order):
        parts.append(_differences(parts[-1], lengths))
    return _numpy(features).concatenate(parts, axis=2)


def stacked(
    features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"], count: int
) -> tuple[Float[ArrayT, "B S D"], Int[ArrayT, " B"]]:
    """So many frames side by side in one step: S = ceil(T / count), D = M * count; zeros fill the last."""
    batch, steps, width = features.shape
    groups = -(-steps // count)
    shorter: Any = -(-lengths // count)
    padded = _numpy(features).pad(within(features, lengths), ((0, 0), (0, groups * count - steps), (0, 0)))
    return padded.reshape(batch, groups, width * count), shorter


def within(features: Float[ArrayT, "B T M"], lengths: Int[ArrayT, " B"]) -> Float[ArrayT, "B T M"]:
    """The same with zeros past the lengths."""
    xp = _numpy(features)
    valid = xp.arange(features.shape[1])[None, :] < lengths[:, None]
    return xp.where(valid[:, :, None], features, 0)


def _differences(features: Any, lengths: Any) -> Any:
    xp = _numpy(features)
    places, last = xp.arange(features.shape[1])[None, :], lengths[:, None] - 1

    def at(offset: int) -> Any:
        index = xp.minimum(xp.maximum(places + offset, 0), last)
        return xp.take_along_axis(features, index[:, :, None], axis=1)

    total = sum(n * (at(n) - at(-n)) for n in range(1, REACH + 1))
    return total / (2 * sum(n * n for n in range(1, REACH + 1)))


def _numpy(array: Any) -> Any:
    """The module of functions that such an array is for: `numpy` or `jax.numpy`."""
    return array.__array_namespace__()
