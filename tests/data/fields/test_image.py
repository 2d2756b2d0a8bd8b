"""Images as an input: what is read, and how training images are changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.data.fields.image import ImageInput

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_its_bytes_and_its_pixels_are_one_image(channels, tmp_path):
    options = ImageInput(size=16, patch=4, channels=channels)
    path = tmp_path / "one.png"
    Image.fromarray(PIXELS).save(path)
    first, *others = map(options.load, (str(path), path.read_bytes(), PIXELS))
    assert first.shape == (16, 16, channels) and np.all(first[:2] == 255) and np.all(first[-2:] == 255)
    expected = PIXELS if channels == 3 else np.asarray(Image.fromarray(PIXELS).convert("L"))[..., None]
    np.testing.assert_array_equal(first[2:-2], expected)
    for image in others:
        np.testing.assert_array_equal(image, first)
    field = options.fit([])
    assert options.shape(field, 16) == (channels * 16, 16) and field.encode(first).shape == (16, channels * 16)
    assert np.all(field.encode(first)[0, : channels * 8] == 0)  # two rows of white


def augmented(options: ImageInput, pixels: np.ndarray, count: int) -> np.ndarray:
    """An image as a model reads it in so many examples of training, ink being 1."""
    field = options.image
    stored = jnp.asarray(np.repeat(options.stored(field, pixels)[None], count, axis=0))
    steps, _ = jax.jit(lambda x: options.augment(field, x, jnp.full(count, 16), jax.random.key(0)))(stored)
    return field.unscan(np.asarray(steps))


def test_half_of_the_training_images_are_mirrored():
    options = ImageInput(size=16, patch=4, mirror=True)
    pixels = options.load(PIXELS)
    ink = 1 - pixels / np.float32(255)
    images = augmented(options, pixels, 200)
    mirrored = np.array([np.allclose(image, ink[:, ::-1], atol=1e-6) for image in images])
    assert 70 < mirrored.sum() < 130
    np.testing.assert_allclose(images[~mirrored], np.broadcast_to(ink, (200 - mirrored.sum(), 16, 16, 3)), atol=1e-6)


def test_distorted_images_have_white_around_them():
    images = augmented(ImageInput(size=16, patch=4, shift=3.0), np.zeros((16, 16, 3), np.uint8), 50)
    assert images[:, 0].min() == 0 and images[:, 8, 8].min() == pytest.approx(1)
