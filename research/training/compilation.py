"""Compiled programs that outlive their process.

JAX's persistent cache holds what XLA has compiled, by a key of the program, the versions of JAX and XLA, the compiler's
options and the instructions that the machine has; a later process loads it, and gets the same bits.
"""

import contextlib
import os
import warnings
from pathlib import Path

import jax

MIN_COMPILE_SECONDS = 0.2  # a program that compiles faster is not worth a file
MAX_BYTES = 2**30


def enable_cache() -> None:
    """Keep compiled programs in the user's cache folder, and load those that are in it.

    Nothing happens where the caller has set JAX's cache, to a folder or to nothing, or where the folder cannot be
    written to.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # no permission, no space; no home
        folder = user_cache() / "recurrent-research" / "jax"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # who can write to it decides which programs run
        if not os.access(folder, os.W_OK):
            return
        _drop_oldest(folder, MAX_BYTES)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)
        # A process that was ended while it wrote leaves half a file, a full disk none: the program is compiled again.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)


def user_cache() -> Path:
    """Return `$XDG_CACHE_HOME` where it is an absolute path, else `~/.cache`.

    Raises:
        RuntimeError: if the user has no home.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path("~/.cache").expanduser()


def _drop_oldest(folder: Path, most: int) -> None:
    """Remove the oldest programs until all take `most` bytes at most; JAX's own limit needs one more package."""
    files = [(path.stat(), path) for path in folder.glob("*-cache")]
    size = sum(stat.st_size for stat, _ in files)
    for stat, path in sorted(files, key=lambda file: file[0].st_mtime):
        if size <= most:
            return
        path.unlink(missing_ok=True)
        size -= stat.st_size
