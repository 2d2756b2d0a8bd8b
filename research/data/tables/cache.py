"""Encoded examples on disk, so that a large source is read and encoded once.

An entry is a folder of arrays in `encoded` of the data folder, named by a hash of what it is made of: the source, the
options of the task, and the code that reads and encodes. It is written under another name and then renamed, so that it
is whole or absent. The folder may be deleted at any time.
"""

import contextlib
import hashlib
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
JSON = "values"
"""Array of the bytes of an entry's other values as JSON."""


@dataclass(frozen=True)
class Cache:
    """Entries of one source with the same options."""

    folder: Path

    @classmethod
    def of(cls, files: Iterable[Path], options: Any) -> "Cache":
        """Return the entries of what these files hold, read with these options, which are plain data."""
        digest = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode())
        for path in (*files, *sorted(Path(__file__).parents[1].rglob("*.py"))):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return cls(data_folder() / "encoded" / digest.hexdigest()[:32])

    def read(self, name: str) -> tuple[dict[str, np.ndarray], Any] | None:
        """Return the arrays of an entry, which stay on disk until they are used, and its other values; None: absent."""
        folder = self.folder / name
        try:
            arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.iterdir()}
            values = json.loads(arrays.pop(JSON).tobytes())
        except (OSError, EOFError, ValueError, KeyError):  # absent, or damaged
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder)
        return arrays, values

    def write(self, name: str, arrays: Mapping[str, np.ndarray], values: Any) -> None:
        """Write an entry; where that fails, there is none."""
        incomplete = self.folder / f".{name}-{uuid.uuid4().hex}"
        try:
            incomplete.mkdir(parents=True)
            for key, array in {**arrays, JSON: np.frombuffer(json.dumps(values).encode(), np.uint8)}.items():
                np.save(incomplete / f"{key}.npy", array, allow_pickle=False)
            shutil.rmtree(self.folder / name, ignore_errors=True)
            incomplete.rename(self.folder / name)
            self._drop_oldest()
        except OSError:  # no space, or a folder that only others may write to
            shutil.rmtree(incomplete, ignore_errors=True)

    def _drop_oldest(self) -> None:
        entries = sorted(self.folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for entry in entries[:-MAX_ENTRIES]:
            shutil.rmtree(entry, ignore_errors=True)
