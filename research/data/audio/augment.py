"""Random distortions of log-mel features, new for each utterance at each update: pure functions of a key.

Before normalization, on the log of the power (`distort`):

    time          frames are read at other places: a new length, and a point within that is moved
    vocal tract   filters are read at other frequencies: a f below a bound, above it straight to the top
                  (Jaitly & Hinton 2013)
    channel       a gain for each filter, sum_{k=0..4} c_k cos(pi k (m + 1/2) / M): level, tilt, and three bends
    noise         log(e^x + e^n), n of a spectrum of the same form, the mean power of x so many dB above that of n

After it (`mask`): spans of time and of frequency become the utterance's mean (SpecAugment, Park et al. 2019).

Values past an utterance's length have no influence; the results are zero there.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from research.data.audio.features import MEL_FACTOR, MEL_HZ, FeatureOptions, mask_padding
from research.options import require, require_between, require_default

DECIBEL = math.log(10) / 10
"""A decibel in the unit of log-mel features."""
CURVES = 5
"""Number of cosines that make a smooth spectrum, the level included."""
NOISE_DB = 10.0
"""Standard deviation of the spectrum of a noise."""
BOUND = 0.6
"""Fraction of the highest frequency up to which frequencies are multiplied by the same factor."""
RIPPLE = 0.6
"""Standard deviation of the logarithm of a filter's power in even noise: it sums about three frequencies of a frame."""
USED_WITH = {
    "time_mask_frames": "time_masks",
    "time_mask_fraction": "time_masks",
    "frequency_mask_mels": "frequency_masks",
    "min_snr_db": "noise",
    "max_snr_db": "noise",
}
"""Options that are used only where another is not 0."""

Features = Float[Array, "B T M"]
Lengths = Int[Array, " B"]


@dataclass(frozen=True)
class SpeechOptions(FeatureOptions):
    """Features, and how they are distorted at each update: other tempos, voices, microphones, noises, and masks."""

    speed: float = 0.0
    """Utterances last longer or shorter by up to this fraction."""
    time_warp: int = 0
    """Most frames by which a point within the utterance moves (Park et al. 2019)."""
    frequency_warp: float = 0.0
    """Frequencies are stretched or compressed by up to this fraction, as by another vocal tract (Jaitly & Hinton
    2013)."""
    channel_db: float = 0.0
    """Standard deviation of the gain of a filter: a smooth curve over frequency, and a level."""
    noise: float = 0.0
    """Fraction of the utterances that noise of a random smooth spectrum is added to."""
    min_snr_db: float = 5.0
    """noise: the lowest ratio of signal to noise, in dB."""
    max_snr_db: float = 30.0
    """noise: the highest ratio of signal to noise, in dB."""
    time_masks: int = 0
    """Spans of time that are masked (SpecAugment: Park et al. 2019)."""
    time_mask_frames: int = 20
    """time_masks: the longest span, in frames."""
    time_mask_fraction: float = 0.2
    """time_masks: the longest span, as a fraction of the utterance."""
    frequency_masks: int = 0
    """Spans of frequency that are masked (SpecAugment)."""
    frequency_mask_mels: int = 8
    """frequency_masks: the widest span, in filters."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges = {
            "speed": (0, 0.5), "time_warp": (0, 1000), "frequency_warp": (0, 0.5), "channel_db": (0, 40),
            "noise": (0, 1), "min_snr_db": (-20, 60), "max_snr_db": (-20, 60), "time_masks": (0, 20),
            "time_mask_frames": (1, 1000), "time_mask_fraction": (0.01, 1), "frequency_masks": (0, 20),
            "frequency_mask_mels": (1, self.num_mels),
        }  # fmt: skip
        used = {name for name in ranges if getattr(self, USED_WITH.get(name, name))}
        require_between(self, self.section, **{name: ends for name, ends in ranges.items() if name in used})
        for name, other in USED_WITH.items():
            require_default(self, self.section, name, getattr(self, other) > 0, f"{self.section}.{other}=0")
        low, high = self.min_snr_db, self.max_snr_db
        require(low <= high, f"{self.section}.min_snr_db", low, f"at most {self.section}.max_snr_db={high:g}")


def max_frames(frames: int, options: SpeechOptions) -> int:
    """Return the most frames that an utterance of `frames` frames can have after distortion."""
    return math.ceil(frames * (1 + options.speed))


def distort(
    features: Features, lengths: Lengths, key: Array, options: SpeechOptions
) -> tuple[Float[Array, "B U M"], Lengths]:
    """Return log-mel features at other tempos, of other voices, through other microphones, in noise; and lengths."""
    time, voice, microphone, noise = jax.random.split(key, 4)
    if options.speed or options.time_warp:
        features, lengths = warp_time(features, lengths, time, options)
    if options.frequency_warp:
        features = warp_frequency(features, voice, options)
    if options.channel_db:
        gain = _curves(microphone, len(features), options.num_mels, options.channel_db * DECIBEL)
        features = features + gain[:, None]
    if options.noise:
        features = add_noise(features, lengths, noise, options)
    return mask_padding(features, lengths), lengths


def warp_time(
    features: Features, lengths: Lengths, key: Array, options: SpeechOptions
) -> tuple[Float[Array, "B U M"], Lengths]:
    """Interpolate between frames linearly: speed and time warp at once."""
    stretch, point, move = jax.random.split(key, 3)
    count, steps, _ = features.shape
    width = max_frames(steps, options)
    factor = jax.random.uniform(stretch, (count,), minval=1 - options.speed, maxval=1 + options.speed)
    new_lengths = jnp.clip(jnp.round(lengths * factor).astype(jnp.int32), 1, width)
    reach = jnp.minimum(options.time_warp, new_lengths / 4)[:, None]
    end = new_lengths[:, None].astype(features.dtype)
    anchor = reach + jax.random.uniform(point, (count, 1)) * (end - 2 * reach)
    source = anchor + reach * jax.random.uniform(move, (count, 1), minval=-1)
    middle = jnp.arange(width)[None, :] + 0.5
    before = middle * source / jnp.maximum(anchor, 1e-6)
    after = source + (middle - anchor) * (end - source) / jnp.maximum(end - anchor, 1e-6)
    place = jnp.where(middle < anchor, before, after) * (lengths[:, None] / end) - 0.5
    place = jnp.clip(place, 0, lengths[:, None] - 1)
    low = jnp.floor(place).astype(jnp.int32)
    high = jnp.minimum(low + 1, lengths[:, None] - 1)
    weight = (place - low)[:, :, None]
    rows = jnp.arange(count)[:, None]
    return features[rows, low] * (1 - weight) + features[rows, high] * weight, new_lengths


def warp_frequency(features: Features, key: Array, options: SpeechOptions) -> Features:
    """Interpolate between filters linearly, as of another vocal tract."""
    warp = options.frequency_warp
    factor = jax.random.uniform(key, (len(features), 1), minval=1 - warp, maxval=1 + warp)
    hertz = jnp.asarray(options.edges_hz[1:-1], features.dtype)[None, :]
    top = options.top_hz
    bound = BOUND * top * jnp.minimum(factor, 1) / factor
    slope = (top - bound * factor) / (top - bound)
    warped = jnp.where(hertz <= bound, hertz * factor, top - slope * (top - hertz))
    first, second = (MEL_FACTOR * math.log1p(edge / MEL_HZ) for edge in options.edges_hz[:2])
    place = (MEL_FACTOR * jnp.log1p(warped / MEL_HZ) - second) / (second - first)
    place = jnp.clip(place, 0, options.num_mels - 1)  # of the filter that peaks there
    weights = jnp.maximum(1 - jnp.abs(place[:, None, :] - jnp.arange(options.num_mels)[None, :, None]), 0)
    return jnp.einsum("btm,bmn->btn", features, weights)


def add_noise(features: Features, lengths: Lengths, key: Array, options: SpeechOptions) -> Features:
    """Add noise to the power of some of the utterances."""
    whether, ratio, spectrum, grain = jax.random.split(key, 4)
    count, _, mels = features.shape
    power = mask_padding(jnp.exp(features), lengths)
    level = jnp.log(jnp.sum(power, axis=(1, 2)) / (lengths * mels))
    below = DECIBEL * jax.random.uniform(ratio, (count,), minval=options.min_snr_db, maxval=options.max_snr_db)
    curve = _curves(spectrum, count, mels, NOISE_DB * DECIBEL)
    curve = curve - jax.nn.logsumexp(curve, axis=1, keepdims=True) + math.log(mels)
    ripple = RIPPLE * jax.random.normal(grain, features.shape) - RIPPLE**2 / 2  # so that its mean power is 1
    added = (level - below)[:, None, None] + curve[:, None] + ripple
    noisy = jax.random.bernoulli(whether, options.noise, (count, 1, 1))
    return jnp.where(noisy, jnp.logaddexp(features, added), features)


def mask(
    features: Float[Array, "B T D"], lengths: Lengths, key: Array, options: SpeechOptions
) -> Float[Array, "B T D"]:
    """Apply SpecAugment; differences are masked with the filters that they are of."""
    if not options.time_masks and not options.frequency_masks:
        return features
    count, steps, width = features.shape
    masked = jnp.zeros((count, steps, options.num_mels), bool)
    time, frequency = jax.random.split(key)
    if options.time_masks:
        longest = jnp.floor(options.time_mask_fraction * lengths).astype(jnp.int32)
        longest = jnp.minimum(options.time_mask_frames, longest)
        masked |= _spans(time, options.time_masks, longest, lengths, steps)[:, :, None]
    if options.frequency_masks:
        filters = jnp.full(count, options.num_mels)
        widest = jnp.full(count, options.frequency_mask_mels)
        masked |= _spans(frequency, options.frequency_masks, widest, filters, options.num_mels)[:, None, :]
    mean = jnp.sum(mask_padding(features, lengths), axis=1, keepdims=True) / lengths[:, None, None]
    return mask_padding(jnp.where(jnp.tile(masked, width // options.num_mels), mean, features), lengths)


def _spans(key: Array, number: int, longest: Lengths, lengths: Lengths, steps: int) -> Bool[Array, "B T"]:
    """Return a mask of `number` random spans, each at most `longest` long, within `lengths`."""
    size_key, start_key = jax.random.split(key)
    shape = (len(lengths), number)
    size = jax.random.randint(size_key, shape, 0, longest[:, None] + 1)
    start = jax.random.randint(start_key, shape, 0, lengths[:, None] - size + 1)
    places = jnp.arange(steps)[None, None, :]
    return jnp.any((places >= start[:, :, None]) & (places < (start + size)[:, :, None]), axis=1)


def _curves(key: Array, count: int, mels: int, deviation: float) -> Float[Array, "B M"]:
    """Return smooth random curves over the filters, with that standard deviation over draws and filters."""
    places = math.pi * (np.arange(mels) + 0.5) / mels
    cosines = np.cos(np.arange(CURVES)[:, None] * places)
    cosines *= deviation / math.sqrt(np.mean(np.sum(np.square(cosines), axis=0)))
    return jax.random.normal(key, (count, CURVES)) @ jnp.asarray(cosines, jnp.float32)
