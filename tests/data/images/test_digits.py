"""An image of one digit is read as MNIST has them, whatever its size and its colors."""

import numpy as np
import pytest
from PIL import Image

from research.data.images.digits import read_digit
from research.data.images.strips import INK
from research.errors import UserError


def test_a_digit_like_those_of_mnist_is_taken_unchanged():
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 12:16] = 200
    read = read_digit(Image.fromarray(digit), "one.png")
    np.testing.assert_array_equal(read, digit.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("shape", [(60, 12), (10, 40), (100, 100)])
def test_a_digit_of_any_size_is_brought_to_that_of_mnist(dark, shape):
    image = np.pad(np.full(shape, 250, np.uint8), ((30, 5), (9, 70)))
    read = read_digit(Image.fromarray(255 - image if dark else image), "one.png")
    rows, columns = (np.flatnonzero((read > INK).any(axis=axis)) for axis in (1, 0))
    assert read.shape == (28, 28) and max(len(rows), len(columns)) == 20
    assert len(rows) / len(columns) == pytest.approx(shape[0] / shape[1], rel=0.1)
    assert all(abs(np.average(np.arange(28) + 0.5, weights=read.sum(axis=axis)) - 14) <= 0.5 for axis in (0, 1))


def test_a_blank_digit_is_refused():
    with pytest.raises(UserError, match="one.png: is blank"):
        read_digit(Image.new("L", (50, 50), 255), "one.png")
