import hashlib

import numpy as np
import pytest

from research.data.corpora import mnist


@pytest.fixture(scope="module")
def digits() -> dict[str, dict[str, np.ndarray]]:
    return mnist.load()


def test_the_splits_have_the_sizes_and_types_that_are_promised(digits: dict[str, dict[str, np.ndarray]]) -> None:
    for split, count in (("train", 3500), ("validation", 500), ("test", 1000)):
        images, labels = digits[split]["images"], digits[split]["labels"]
        assert (images.shape, images.dtype) == ((count, 784), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.int32)


def test_each_label_has_its_share_of_each_split(digits: dict[str, dict[str, np.ndarray]]) -> None:
    assert np.bincount(digits["train"]["labels"]).tolist() == [350] * 10
    assert np.bincount(digits["validation"]["labels"]).tolist() == [50] * 10
    assert np.bincount(digits["test"]["labels"]).tolist() == [100] * 10


def test_no_image_is_in_two_splits(digits: dict[str, dict[str, np.ndarray]]) -> None:
    images = [image.tobytes() for split in digits.values() for image in split["images"]]
    assert len(set(images)) == len(images) == 5000


def test_test_digits_are_every_fifth_and_validation_digits_every_eighth_of_the_others() -> None:
    splits = [mnist.split_of(place) for place in range(500)]
    assert [place for place in range(40) if splits[place] == "test"] == list(range(4, 40, 5))
    others = [split for split in splits if split != "test"]
    assert [place for place in range(40) if others[place] == "validation"] == list(range(7, 40, 8))
    assert [splits.count(split) for split in ("train", "validation", "test")] == [350, 50, 100]


def test_images_are_digits_in_their_whole_range_and_not_shifted(digits: dict[str, dict[str, np.ndarray]]) -> None:
    images = digits["train"]["images"].reshape(-1, 28, 28)
    assert images.min() == 0 and images.max() == 255
    assert images[:, :2].mean() < 1 < 80 < images[:, 10:18, 10:18].mean()  # a margin above, ink in the middle
    zeros = images[digits["train"]["labels"] == 0].mean(0)
    ones = images[digits["train"]["labels"] == 1].mean(0)
    assert zeros[14, 14] < 30 < 200 < ones[14, 14]  # a hole in the middle of a zero, ink in that of a one


def test_the_data_are_the_same_everywhere(digits: dict[str, dict[str, np.ndarray]]) -> None:
    def digest(*splits: str) -> str:
        arrays = [digits[split][name] for split in splits for name in ("images", "labels")]
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]

    message = "the split or the order changed: raise the version of Mnist5k, then update this digest"
    assert digest("train", "validation") == "457cbb23d5862734", message
    assert digest("test") == "2bc696862b6463b2", message
