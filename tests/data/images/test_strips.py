"""Digits side by side, and pictures of digits that a user gives."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from research.data.images import strips
from research.errors import UserError


def test_a_strip_is_its_digits_with_blank_columns_between():
    rng = np.random.default_rng(0)
    digits, gaps = rng.random((4, 3, 28, 28)).astype(np.float32), rng.integers(0, 9, (4, 4))
    found = strips.place_digits(digits, gaps, 130, np)
    for strip, own, gap in zip(found, digits, gaps, strict=True):
        parts = [part for k in range(3) for part in (np.zeros((28, gap[k])), own[k])]
        whole = np.concatenate(parts, axis=1)
        np.testing.assert_array_equal(strip, np.pad(whole, ((0, 0), (0, 130 - whole.shape[1]))).T)
    np.testing.assert_array_equal(strips.place_digits(jnp.asarray(digits), jnp.asarray(gaps), 130, jnp), found)


@pytest.fixture
def bars() -> np.ndarray:
    """White on black: two bars of 20 rows, far apart."""
    image = np.zeros((28, 120), np.uint8)
    image[4:24, 20:26] = 255
    image[4:24, 90:99] = 255
    return image


def read(image: np.ndarray | Image.Image, gap: int = 4) -> np.ndarray:
    given = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return strips.read_strip(given.convert("RGB"), "one.png", gap)


def test_a_picture_like_those_of_training_is_taken_as_it_is(bars):
    np.testing.assert_array_equal(read(bars), bars.T.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("factor", [1, 3, 10])
@pytest.mark.parametrize("dark", [True, False])
def test_ink_of_any_color_and_size_is_brought_to_that_of_training(bars, factor, dark):
    image = Image.fromarray(np.pad(bars, 7))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    found = read(ImageOps.invert(image) if dark else image)
    inked = found > strips.INK
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert np.flatnonzero(inked.any(axis=0)).tolist() == list(range(4, 24))
    # Each bar, of 6 columns and of 9, stands amid 28, with 4 between, however far apart they were.
    ink = np.flatnonzero(inked.any(axis=1)).tolist()
    assert ink == [*range(4 + 11, 4 + 17), *range(36 + 9, 36 + 18)] and len(found) == 4 + 28 + 4 + 28 + 4


@pytest.mark.parametrize("blank", [1, 9, 40])
def test_digits_that_do_not_touch_are_read_alike_however_far_apart(bars, blank):
    image = np.concatenate([bars[:, :26], np.zeros((28, blank), np.uint8), bars[:, 90:]], axis=1)
    np.testing.assert_array_equal(read(np.pad(image, 7)), read(np.pad(bars, 7)))


def test_faint_ink_is_made_as_strong_as_that_of_training(bars):
    assert read(255 - (bars * 0.4).astype(np.uint8)).max() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("paper", "ink"), [(120, 10), (80, 0), (200, 90), (140, 250), (90, 200), (0, 80)])
def test_ink_is_what_differs_from_the_paper_whatever_the_grays_of_both(bars, paper, ink):
    image = np.pad(bars, 7).astype(float) / 255 * (ink - paper) + paper
    image += np.random.default_rng(0).normal(0, 1, image.shape)
    image[3:-3, 3:-3] += 0.14 * (paper - ink)  # the light is uneven
    image[16:18, 60:62] = paper + 0.4 * (paper - ink)  # a blot on the other side of the paper's gray
    found = read(np.clip(image, 0, 255).astype(np.uint8))
    np.testing.assert_allclose(found, read(np.pad(bars, 7)), atol=0.1)


@pytest.mark.parametrize(("paper", "frame"), [(255, 0), (200, 20), (0, 255)])
@pytest.mark.parametrize("width", [1, 3])
def test_a_frame_is_no_paper(bars, paper, frame, width):
    image = np.pad(bars, 7).astype(float) / 255 * ((255 if paper == 0 else 0) - paper) + paper
    framed = np.pad(image, width, constant_values=frame).astype(np.uint8)
    np.testing.assert_allclose(read(framed), read(image.astype(np.uint8)), atol=0.01)


@pytest.mark.parametrize("corner", [0, 7])
def test_bold_ink_with_a_narrow_margin_is_no_paper(corner):
    ink = np.full((40, 30), 255, np.uint8)
    for rows in (slice(corner), slice(40 - corner, None)):
        ink[rows, :corner] = ink[rows, 30 - corner :] = 0
    ink[18:22, 12:18] = 0 if corner else 255
    image = np.pad(ink, 3)
    np.testing.assert_allclose(read(255 - image), read(image), atol=0.02)
    assert read(255 - image).mean() > 0.15  # of which the digit is a half


@pytest.mark.parametrize("paper", [0, 100, 250])
def test_a_low_contrast_is_named(bars, paper):
    ink = (bars > 0) * np.uint8(50)
    with pytest.raises(UserError, match=r"^one\.png: has a contrast of 50 of 255; must be more than 64$"):
        read(paper - ink if paper > 50 else paper + ink)


@pytest.mark.parametrize("color", [0, 128, 255])
def test_a_blank_picture_is_refused(color):
    with pytest.raises(UserError, match=r"^one\.png: is blank; must be an image of digits$"):
        read(np.full((28, 50), color, np.uint8))
