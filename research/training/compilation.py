"""JAX's persistent cache of compiled programs.

The key of a program includes the versions of JAX and XLA, the compiler's options and the machine's instruction set. A
later process loads the same binary and gets the same bits.
"""

import contextlib
import os
import stat
import warnings
from pathlib import Path

import jax

from research.errors import UserError

MIN_COMPILE_SECONDS = 0.2  # faster programs are not cached
MAX_BYTES = 2**30


def enable_cache() -> None:
    """Cache compiled programs in the user's cache folder.

    Do nothing if the caller has configured JAX's cache, or if the folder is not writable.

    Raises:
        UserError: if all users can write to the cache: who can write to it decides which programs run.
    """
    configured = jax.config.values["jax_compilation_cache_dir"]
    if configured:
        _require_private(Path(configured))
    if configured is not None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # no permission, space or home folder
        named = Path(os.environ.get("XDG_CACHE_HOME", ""))
        folder = (named if named.is_absolute() else Path("~/.cache").expanduser()) / "recurrent-research" / "jax"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(folder)
        if not os.access(folder, os.W_OK):
            return
        _drop_oldest(folder, MAX_BYTES)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)
        # After an interrupted write or on a full disk, JAX warns and compiles the program again.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)


def _require_private(folder: Path) -> None:
    for place, protection in ((folder, 0), (folder.parent, stat.S_ISVTX)):  # /tmp protects the folders in it
        mode = place.stat().st_mode if place.is_dir() else 0
        if mode & stat.S_IWOTH and not mode & protection:
            raise UserError(f"{place}: all users can write to this cache of compiled programs; run chmod o-w {place}")


def _drop_oldest(folder: Path, most: int) -> None:
    """Remove the oldest programs until the rest take at most `most` bytes. JAX's own limit needs another package."""
    files = [(path.stat(), path) for path in folder.glob("*-cache")]
    size = sum(status.st_size for status, _ in files)
    for status, path in sorted(files, key=lambda file: file[0].st_mtime):
        if size <= most:
            return
        path.unlink(missing_ok=True)
        size -= status.st_size
