"""Encoded examples on disk, so that a large source is read and encoded once.

An entry is a folder of arrays in `encoded` of the data folder, named by a hash of what it is made of: the source, the
options of the task, and the code and libraries that read and encode. It is written under another name and then
renamed, so that it is whole or absent. Arrays of at most `CHECKED` bytes are compared with their digests when they are
read.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from research.data.corpora.fetch import data_folder

MAX_ENTRIES = 20
"""Sources that are kept; of more, those that were used longest ago are removed."""
WORTH_SECONDS = 5.0
"""What took less time to prepare is not written."""
CHECKED = 2**30
LIBRARIES = ("numpy", "sentencepiece", "kaldi-native-fbank", "soundfile", "soxr", "pillow")
CONTENTS = "contents"
"""Array of the bytes of JSON: digests of the other arrays and values, and the values."""


@dataclass(frozen=True)
class Cache:
    """Entries of one source with the same options."""

    folder: Path

    @classmethod
    def of(cls, files: Iterable[Path], code: Iterable[Path], options: Any) -> "Cache":
        """Return the entries of what these files hold, read by this code with these options, which are plain data."""
        versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        digest = hashlib.sha256(json.dumps([versions, options], sort_keys=True, default=str).encode())
        for path in (*files, *code, *sorted(Path(__file__).parents[1].rglob("*.py"))):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return cls(data_folder() / "encoded" / digest.hexdigest()[:32])

    def read(self, name: str) -> tuple[dict[str, np.ndarray], Any] | None:
        """Return the arrays of an entry, which stay on disk until they are used, and other values; None: no entry."""
        try:
            arrays = {path.stem: np.load(path, mmap_mode="r") for path in (self.folder / name).iterdir()}
            digests, values = json.loads(arrays.pop(CONTENTS).tobytes())
            if _digests(arrays, values) != digests:
                return None
            values = json.loads(values)
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):  # absent, or damaged
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder)
        return arrays, values

    def write(self, name: str, arrays: Mapping[str, np.ndarray], values: Any) -> None:
        """Write an entry.

        Raises:
            OSError: if it cannot be written; then there is none.
        """
        incomplete = self.folder / f".{name}-{uuid.uuid4().hex}"
        text = json.dumps(values)
        contents = json.dumps([_digests(arrays, text), text]).encode()
        try:
            incomplete.mkdir(parents=True)
            for key, array in {**arrays, CONTENTS: np.frombuffer(contents, np.uint8)}.items():
                np.save(incomplete / f"{key}.npy", array, allow_pickle=False)
            with contextlib.suppress(OSError):  # a damaged one goes as a whole; readers keep what they have opened
                (self.folder / name).rename(self.folder / f"{incomplete.name}-old")
            incomplete.rename(self.folder / name)
        finally:
            for rest in self.folder.glob(f"{incomplete.name}*"):
                shutil.rmtree(rest, ignore_errors=True)
        entries = sorted(self.folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for entry in entries[:-MAX_ENTRIES]:
            shutil.rmtree(entry, ignore_errors=True)


def _digests(arrays: Mapping[str, np.ndarray], values: str) -> dict[str, str]:
    """Return the digests of arrays, "" of a large one, and of the values' JSON."""
    large = {key: array.nbytes > CHECKED for key, array in arrays.items()}
    parts = {key: b"" if large[key] else np.ascontiguousarray(array).data for key, array in arrays.items()}
    return {key: hashlib.sha256(part).hexdigest() for key, part in {**parts, CONTENTS: values.encode()}.items()}
