"""The filterbank beside its definition in float64; what follows it, beside loops over one utterance.

Beside another library's, transformers.audio_utils 5.24.0 with mel_scale="kaldi" and the window "povey", which is too
large to be a requirement of tests, it differs by at most 7e-5 in the settings below.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from research.data.audio import features as module
from research.data.audio.features import FeatureOptions, Statistics
from research.errors import UserError

DRAW = np.random.default_rng(0)


def reference(sound: np.ndarray, options: FeatureOptions) -> np.ndarray:
    """The definition, frame by frame, in float64."""
    sound = sound.astype(np.float64)
    size, hop = int(options.sample_rate * options.frame_ms / 1000), int(options.sample_rate * options.hop_ms / 1000)
    bins = 1 << (size - 1).bit_length()
    n = np.arange(size)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * n / (size - 1))) ** 0.85
    top = options.highest_hz or options.sample_rate / 2
    low, high = (1127 * np.log1p(edge / 700) for edge in (options.lowest_hz, top))
    edges = np.linspace(low, high, options.num_mels + 2)[:, None]
    mels = 1127 * np.log1p(np.arange(bins // 2) * options.sample_rate / bins / 700)[None, :]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    mirrored = np.concatenate([sound[::-1], sound, sound[::-1]])
    frames = []
    for t in range((len(sound) + hop // 2) // hop):
        frame = mirrored[len(sound) + t * hop + hop // 2 - size // 2 + n]
        frame = frame - np.mean(frame)
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, bins)[: bins // 2]) ** 2
        frames.append(np.log(np.maximum(filters @ power, 2.0**-23)))
    return np.array(frames)


@pytest.mark.parametrize(
    "options",
    [
        FeatureOptions(),
        FeatureOptions(sample_rate=16000, num_mels=80),
        FeatureOptions(num_mels=23, frame_ms=32.0, hop_ms=12.5, lowest_hz=60.0, highest_hz=3800.0),
    ],
)
def test_the_filterbank_is_what_its_definition_says(options):
    sound = DRAW.normal(0, 0.1, 5432).astype(np.float32) * np.linspace(0, 1, 5432, dtype=np.float32)
    found = module.log_mel_filterbank(sound, options)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(sound, options), atol=2e-3)


def test_a_tone_lies_in_the_filter_of_its_frequency_and_silence_at_the_floor():
    options = FeatureOptions()
    tone = np.sin(2 * np.pi * options.edges_hz[21] * np.arange(8000) / 8000).astype(np.float32)
    assert set(np.argmax(module.log_mel_filterbank(tone, options), axis=1)[1:-1]) == {20}
    np.testing.assert_allclose(
        module.log_mel_filterbank(np.zeros(8000, np.float32), options), np.log(2.0**-23), atol=1e-4
    )


def test_what_is_too_short_for_a_frame_is_an_error():
    with pytest.raises(UserError, match=r"^lasts 0.004875 s; must be at least 0.005 s, half of task.hop_ms=10$"):
        module.log_mel_filterbank(np.ones(39, np.float32), FeatureOptions())


def batch(mels: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Utterances of several lengths, with noise where there should be nothing."""
    return DRAW.normal(3, 2, (4, 9, mels)).astype(np.float32), np.array([9, 1, 4, 6])


def test_each_utterance_has_mean_0_and_deviation_1_of_its_own():
    features, lengths = batch()
    found = module._normalize_utterances(features, lengths)
    for one, own, length in zip(found, features, lengths, strict=True):
        expected = (own[:length] - own[:length].mean(0)) / np.maximum(own[:length].std(0), module.MIN_DEVIATION)
        np.testing.assert_allclose(one[:length], expected, atol=1e-5)


def test_statistics_are_those_of_all_frames_together():
    one, other = DRAW.normal(-10, 3, (50, 4)), DRAW.normal(2, 1, (20, 4))
    found = Statistics.of([one, other])
    both = np.concatenate([one, other])
    np.testing.assert_allclose(found.mean, both.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, both.std(0), rtol=1e-5)
    assert Statistics.of([np.ones((3, 2))]).deviation.tolist() == pytest.approx([module.MIN_DEVIATION] * 2)


def test_what_a_speaker_becomes_is_normalized_by_the_corpus_as_by_his_own_statistics():
    own = Statistics.of([DRAW.normal(-10, 3, (50, 4))])
    corpus = Statistics.of([DRAW.normal(2, 1, (20, 4))])
    log_mel = DRAW.normal(0, 1, (6, 4))
    options = FeatureOptions(normalize="speaker", num_mels=4)
    found = module.normalize(module.match_corpus(log_mel, own, corpus)[None], np.array([6]), options, corpus)
    np.testing.assert_allclose(found[0], (log_mel - own.mean) / own.deviation, rtol=1e-4, atol=1e-4)


def test_differences_are_slopes_that_repeat_the_ends():
    features, lengths = batch(2)
    found = module.add_deltas(features, lengths, 2)
    assert found.shape == (4, 9, 6)
    for row, length in enumerate(lengths):
        for level in (1, 2):
            below = found[row, :length, 2 * level - 2 : 2 * level]
            padded = np.pad(below, ((2, 2), (0, 0)), mode="edge")
            for t in range(length):
                slope = (padded[t + 3] - padded[t + 1] + 2 * (padded[t + 4] - padded[t])) / 10
                np.testing.assert_allclose(found[row, t, 2 * level : 2 * level + 2], slope, atol=1e-5)


def test_stacking_sets_frames_side_by_side_and_fills_the_last_with_zeros():
    features, lengths = batch(2)
    found, shorter = module.stack_frames(features, lengths, 4)
    assert found.shape == (4, 3, 8) and shorter.tolist() == [3, 1, 1, 2]
    np.testing.assert_array_equal(found[0, 1], features[0, 4:8].ravel())
    np.testing.assert_array_equal(found[0, 2], [*features[0, 8], *[0] * 6])
    np.testing.assert_array_equal(found[3, 1], [*features[3, 4], *features[3, 5], *[0] * 4])
    assert not np.any(found[1, 1:])


@pytest.mark.parametrize("normalize", ["none", "corpus", "utterance"])
def test_features_do_not_depend_on_padding_and_are_the_same_on_the_device(normalize):
    features, lengths = batch()
    options = FeatureOptions(num_mels=5, normalize=normalize, deltas=2)
    corpus = Statistics.of([features[0]])
    whole = module.normalize(features, lengths, options, corpus)
    device = module.normalize(jnp.asarray(features), jnp.asarray(lengths), options, corpus)
    np.testing.assert_allclose(device, whole, atol=1e-5)
    for row, length in enumerate(lengths):
        alone = module.normalize(features[row : row + 1, :length], lengths[row : row + 1], options, corpus)
        np.testing.assert_allclose(whole[row, :length], alone[0], atol=1e-5)
        assert not np.any(whole[row, length:])
