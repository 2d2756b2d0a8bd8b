"""What all corpora share: each is prepared once for a machine, as array_record files that TFDS writes.

The records lie in the TFDS data folder (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`), under the corpus's name and
version. Whoever changes what a corpus writes raises its `version`.
"""

import abc
import contextlib
import hashlib
import io
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from research.data.corpora.fetch import data_folder, lock, writing
from research.data.corpora.source import Arrays, Source, cached, counts
from research.terminal import STDERR

Example = Mapping[str, Any]
Examples = Iterable[tuple[str, str, Example]]
"""Split, key and features of each example; the key tells an example from all others of the split."""
Feature = str | tuple[type[np.generic], tuple[int | None, ...]]
"""Type of a feature: "text", "texts" (a list), or dtype and shape."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Corpus(abc.ABC):
    """A data set that is fetched and prepared by name."""

    name: str
    summary: str
    license: str
    megabytes: int
    """Size of what is fetched."""
    source: str
    """Packages and versions, or addresses."""
    citation: str
    """Whom to cite: the paper, or who recorded or wrote what."""
    configs: tuple[str, ...] = ()
    """Variants, the default first: of TFDS prepared separately, of a package other views of the same records."""

    @abc.abstractmethod
    def prepare(self, config: str | None = None) -> Path:
        """Return the folder of the records; fetch and prepare them if need be. Other processes wait meanwhile.

        Raises:
            UserError: if an archive cannot be fetched or the data folder cannot be written.
        """

    @abc.abstractmethod
    def prepared(self) -> list[Path]:
        """Return the folders that are prepared."""

    def write_once(self, folder: Path, write: Callable[[], None]) -> Path:
        """Return a folder, which `write` makes if there is none; of several processes one calls it."""
        if not folder.exists():
            with writing(data_folder()), lock(data_folder() / f".{self.name}.lock"):
                if not folder.exists():
                    for killed in folder.parent.glob(f"incomplete.*_{folder.name}"):  # as TFDS names what it writes
                        shutil.rmtree(killed, ignore_errors=True)
                    write()
        return folder


@dataclass(frozen=True, kw_only=True)
class PackageCorpus(Corpus):
    """A corpus that is made from Python or Debian packages, and fits in memory."""

    version: str = "1.0.0"
    FEATURES: ClassVar[Mapping[str, Feature]]

    @abc.abstractmethod
    def examples(self) -> Examples:
        """Fetch the packages and yield all examples."""

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return data_folder() / self.name / self.version

    def prepare(self, config: str | None = None) -> Path:
        return self.write_once(self.folder, self._write)

    def prepared(self) -> list[Path]:
        return [self.folder] if self.folder.exists() else []

    def columns(self, split: str) -> dict[str, Any]:
        """Return each feature of all examples of a split, in the order on disk, which is the same everywhere.

        Decoding 100,000 records takes 10 seconds, reading the columns' copy next to the records one. Whoever changes
        what is written raises `version`.

        Returns:
            Texts as a list, arrays of differing length as a list, other arrays stacked.

        Raises:
            UserError: as `prepare`, or if the files are damaged.
        """
        folder = self.prepare()
        arrays = cached(folder / f"columns-{split}.npz", lambda: _pack(list(Source(str(folder), split)), self.FEATURES))
        return {name: _column(arrays, name, kind) for name, kind in self.FEATURES.items()}

    def tables(self, config: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the columns of each split, in the view of a config; raises as `columns` does."""
        return {split: self.columns(split) for split in counts(self.prepare())}

    def _write(self) -> None:
        import tensorflow_datasets as tfds

        with STDERR.status(f"{self.name}: preparing"), contextlib.redirect_stdout(io.StringIO()):
            splits: dict[str, dict[str, Example]] = {}
            for split, key, example in self.examples():
                splits.setdefault(split, {})[key] = example
            splits = {split: splits[split] for split in sorted(splits, key=(*SPLITS, *splits).index)}
            tfds.disable_progress_bar()
            try:
                _builder(self, splits).download_and_prepare(file_format="array_record")
            finally:
                tfds.enable_progress_bar()


def _pack(rows: Sequence[Example], features: Mapping[str, Feature]) -> Arrays:
    """Return the features of all rows: texts one after the other, each closed by a zero; arrays, end to end."""
    arrays = {}
    for name, kind in features.items():
        values = [row[name] for row in rows]
        if isinstance(kind, str):
            texts = values if kind == "text" else map(b"\n".join, values)
            arrays[name] = np.frombuffer(b"".join(text + b"\0" for text in texts), np.uint8)
            continue
        dtype, shape = kind
        if None in shape:
            arrays[f"{name}_lengths"] = np.array([len(value) for value in values], np.int64)
            arrays[name] = np.concatenate([np.zeros(0, dtype), *values])
        else:
            arrays[name] = np.array(values, dtype).reshape(-1, *shape)
    return arrays


def _column(arrays: Arrays, name: str, kind: Feature) -> Any:
    """Return the feature that `_pack` has packed."""
    if isinstance(kind, str):
        texts = arrays[name].tobytes().decode().split("\0")[:-1]
        return texts if kind == "text" else [text.split("\n") for text in texts]
    if None in kind[1]:
        ends = np.cumsum(arrays[f"{name}_lengths"])
        return np.split(arrays[name], ends)[: len(ends)]
    return arrays[name]


def take(columns: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Return some rows of columns."""
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def hash_fraction(key: str) -> float:
    """Return a number from 0 to 1 that depends on the key alone, evenly spread: it decides the split of an example."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def hash_split(key: str, test: float, validation: float) -> str:
    """Return the split of an example by the hash of its key; `test` and `validation` are fractions of all keys."""
    place = hash_fraction(key)
    return "test" if place < test else "validation" if place < test + validation else "train"


def _builder(corpus: PackageCorpus, splits: Mapping[str, Mapping[str, Example]]) -> Any:
    """Return TFDS's builder of a corpus."""
    import tensorflow_datasets as tfds

    def feature(kind: Feature) -> Any:
        if isinstance(kind, str):
            text = tfds.features.Text()
            return text if kind == "text" else tfds.features.Sequence(text)
        dtype, shape = kind
        return tfds.features.Tensor(shape=shape, dtype=dtype) if shape else tfds.features.Scalar(dtype=dtype)

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = corpus.name
        VERSION = tfds.core.Version(corpus.version)

        def _info(self) -> tfds.core.DatasetInfo:
            features = tfds.features.FeaturesDict({name: feature(kind) for name, kind in corpus.FEATURES.items()})
            return tfds.core.DatasetInfo(builder=self, description=corpus.summary, features=features)

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterable[tuple[str, Example]]]:
            return {split: self._generate_examples(split) for split in splits}

        def _generate_examples(self, split: str) -> Iterable[tuple[str, Example]]:
            return splits[split].items()

    builder: Any = Builder  # TFDS decorates the constructor in a way that hides its parameters
    return builder(data_dir=data_folder(), file_format="array_record")
