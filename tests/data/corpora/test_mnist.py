import hashlib

import numpy as np
import pytest

from research.data.corpora import mnist


@pytest.fixture(scope="module")
def digits() -> dict[str, dict[str, np.ndarray]]:
    return mnist.load()


def test_the_splits_have_the_sizes_and_types_that_are_promised(digits: dict[str, dict[str, np.ndarray]]) -> None:
    for split, count in (("train", 4000), ("test", 1000)):
        images, labels = digits[split]["images"], digits[split]["labels"]
        assert (images.shape, images.dtype) == ((count, 784), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.int32)


def test_each_label_has_its_share_of_each_split(digits: dict[str, dict[str, np.ndarray]]) -> None:
    assert np.bincount(digits["train"]["labels"]).tolist() == [400] * 10
    assert np.bincount(digits["test"]["labels"]).tolist() == [100] * 10


def test_no_image_stands_in_both_splits(digits: dict[str, dict[str, np.ndarray]]) -> None:
    train, test = ({image.tobytes() for image in digits[split]["images"]} for split in ("train", "test"))
    assert not train & test


def test_images_are_digits_in_their_whole_range_and_not_shifted(digits: dict[str, dict[str, np.ndarray]]) -> None:
    images = digits["train"]["images"].reshape(-1, 28, 28)
    assert images.min() == 0 and images.max() == 255
    assert images[:, :2].mean() < 1 < 80 < images[:, 10:18, 10:18].mean()  # a margin above, ink in the middle
    zeros = images[digits["train"]["labels"] == 0].mean(0)
    ones = images[digits["train"]["labels"] == 1].mean(0)
    assert zeros[14, 14] < 30 < 200 < ones[14, 14]  # a hole in the middle of a zero, ink in that of a one


def test_the_data_are_the_same_everywhere(digits: dict[str, dict[str, np.ndarray]]) -> None:
    arrays = [digits[split][name] for split in ("train", "test") for name in ("images", "labels")]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    message = "the split or the order changed: raise Mnist5k.VERSION, then update this digest"
    assert digest[:16] == "78ab7da971b92b97", message
