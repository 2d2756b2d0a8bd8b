"""The devices that programs run on, and the environment that results depend on."""

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from research.errors import UserError, first_line

DEVICE_COUNT_FLAG = "--xla_force_host_platform_device_count"
SOURCES = Path(__file__).parents[1]
NUMERIC = ("batch.py", "options.py", "cells", "data", "probes", "recurrence", "seq2seq", "tasks", "training")
"""Sources that numbers depend on."""


def use_all_cores() -> None:
    """Make each core of a CPU an XLA device, so that trials run in parallel.

    Do nothing if the caller has set the number of devices, or if JAX is already initialized.
    """
    if jax.config.values["jax_num_cpu_devices"] >= 0 or DEVICE_COUNT_FLAG in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # JAX is already initialized
        jax.config.update("jax_num_cpu_devices", cores())


def require() -> None:
    """Check that JAX finds a device.

    Raises:
        UserError: if it finds none, for example because `JAX_PLATFORMS` names a platform that does not exist.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # AssertionError: a known platform without its plugin
        raise UserError(f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {first_line(error)}") from error


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(options: Any) -> dict[str, Any]:
    """Return what results depend on besides the options of a trial. Equal environments give equal bits."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cores": cores(),
        "machine": platform.machine(),
        "instructions": _instructions(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "source": source_fingerprint(options),
        "git_commit": git_commit(),
    }


def source_fingerprint(options: Any) -> str:
    """Return the SHA-256 of the sources that a trial depends on, with its cells and tasks outside this package."""
    modules = {getattr(sys.modules[type(section).__module__], "__file__", None) for section in vars(options).values()}
    files = {Path(file) for file in modules if file}
    return _sha256(frozenset(file for file in files if SOURCES not in file.parents and file.is_file()))


@functools.cache
def _sha256(others: frozenset[Path], folder: Path = SOURCES) -> str:
    """Return the SHA-256 of the names and contents of the numeric sources under a folder, and of other files."""
    digest = hashlib.sha256()
    paths = [path for name in NUMERIC for path in sorted({folder / name, *(folder / name).rglob("*.py")})]
    for path in [*filter(Path.is_file, paths), *sorted(others)]:
        name = path.relative_to(folder).as_posix() if folder in path.parents else path.name
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def git_commit(folder: Path = SOURCES) -> str:
    """Return the commit of the sources, with "-dirty" if they have changed; "unknown" outside a Git repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails if the folder is not part of the repository around it
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _instructions() -> str:
    """Return the widest vector extension of the CPU, which XLA compiles for."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line.split() for line in file if line.startswith(("flags", "Features"))), [])
    except OSError:
        return "unknown"
    known = ("amx_tile", "avx512f", "avx2", "avx", "sve", "asimd", "sse2")
    return next((name for name in known if name in flags), "unknown")
