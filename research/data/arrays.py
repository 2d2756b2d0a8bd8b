"""Arrays in files: .npy, .npz or JSON."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from research.errors import UserError, first_line


def load_array(path: str) -> Any:
    """Return the one array of a file.

    Raises:
        UserError: if it is no file of one array.
        OSError: if the file cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        if not content.startswith((b"\x93NUMPY", b"PK")):
            return np.asarray(json.loads(content))
        array = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(array, np.lib.npyio.NpzFile):
            if len(array.files) != 1:
                raise ValueError(f"it holds {len(array.files)} arrays")
            array = array[array.files[0]]
        return array
    except Exception as error:  # what NumPy, zipfile and the readers of JSON raise for damaged files has no common type
        raise UserError(f"{path}: must hold one array, as .npy, .npz or JSON ({first_line(error)})") from error
