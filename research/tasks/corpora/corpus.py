"""What all corpora share: a TFDS builder that needs no TensorFlow, prepared once for a machine.

The records lie as array_record files in the TFDS data folder (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`), under
the builder's name and version. Whoever changes what a builder writes raises its `VERSION`.
"""

import abc
import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import tensorflow_datasets as tfds
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from research.errors import UserError
from research.tasks.corpora.fetch import data_folder, lock, writing
from research.terminal import STDERR

Example = Mapping[str, Any]


class Corpus(tfds.core.GeneratorBasedBuilder, abc.ABC):
    """A TFDS builder whose examples fit in memory."""

    @abc.abstractmethod
    def examples(self) -> Mapping[str, Sequence[tuple[str, Example]]]:
        """Fetch the archive and read it: key and features of each example, by split."""

    @classmethod
    def prepared(cls) -> Self:
        """The builder with its records on disk; prepares them if need be. Other processes wait meanwhile.

        Raises:
            UserError: if the archive cannot be had, the data folder not be written, or what is prepared not be read.
        """
        builder = cls._open()
        if builder.data_path.exists():
            return builder
        with writing(data_folder()), lock(data_folder() / f".{builder.name}.lock"):
            if not builder.data_path.exists():
                builder._prepare()
        return cls._open()

    def records(self, split: str) -> Iterator[Example]:
        """The decoded examples of a split, in the order on disk, which is the same everywhere.

        Raises:
            UserError: if the files are damaged.
        """
        builder: Any = self  # TFDS decorates as_data_source in a way that hides its parameters
        with _reading(self.data_path):
            source = builder.as_data_source(split)
            for start in range(0, len(source), 4096):
                yield from source.__getitems__(range(start, min(start + 4096, len(source))))

    @classmethod
    def _open(cls) -> Self:
        with _reading(data_folder() / cls.name / str(cls.VERSION)):
            return cls(data_dir=data_folder(), file_format="array_record")

    def _prepare(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=STDERR) as self._progress:
            self._bar = self._progress.add_task(f"{self.name}: fetching", total=None)
            self._examples = self.examples()
            count = sum(len(rows) for rows in self._examples.values())
            self._progress.update(self._bar, description=f"{self.name}: preparing", total=count)
            with contextlib.redirect_stdout(io.StringIO()), _without_tqdm():  # TFDS prints its own account of this
                self.download_and_prepare(file_format="array_record")

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, Example]]]:
        return {split: self._generate_examples(split) for split in self._examples}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, Example]]:
        for key, example in self._examples[split]:
            yield key, example
            self._progress.advance(self._bar)


@contextlib.contextmanager
def _reading(folder: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what the readers of JSON, protocol buffers and array records raise has no common type
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: cannot be read ({reason}); delete this folder and try again") from error


@contextlib.contextmanager
def _without_tqdm() -> Iterator[None]:
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()
