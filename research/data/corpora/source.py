"""Reading prepared corpora: array_record files that TFDS wrote, read without TensorFlow."""

import contextlib
import functools
import importlib.util
import os
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from research.errors import UserError, first_line

BLOCK = 256
"""Examples that are read at once."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """The examples of a split by number, in the order on disk, which is the same everywhere. Texts are bytes.

    Worker processes get a copy, which opens the files again.
    """

    folder: str
    split: str
    raw: tuple[str, ...] = ()
    """Features that are not decoded: the bytes of an image's or audio file."""

    def __len__(self) -> int:
        return len(self._opened)

    def __getitem__(self, row: int) -> dict[str, Any]:
        with reading(self.folder):
            return self._opened[row]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with reading(self.folder):
            for start in range(0, len(self), BLOCK):
                yield from self._opened.__getitems__(range(start, min(start + BLOCK, len(self))))

    def __reduce__(self) -> tuple[Any, ...]:
        return Source, (self.folder, self.split, self.raw)

    @functools.cached_property
    def _opened(self) -> Any:
        import tensorflow_datasets as tfds

        with reading(self.folder):
            skip = {name: tfds.decode.SkipDecoding() for name in self.raw}
            return _builder(self.folder).as_data_source(self.split, decoders=skip)


@dataclass(frozen=True)
class Column:
    """A feature of a prepared data set, and how its values are given."""

    raw: bool = False
    """Whether its values are the bytes of an image or audio file."""
    names: tuple[str, ...] = ()
    """Names of the classes of a class label."""
    rate: int = 0
    """Samples a second of audio that is no file; 0: unknown."""

    def value(self, value: Any) -> Any:
        """Return a value of the feature as plain data: texts as str, classes by name."""
        if self.names:
            return self.names[int(value)] if np.ndim(value) == 0 else [self.names[int(item)] for item in value]
        if isinstance(value, bytes) and not self.raw:
            return value.decode(errors="replace")
        if (isinstance(value, np.ndarray) and value.dtype == object) or isinstance(value, list):
            return [item.decode(errors="replace") if isinstance(item, bytes) else item for item in value]
        return value


def columns(folder: Path) -> dict[str, Column]:
    """Return the features of a prepared data set; those of nested features by their path.

    Raises:
        UserError: if the folder cannot be read.
    """
    with reading(folder):
        return _columns(_builder(folder).info.features)


def _columns(features: Any, prefix: str = "") -> dict[str, Column]:
    import tensorflow_datasets as tfds

    kinds: dict[str, Column] = {}
    for name, feature in features.items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, Mapping | tfds.features.FeaturesDict):
            kinds |= _columns(inner, f"{prefix}{name}/")
            continue
        lazy = isinstance(inner, tfds.features.Audio) and getattr(inner, "_lazy_decode", False)
        raw = isinstance(inner, tfds.features.Image) or lazy
        names = tuple(inner.names or ()) if isinstance(inner, tfds.features.ClassLabel) else ()
        kinds[prefix + name] = Column(raw, names, getattr(inner, "_sample_rate", None) or 0)
    return kinds


def counts(folder: Path) -> dict[str, int]:
    """Return the number of examples of each split of a prepared corpus.

    Raises:
        UserError: if the folder cannot be read.
    """
    with reading(folder):
        splits = {name: split.num_examples for name, split in _builder(folder).info.splits.items()}
        if not splits:
            raise ValueError("it says nothing of splits")
    return splits


def cached(path: Path, compute: Callable[[], Arrays]) -> dict[str, np.ndarray]:
    """Return the arrays of a file; if it is missing or damaged, compute and write them."""
    # What a damaged file raises has no common type; NumPy does not compare the checksums itself.
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as members:
        if members.testzip() is None:
            with np.load(path) as arrays:
                return dict(arrays)
    arrays = dict(compute())
    with contextlib.suppress(OSError):  # a data folder that others share may be read-only
        incomplete = path.with_name(f".incomplete-{os.getpid()}-{path.name}")
        try:
            with incomplete.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            os.replace(incomplete, path)
        finally:
            incomplete.unlink(missing_ok=True)
    return arrays


@contextlib.contextmanager
def reading(folder: Any) -> Iterator[None]:
    """Turn whatever a damaged folder raises into one line for the user."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # what the readers of JSON, protocol buffers and array records raise has no common type
        raise UserError(f"{folder}: cannot be read ({first_line(error)}); delete this folder and try again") from error


def _builder(folder: str | Path) -> Any:
    """Return TFDS's reader of a folder."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.features import audio_feature

    if importlib.util.find_spec("tensorflow") is None:  # audio names some of its types, though none is used to read
        integers = {name: getattr(np, name) for name in ("uint8", "int16", "int32", "int64")}
        dtypes = types.SimpleNamespace(as_dtype=np.dtype)
        audio_feature.tf = types.SimpleNamespace(string=np.object_, dtypes=dtypes, **integers)
    return tfds.builder_from_directory(folder)
