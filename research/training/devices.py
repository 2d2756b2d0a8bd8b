"""The devices that programs run on, and the environment that results depend on."""

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

from research.errors import UserError

DEVICE_COUNT_FLAG = "--xla_force_host_platform_device_count"
SOURCES = Path(__file__).parents[1]


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
        reason = str(error).partition("\n")[0] or "no such device"
        raise UserError(f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {reason}") from error


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Return what results depend on besides options and seed. Equal environments give equal bits."""
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
        "source": source_fingerprint(),
        "git_commit": git_commit(),
    }


@functools.cache
def source_fingerprint(folder: Path = SOURCES) -> str:
    """Return the SHA-256 of the names and contents of all Python files under a folder, by default this package."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
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
