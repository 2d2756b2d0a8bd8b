"""Distortions of log-mel features, drawn anew for each utterance at each update: pure functions of a key.

Before normalisation, on the log of the power (`distorted`):

    time          frames are read at other places: a new length, and a point within that is moved
    vocal tract   filters are read at other frequencies: a f below a bound, above it straight to the top
                  (Jaitly & Hinton 2013)
    channel       a gain for each filter, sum_{k=0..4} c_k cos(pi k (m + 1/2) / M): level, tilt, and three bends
    noise         log(e^x + e^n), n of a spectrum of the same form, the mean power of x so many dB above that of n

After it (`masked`): stretches of time and of frequency become the utterance's mean (SpecAugment, Park et al. 2019).

Nothing depends on what stands past an utterance's length; zeros come to stand there.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from research.config import FeatureOptions, SpeechOptions
from research.tasks.audio.fbank import within

DECIBEL = math.log(10) / 10
"""In the unit of log-mel features."""
CURVES = 5
"""Cosines that make a smooth spectrum, the level included."""
NOISE_DB = 10.0
"""Standard deviation of the spectrum of a noise."""
BOUND = 0.6
"""Share of the highest frequency up to which frequencies are multiplied by the same factor."""
RIPPLE = 0.6
"""Standard deviation of the logarithm of a filter's power in even noise: it sees about three frequencies of a frame."""

Features = Float[Array, "B T M"]
Lengths = Int[Array, " B"]


def longest(steps: int, options: SpeechOptions) -> int:
    """The frames that an utterance of so many can come to have."""
    return math.ceil(steps * (1 + options.speed))


def distorted(
    features: Features, lengths: Lengths, key: Array, options: SpeechOptions
) -> tuple[Float[Array, "B U M"], Lengths]:
    """Log-mel features at other tempos, of other voices, through other microphones, in noise; and the lengths."""
    time, voice, microphone, noise = jax.random.split(key, 4)
    if options.speed or options.time_warp:
        features, lengths = in_other_time(features, lengths, time, options)
    if options.frequency_warp:
        features = of_other_tract(features, voice, options)
    if options.channel_db:
        gain = _curves(microphone, len(features), options.mels, options.channel_db * DECIBEL)
        features = features + gain[:, None]
    if options.noise:
        features = in_noise(features, lengths, noise, options)
    return within(features, lengths), lengths


def in_other_time(
    features: Features, lengths: Lengths, key: Array, options: SpeechOptions
) -> tuple[Float[Array, "B U M"], Lengths]:
    """Frames between frames, by linear interpolation: speed and time warp at once."""
    stretch, point, move = jax.random.split(key, 3)
    count, steps, _ = features.shape
    width = longest(steps, options)
    factor = jax.random.uniform(stretch, (count,), minval=1 - options.speed, maxval=1 + options.speed)
    new = jnp.clip(jnp.round(lengths * factor).astype(jnp.int32), 1, width)
    reach = jnp.minimum(options.time_warp, new / 4)[:, None]
    end = new[:, None].astype(features.dtype)
    anchor = reach + jax.random.uniform(point, (count, 1)) * (end - 2 * reach)
    source = anchor + reach * jax.random.uniform(move, (count, 1), minval=-1)
    middle = jnp.arange(width)[None, :] + 0.5
    before = middle * source / jnp.maximum(anchor, 1e-6)
    after = source + (middle - anchor) * (end - source) / jnp.maximum(end - anchor, 1e-6)
    place = jnp.where(middle < anchor, before, after) * (lengths[:, None] / end) - 0.5
    place = jnp.clip(place, 0, lengths[:, None] - 1)
    low = jnp.floor(place).astype(jnp.int32)
    high = jnp.minimum(low + 1, lengths[:, None] - 1)
    share = (place - low)[:, :, None]
    rows = jnp.arange(count)[:, None]
    return features[rows, low] * (1 - share) + features[rows, high] * share, new


def of_other_tract(features: Features, key: Array, options: SpeechOptions) -> Features:
    """Filters between filters, by linear interpolation."""
    warp = options.frequency_warp
    factor = jax.random.uniform(key, (len(features), 1), minval=1 - warp, maxval=1 + warp)
    hertz = jnp.asarray(options.edges_hz[1:-1], features.dtype)[None, :]
    top = options.top_hz
    bound = BOUND * top * jnp.minimum(factor, 1) / factor
    slope = (top - bound * factor) / (top - bound)
    warped = jnp.where(hertz <= bound, hertz * factor, top - slope * (top - hertz))
    place = jnp.clip(_filter_at(warped, options), 0, options.mels - 1)
    weights = jnp.maximum(1 - jnp.abs(place[:, None, :] - jnp.arange(options.mels)[None, :, None]), 0)
    return jnp.einsum("btm,bmn->btn", features, weights)


def in_noise(features: Features, lengths: Lengths, key: Array, options: SpeechOptions) -> Features:
    """With noise added to the power of some of the utterances."""
    whether, ratio, spectrum, grain = jax.random.split(key, 4)
    count, _, mels = features.shape
    power = within(jnp.exp(features), lengths)
    level = jnp.log(jnp.sum(power, axis=(1, 2)) / (lengths * mels))
    least, most = options.noise_least_snr, options.noise_most_snr
    below = DECIBEL * jax.random.uniform(ratio, (count,), minval=least, maxval=most)
    curve = _curves(spectrum, count, mels, NOISE_DB * DECIBEL)
    curve = curve - jax.nn.logsumexp(curve, axis=1, keepdims=True) + math.log(mels)
    ripple = RIPPLE * jax.random.normal(grain, features.shape) - RIPPLE**2 / 2  # so that its mean power is 1
    added = (level - below)[:, None, None] + curve[:, None] + ripple
    chosen = jax.random.bernoulli(whether, options.noise, (count, 1, 1))
    return jnp.where(chosen, jnp.logaddexp(features, added), features)


def masked(
    features: Float[Array, "B T D"], lengths: Lengths, key: Array, options: SpeechOptions
) -> Float[Array, "B T D"]:
    """SpecAugment; differences are masked with the filters that they are of."""
    count, steps, width = features.shape
    hidden = jnp.zeros((count, steps, options.mels), bool)
    time, frequency = jax.random.split(key)
    if options.time_masks:
        share = jnp.floor(options.time_mask_share * lengths).astype(jnp.int32)
        most = jnp.minimum(options.time_mask_frames, share)
        stretches = _stretches(time, options.time_masks, most, lengths, steps)
        hidden |= stretches[:, :, None]
    if options.frequency_masks:
        filters = jnp.full(count, options.mels)
        most = jnp.full(count, options.frequency_mask_mels)
        hidden |= _stretches(frequency, options.frequency_masks, most, filters, options.mels)[:, None, :]
    if not options.time_masks and not options.frequency_masks:
        return features
    mean = jnp.sum(within(features, lengths), axis=1, keepdims=True) / lengths[:, None, None]
    return within(jnp.where(jnp.tile(hidden, width // options.mels), mean, features), lengths)


def _stretches(key: Array, number: int, most: Lengths, lengths: Lengths, steps: int) -> Bool[Array, "B T"]:
    """Where any of so many stretches of up to `most` of `lengths` places lies, [B, steps]."""
    size_key, start_key = jax.random.split(key)
    shape = (len(lengths), number)
    size = jax.random.randint(size_key, shape, 0, most[:, None] + 1)
    start = jax.random.randint(start_key, shape, 0, lengths[:, None] - size + 1)
    places = jnp.arange(steps)[None, None, :]
    return jnp.any((places >= start[:, :, None]) & (places < (start + size)[:, :, None]), axis=1)


def _curves(key: Array, count: int, mels: int, deviation: float) -> Float[Array, "B M"]:
    """Smooth random curves over the filters, with that standard deviation over draws and filters."""
    places = math.pi * (np.arange(mels) + 0.5) / mels
    cosines = np.cos(np.arange(CURVES)[:, None] * places)
    cosines *= deviation / math.sqrt(np.mean(np.sum(np.square(cosines), axis=0)))
    return jax.random.normal(key, (count, CURVES)) @ jnp.asarray(cosines, jnp.float32)


def _filter_at(hertz: Array, options: FeatureOptions) -> Array:
    """The number of the filter, with a fraction, that peaks at a frequency."""
    edges = [1127 * math.log1p(edge / 700) for edge in options.edges_hz[:2]]
    return (1127 * jnp.log1p(hertz / 700) - edges[1]) / (edges[1] - edges[0])
