"""Each distortion does what its option says, within the valid length, and nothing where the option is 0."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.data.audio import augment
from research.data.audio.augment import SpeechOptions

MELS = 20
PLAIN = SpeechOptions(num_mels=MELS)
LENGTHS = np.array([60, 7, 33, 1] * 50, np.int32)
DRAW = np.random.default_rng(0)


def log_mel() -> np.ndarray:
    return DRAW.normal(-5, 3, (len(LENGTHS), 60, MELS)).astype(np.float32)


@functools.cache
def compiled(function, options: SpeechOptions):
    return jax.jit(lambda x, n, key: function(x, n, key, options))


def applied(function, features, seed: int = 0, lengths=LENGTHS, **options):
    run = compiled(function, dataclasses.replace(PLAIN, **options))
    return jax.device_get(run(jnp.asarray(features), jnp.asarray(lengths), jax.random.key(seed)))


def test_nothing_is_distorted_where_nothing_is_asked_for():
    features = log_mel()
    found, lengths = applied(augment.distort, features)
    np.testing.assert_array_equal(lengths, LENGTHS)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[row, :length], features[row, :length])
    np.testing.assert_array_equal(applied(augment.mask, features), features)


ALL = {
    "speed": 0.3, "time_warp": 5, "frequency_warp": 0.2, "channel_db": 6.0, "noise": 0.7, "time_masks": 2,
    "frequency_masks": 2, "frequency_mask_mels": 5,
}  # fmt: skip


def distorted_and_masked(features, lengths, key, options):
    found, new = augment.distort(features, lengths, key, options)
    return augment.mask(found, new, key, options), new


def test_draws_are_a_function_of_the_key_and_do_not_look_past_the_length():
    features = log_mel()
    other = np.where(np.arange(60)[None, :, None] < LENGTHS[:, None, None], features, 1e3).astype(np.float32)
    found, lengths = applied(distorted_and_masked, features, **ALL)
    again, same = applied(distorted_and_masked, other, **ALL)
    np.testing.assert_array_equal(lengths, same)
    np.testing.assert_allclose(found, again, atol=1e-4)
    assert np.all(np.isfinite(found))
    for row, length in enumerate(lengths):
        assert not np.any(found[row, length:])
    different, _ = applied(distorted_and_masked, features, seed=1, **ALL)
    assert np.mean(np.abs(found - different)) > 0.1


def ramp() -> np.ndarray:
    """Each frame holds its own number."""
    return np.tile(np.arange(60, dtype=np.float32)[None, :, None], (len(LENGTHS), 1, MELS))


def test_speed_changes_lengths_evenly_within_its_range_and_reads_frames_in_between():
    found, lengths = applied(augment.warp_time, ramp(), speed=0.5)
    assert found.shape[1] == augment.max_frames(60, dataclasses.replace(PLAIN, speed=0.5)) == 90
    long = LENGTHS == 60
    assert 30 <= lengths[long].min() < 38 and 82 < lengths[long].max() <= 90
    assert np.all(lengths >= 1)
    for row in np.flatnonzero(long)[:10]:
        new = lengths[row]
        expected = np.clip((np.arange(new) + 0.5) * 60 / new - 0.5, 0, 59)
        np.testing.assert_allclose(found[row, :new, 3], expected, atol=1e-3)


def test_time_warp_keeps_the_length_and_the_order_and_moves_a_point_so_far_at_most():
    found, lengths = applied(augment.warp_time, ramp(), time_warp=6)
    np.testing.assert_array_equal(lengths, LENGTHS)
    moved = []
    for row, length in enumerate(LENGTHS):
        track = found[row, :length, 0]
        assert np.all(np.diff(track) >= -1e-4)
        assert track[0] < 1 and track[-1] > length - 2
        moved.append(np.max(np.abs(track - np.arange(length))))
    assert 4 < max(moved) <= 6.01


def test_frequency_warp_moves_peaks_by_its_share_at_most_and_both_ways():
    options = dataclasses.replace(PLAIN, frequency_warp=0.2)
    centres = np.array(options.edges_hz[1:-1])
    features = np.tile(np.log(centres)[None, None, :].astype(np.float32), (len(LENGTHS), 60, 1))
    found = np.exp(jax.device_get(augment.warp_frequency(jnp.asarray(features), jax.random.key(0), options)))
    ratio = found[:, 0] / centres
    low = centres < 0.4 * 4000
    inner = low & (np.arange(MELS) > 4)  # the lowest filters have none below to be read at
    assert np.all(np.ptp(ratio[:, inner], axis=1) < 0.04)
    assert 0.8 <= ratio[:, inner].min() + 0.02 < 0.85 and 1.15 < ratio[:, inner].max() - 0.02 <= 1.2
    assert np.all(np.diff(found[:, 0], axis=1) >= -1e-3)
    np.testing.assert_allclose(found[:, 0, -1], centres[-1], rtol=0.06)


def test_a_channel_is_one_smooth_gain_for_all_frames_of_that_deviation():
    features = log_mel()
    found, _ = applied(augment.distort, features, channel_db=8.0)
    gain = found[:, 0] - features[:, 0]
    long = LENGTHS == 60
    np.testing.assert_allclose((found - features)[long], np.tile(gain[long][:, None], (1, 60, 1)), atol=1e-4)
    assert np.std(gain) / augment.DECIBEL == pytest.approx(8, rel=0.15)
    assert np.max(np.abs(np.diff(gain, axis=1))) < 0.7 * np.max(np.abs(gain))


@pytest.mark.parametrize("ratio", [0.0, 20.0])
def test_noise_is_as_loud_as_asked_and_only_ever_adds(ratio):
    features = log_mel()
    found, _ = applied(augment.distort, features, noise=1.0, min_snr_db=ratio, max_snr_db=ratio)
    for row in np.flatnonzero(LENGTHS == 60)[:20]:
        signal, both = np.mean(np.exp(features[row])), np.mean(np.exp(found[row]))
        assert 10 * np.log10(signal / (both - signal)) == pytest.approx(ratio, abs=1.5)
    within = np.arange(60)[None, :] < LENGTHS[:, None]
    assert np.min((found - features)[within]) > -1e-4


def test_noise_is_added_to_a_share_of_the_utterances():
    features = log_mel()
    found, _ = applied(augment.distort, features, noise=0.25)
    changed = np.abs(found[:, 0] - features[:, 0]).max(axis=1) > 1e-6
    assert 0.15 < np.mean(changed) < 0.35


def masks(**options) -> np.ndarray:
    """Where features are masked, [B, T, M]; nan past the length."""
    features = log_mel()
    found = applied(augment.mask, features, **options)
    valid = np.arange(60)[None, :, None] < LENGTHS[:, None, None]
    mean = np.stack([one[:length].mean(0) for one, length in zip(features, LENGTHS, strict=True)])
    hidden = np.where(valid, (found != features).astype(float), np.nan)
    np.testing.assert_allclose(np.where(hidden == 1, found - mean[:, None], 0), 0, atol=1e-4)
    return hidden


def test_time_masks_are_no_longer_than_their_frames_and_share_and_lie_within_the_utterance():
    hidden = masks(time_masks=1, time_mask_frames=10, time_mask_fraction=0.3)
    assert np.all(np.isnan(hidden) | (hidden == hidden[:, :, :1]))
    sizes = np.nansum(hidden[:, :, 0], axis=1)
    assert np.max(sizes[LENGTHS == 60]) == 10 and np.max(sizes[LENGTHS == 33]) == 9 and np.max(sizes[LENGTHS == 7]) == 2
    assert not np.any(sizes[LENGTHS == 1])
    starts = np.argmax(hidden[LENGTHS == 60][:, :, 0], axis=1)
    assert starts.min() < 8 and starts.max() > 45
    for one in hidden[:, :, 0]:
        assert np.sum(np.abs(np.diff(np.pad(np.nan_to_num(one), 1)))) in (0, 2)  # one stretch


def test_frequency_masks_are_no_wider_than_their_filters_and_reach_all_of_them():
    hidden = masks(frequency_masks=2, frequency_mask_mels=4)
    rows = hidden[:, 0]
    sizes = rows.sum(axis=1)
    assert sizes.max() == 8 and sizes.min() == 0
    assert np.all(rows.mean(axis=0) > 0)
    assert np.all(np.isnan(hidden) | (hidden == hidden[:, :1]))


def test_differences_are_masked_with_their_filters():
    features = DRAW.normal(0, 1, (50, 10, 3 * MELS)).astype(np.float32)
    lengths = np.full(50, 10)
    found = applied(augment.mask, features, lengths=lengths, frequency_masks=1, frequency_mask_mels=6)
    hidden = (found != features).reshape(50, 10, 3, MELS)
    assert np.any(hidden)
    np.testing.assert_array_equal(hidden, np.tile(hidden[:, :, :1], (1, 1, 3, 1)))
