"""Distorted pictures, against what each distortion is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from research.data.images.warp import WarpOptions, warp


@functools.cache
def program(options: WarpOptions):
    return jax.jit(lambda images, seed: warp(images, jax.random.key(seed), options))


def distort(images: np.ndarray, seed: int = 0, **options: float) -> np.ndarray:
    return np.asarray(program(WarpOptions(**options))(jnp.asarray(images), seed))


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Forty equal pictures: an upright bar in the middle, of two colors."""
    images = np.zeros((40, 28, 28, 2), np.float32)
    images[:, 6:22, 12:16] = (1.0, 0.5)
    return images


def centres(images: np.ndarray) -> np.ndarray:
    """Of the ink: y and x."""
    ink = images[..., 0]
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    return np.stack([(ink * place).sum((1, 2)) / ink.sum((1, 2)) for place in (y, x)], axis=1)


def test_without_options_pictures_are_as_they_are(blobs):
    np.testing.assert_array_equal(distort(blobs), blobs)


def test_pictures_move_in_all_directions_by_no_more_than_asked(blobs):
    moved = centres(distort(blobs, shift=3.0)) - centres(blobs)
    assert np.all(np.abs(moved) <= 3.001)
    assert np.all(moved.min(axis=0) < -1.5) and np.all(moved.max(axis=0) > 1.5)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.5


def test_stretched_pictures_hold_their_middle_and_so_much_more_or_less_ink(blobs):
    ink = distort(blobs, scale=0.2)[..., 0]
    height, width = ink.max(axis=2).sum(axis=1) / 16, ink.max(axis=1).sum(axis=1) / 4
    assert np.all((height > 0.79) & (height < 1.21)) and np.ptp(height) > 0.25
    assert np.all((width > 0.7) & (width < 1.35)) and np.ptp(width) > 0.2
    np.testing.assert_allclose(centres(ink[..., None]), centres(blobs), atol=0.05)


def test_leaning_pictures_hold_their_rows_and_lean_to_both_sides(blobs):
    ink = distort(blobs, shear=0.4)[..., 0]
    np.testing.assert_allclose(ink.sum(axis=2), blobs[..., 0].sum(axis=2), atol=1e-4)
    top = (ink[:, 7] * np.arange(28)).sum(axis=1) / 4 - 13.5
    assert np.all(np.abs(top) <= 0.4 * 6.5 + 1e-3) and top.min() < -1 and top.max() > 1


def test_all_colors_are_distorted_alike_and_nothing_comes_from_outside(blobs):
    found = distort(blobs, shift=3.0, scale=0.2, shear=0.4)
    np.testing.assert_allclose(found[..., 1], found[..., 0] / 2, atol=1e-6)
    edge = np.ones_like(blobs)
    assert distort(edge, shift=5.0)[:, 0].min() == 0 and distort(edge, shift=5.0).max() <= 1 + 1e-6


def test_the_same_key_is_the_same_distortion(blobs):
    options = {"shift": 3.0, "scale": 0.2, "shear": 0.4}
    np.testing.assert_array_equal(distort(blobs, 1, **options), distort(blobs, 1, **options))
    assert np.any(distort(blobs, 1, **options) != distort(blobs, 2, **options))


def test_a_place_between_pixels_is_read_by_bilinear_interpolation():
    rng = np.random.default_rng(0)
    image = rng.random((1, 9, 9, 1)).astype(np.float32)
    found = distort(image, shift=1.5)
    best = min(
        np.abs(scipy.ndimage.shift(image[0, ..., 0], (dy, dx), order=1) - found[0, ..., 0])[2:7, 2:7].max()
        for dy in np.linspace(-1.5, 1.5, 61)
        for dx in np.linspace(-1.5, 1.5, 61)
    )
    assert best < 0.06  # within the grid's step of 0.05
