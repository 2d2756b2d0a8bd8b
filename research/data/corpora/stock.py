"""Large corpora through the builders that TFDS brings, prepared and read without TensorFlow.

TFDS downloads, verifies and splits them with its own code, and what it writes lies where any user of TFDS has it: a
corpus that was prepared elsewhere as array_record is read as it is. An archive that lies in `downloads/manual` of the
data folder is not downloaded. From TensorFlow these builders take functions on files and names of types, from pydub the
samples of a wav file, and `_Files` and `_Sound` stand in for them. Sounds and images are kept as the files that they
were, and decoded by who reads them.
"""

import contextlib
import functools
import glob
import hashlib
import importlib
import io
import logging
import shutil
import sys
import threading
import types
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import tensorflow_datasets as tfds
from jaxtyping import Int
from tensorflow_datasets.core.download import downloader

from research.errors import UserError
from research.tasks.corpora.corpus import clear, reading, write_atomically
from research.tasks.corpora.fetch import data_folder, lock, manual_folder, writing
from research.tasks.corpora.stock_sets import STOCK_SETS

BLOCK = 256
"""Examples that are read at once."""
RETRIES = 3
"""Of a connection, with waits of up to a second between them."""


@dataclass(frozen=True)
class Source:
    """The examples of a split by number, in the order on disk, which is the same everywhere. Texts are bytes.

    Worker processes get a copy, which opens the files anew.
    """

    folder: str
    split: str
    raw: tuple[str, ...] = ()
    """Features that are not decoded: the bytes of an image's file."""

    def __len__(self) -> int:
        return len(self._opened)

    def __getitem__(self, row: int) -> dict[str, Any]:
        with reading(self.folder):
            return self._opened[row]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with reading(self.folder):
            for start in range(0, len(self), BLOCK):
                yield from self._opened.__getitems__(range(start, min(start + BLOCK, len(self))))

    def measured(self, what: str, measure: Callable[[dict[str, Any]], Sequence[int]]) -> Int[np.ndarray, "N M"]:
        """What `measure` tells of each example, from a copy beside the records where there is one.

        To read all examples of a large corpus takes minutes.

        Args:
            what: is measured, and how: names the copy.
        """
        name = f"measured-{self.split}-{hashlib.sha256(what.encode()).hexdigest()[:12]}.npz"
        copy = Path(self.folder) / name
        missing_or_damaged = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
        with contextlib.suppress(*missing_or_damaged), copy.open("rb") as file, np.load(file) as arrays:
            return arrays["measured"]
        measured = np.array([measure(example) for example in self], np.int32)
        with contextlib.suppress(OSError):  # a data folder that others share may be read-only
            write_atomically(copy, {"measured": measured})
        return measured

    def __reduce__(self) -> tuple[Any, ...]:
        return Source, (self.folder, self.split, self.raw)

    @functools.cached_property
    def _opened(self) -> Any:
        with reading(self.folder):
            _use_stand_ins()
            builder: Any = tfds.builder_from_directory(self.folder)
            return builder.as_data_source(self.split, decoders={name: tfds.decode.SkipDecoding() for name in self.raw})


def prepared(name: str, config: str | None = None) -> Path:
    """The folder of the corpus's records; TFDS prepares it if need be. Other processes wait meanwhile.

    Args:
        name: one of `STOCK_SETS`.
        config: of the builder, where it has any.

    Raises:
        UserError: if what it is made of cannot be had, or the data folder not be written.
    """
    builder = _builder(name, config)
    folder = Path(builder.data_path)
    if not folder.exists():
        with writing(data_folder()), lock(data_folder() / f".{name}.lock"):
            if not folder.exists():
                clear(folder)
                _prepare(builder)
    return folder


def _builder(name: str, config: str | None) -> Any:
    module = importlib.import_module(f"tensorflow_datasets.{STOCK_SETS[name].module}")
    classes: list[Any] = [one for one in vars(module).values() if isinstance(one, type)]
    own = [one for one in classes if issubclass(one, tfds.core.DatasetBuilder) and one.__module__ == module.__name__]
    builder: Any = own[0]  # TFDS decorates the constructor in a way that hides its parameters
    _use_stand_ins()
    with reading(data_folder() / name):
        return builder(config=config, data_dir=data_folder(), file_format="array_record")


def counts(folder: Path) -> dict[str, int]:
    """The number of examples of each split of a prepared corpus."""
    with reading(folder):
        _use_stand_ins()
        return {name: split.num_examples for name, split in tfds.builder_from_directory(folder).info.splits.items()}


def _prepare(builder: Any) -> None:
    manual = manual_folder()
    for left in (data_folder() / "downloads" / builder.name).glob("*.tmp.*"):  # by a download that was broken off
        shutil.rmtree(left, ignore_errors=True)
    settings = tfds.download.DownloadConfig(manual_dir=manual)
    try:
        with contextlib.redirect_stdout(sys.stderr), _brief_downloads():
            builder.download_and_prepare(download_config=settings, file_format="array_record")
    except Exception as error:  # what the download, the archives' readers and the builders raise has no common type
        if isinstance(error, OSError) and error.errno:  # of the system, not of a download or of an archive's reader
            raise
        archives = ", ".join(STOCK_SETS[builder.name].archives)
        advice = f"archives that are put into {manual} by hand are taken from there: {archives}"
        raise UserError(f"{builder.name} cannot be prepared: {_reason(error)}; {advice}") from error


def _reason(error: Exception) -> str:
    """What went wrong, without how often it was tried and where TFDS explains checksums."""
    address = getattr(getattr(error, "request", None), "url", None)  # of a connection that fails
    if address:
        return f"{address} cannot be reached"
    return " ".join(str(error).partition("\n")[0].split()).removesuffix(":") or type(error).__name__


@contextlib.contextmanager
def _brief_downloads() -> Iterator[None]:
    """TFDS's downloads give up soon where there is no network, and all end when one fails or the user has enough.

    They run in threads that Python waits for at its end, however many gigabytes are missing.
    """
    opened, retries, over = downloader._open_url, downloader.MAX_RETRIES, threading.Event()

    def until_over(blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if over.is_set():
                raise InterruptedError("the download was broken off")
            yield block

    @contextlib.contextmanager
    def open_url(url: str, **options: Any) -> Iterator[tuple[Any, Iterator[bytes]]]:
        with opened(url, **options) as (response, blocks):
            yield response, until_over(blocks)

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # else it tells of each retry, in a few lines
    downloader._open_url, downloader.MAX_RETRIES = open_url, RETRIES
    try:
        yield
    finally:
        over.set()
        downloader._open_url, downloader.MAX_RETRIES = opened, retries


class _Files:
    """What TFDS calls of TensorFlow."""

    class String(np.str_):
        as_numpy_dtype = np.object_

    string, int64, int32, int16, uint8 = String, np.int64, np.int32, np.int16, np.uint8
    io = types.SimpleNamespace(gfile=types.SimpleNamespace(GFile=open, glob=glob.glob))
    dtypes = types.SimpleNamespace(as_dtype=lambda dtype: dtype)
    compat = types.SimpleNamespace(as_text=str)


class _Sound:
    """What the builder of `speech_commands` calls of pydub: mono sounds of 16 bits."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    @classmethod
    def from_file(cls, file: Any, format: str) -> "_Sound":
        return cls(soundfile.read(io.BytesIO(file.read()), dtype="int16")[0])

    def get_array_of_samples(self) -> np.ndarray:
        return self._samples


@functools.cache
def _use_stand_ins() -> None:
    """In this process."""
    pydub = types.SimpleNamespace(
        AudioSegment=_Sound, exceptions=types.SimpleNamespace(CouldntDecodeError=soundfile.LibsndfileError)
    )
    lazy = types.SimpleNamespace(lazy_imports=types.SimpleNamespace(pydub=pydub))
    for place in (
        *(one.module for one in STOCK_SETS.values()),
        "object_detection.coco",
        "core.features.feature",
        "core.features.audio_feature",
        "core.download.extractor",
    ):
        module = importlib.import_module(f"tensorflow_datasets.{place}")
        for name, stand_in in {"tf": _Files, "lazy_imports_lib": lazy}.items():
            if name in vars(module):
                setattr(module, name, stand_in)
