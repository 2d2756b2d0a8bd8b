"""Images as sequences of rows, columns and patches."""

import numpy as np
import pytest

from research.data.images.patches import ImageField


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("scan_order", "patch"), [("rows", 8), ("columns", 8), ("patches", 4), ("patches", 16)])
def test_images_come_back_from_their_steps(scan_order, patch, channels):
    pixels = np.random.default_rng(0).random((5, 16, 16, channels))
    field = ImageField(16, scan_order, patch, channels)
    np.testing.assert_array_equal(field.unscan(field.scan(pixels)), pixels)


def test_a_step_is_a_row_a_column_or_a_patch():
    pixels = np.random.default_rng(0).random((2, 16, 16, 3))
    rows, columns, patches = (ImageField(16, kind, 4).scan(pixels) for kind in ("rows", "columns", "patches"))
    np.testing.assert_array_equal(rows[1, 3], pixels[1, 3].ravel())
    np.testing.assert_array_equal(columns[1, 3], pixels[1, :, 3].ravel())
    np.testing.assert_array_equal(patches[1, 6], pixels[1, 4:8, 8:12].ravel())  # second row of patches, the third
    assert patches.shape == (2, 16, 48)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_patches_of_an_alignment_are_side_by_side(channels):
    image = np.full((16, 16, channels), 255, np.uint8)
    image[:4, 4:8] = 0  # the second of 16 patches
    picture = ImageField(16, "patches", 4, channels).axis(image).picture
    assert picture is not None and picture.shape == (4, 64)
    assert picture[:, 4:8].max() == 0 and picture[:, :4].min() == 1 == picture[:, 8:].min()
