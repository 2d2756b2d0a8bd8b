"""What all corpora share: a TFDS builder that needs no TensorFlow, prepared once for a machine.

The records lie as array_record files in the TFDS data folder (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`), under
the builder's name and version. Whoever changes what a builder writes raises its `VERSION`.
"""

import abc
import contextlib
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow_datasets as tfds
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from research.errors import UserError
from research.tasks.corpora.fetch import data_folder, lock, writing
from research.terminal import STDERR

Example = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


class Corpus(tfds.core.GeneratorBasedBuilder, abc.ABC):
    """A TFDS builder whose examples fit in memory.

    The first line of its docstring says what it is. `licence` and `megabytes` are read from the source
    (`research/catalogue.py`), so they are written out.
    """

    licence: ClassVar[str]
    megabytes: ClassVar[int]
    """The size of what is fetched."""
    source: ClassVar[str]
    """Package and version."""
    citation: ClassVar[str]
    """Whom to name: the paper, or who recorded or wrote what."""

    @abc.abstractmethod
    def examples(self) -> Mapping[str, Sequence[tuple[str, Example]]]:
        """Fetch the archive and read it: key and features of each example, by split."""

    @classmethod
    def prepared(cls) -> Self:
        """The builder with its records on disk; prepares them if need be. Other processes wait meanwhile.

        Raises:
            UserError: if the archive cannot be had, the data folder not be written, or what is prepared not be read.
        """
        builder = cls.found()
        if builder:
            return builder
        with writing(data_folder()), lock(data_folder() / f".{cls.name}.lock"):
            if not cls.found():
                builder = cls._open()
                clear(Path(builder.data_path))
                builder._prepare()
        return cls._open()

    @classmethod
    def found(cls) -> Self | None:
        """The builder if its records are on disk; raises as `prepared` does."""
        builder = cls._open()
        if not builder.data_path.exists():
            return None
        if not builder.info.splits:
            raise _unreadable(builder.data_path, "it says nothing of splits")
        return builder

    def counts(self) -> dict[str, int]:
        """The number of records of each split."""
        return {name: split.num_examples for name, split in self.info.splits.items()}

    def records(self, split: str) -> Iterator[Example]:
        """The decoded examples of a split, in the order on disk, which is the same everywhere.

        Raises:
            UserError: if the files are damaged.
        """
        builder: Any = self  # TFDS decorates as_data_source in a way that hides its parameters
        with reading(self.data_path):
            source = builder.as_data_source(split)
            for start in range(0, len(source), 4096):
                yield from source.__getitems__(range(start, min(start + 4096, len(source))))

    def read_through(self) -> None:
        """See that every record can be read.

        Raises:
            UserError: if the files are damaged.
        """
        for split in self.counts():
            for _ in self.records(split):
                pass

    def packed(self, split: str, pack: Callable[[Iterator[Example]], Arrays]) -> Arrays:
        """What `pack` makes of the records of a split, from a copy beside them where there is one.

        To decode 100,000 records takes seconds, to read a few arrays takes milliseconds. Whoever changes what is packed
        raises the corpus's `VERSION`.

        Raises:
            UserError: if the files are damaged.
        """
        copy = Path(self.data_path) / f"packed-{split}.npz"
        # What a damaged copy raises has no common type; NumPy does not compare the checksums itself.
        with contextlib.suppress(Exception), zipfile.ZipFile(copy) as members:
            if members.testzip() is None:
                with np.load(copy) as arrays:
                    return dict(arrays)
        packed = pack(self.records(split))
        with contextlib.suppress(OSError):  # a data folder that others share may be read-only
            write_atomically(copy, packed)
        return packed

    @classmethod
    def _open(cls) -> Self:
        with reading(data_folder() / cls.name / str(cls.VERSION)):
            return cls(data_dir=data_folder(), file_format="array_record")

    def _prepare(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=STDERR) as self._progress:
            self._bar = self._progress.add_task(f"{self.name}: fetching", total=None)
            self._examples = self.examples()
            count = sum(len(rows) for rows in self._examples.values())
            self._progress.update(self._bar, description=f"{self.name}: preparing", total=count)
            with contextlib.redirect_stdout(io.StringIO()), without_tqdm():  # TFDS prints its own account of this
                self.download_and_prepare(file_format="array_record")

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, Example]]]:
        return {split: self._generate_examples(split) for split in self._examples}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, Example]]:
        for key, example in self._examples[split]:
            yield key, example
            self._progress.advance(self._bar)


def share(key: str) -> float:
    """A number from 0 to 1 that depends on the key alone, evenly spread: what decides the split of what it names."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def clear(folder: Path) -> None:
    """Remove what killed processes have left of a folder that was not to be seen before it was whole."""
    for left in folder.parent.glob(f"incomplete.*_{folder.name}"):  # as TFDS names them
        shutil.rmtree(left, ignore_errors=True)


def write_atomically(path: Path, arrays: Arrays) -> None:
    incomplete = path.with_name(f".incomplete-{os.getpid()}-{path.name}")
    try:
        with incomplete.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(incomplete, path)
    finally:
        incomplete.unlink(missing_ok=True)


@contextlib.contextmanager
def reading(folder: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what the readers of JSON, protocol buffers and array records raise has no common type
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _unreadable(folder, reason) from error


def _unreadable(folder: Any, reason: str) -> UserError:
    return UserError(f"{folder}: cannot be read ({reason}); delete this folder and try again")


@contextlib.contextmanager
def without_tqdm() -> Iterator[None]:
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()
