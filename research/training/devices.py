"""The devices that a program runs on, and the facts that a result depends on besides its options."""

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
    """Make each core of a CPU an XLA device, so that trials run at the same time.

    Nothing happens where the caller has set a number of devices, or has computed something already.
    """
    if jax.config.values["jax_num_cpu_devices"] >= 0 or DEVICE_COUNT_FLAG in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # jax has its devices already
        jax.config.update("jax_num_cpu_devices", cores())


def require() -> None:
    """Check that JAX finds a device.

    Raises:
        UserError: if it does not, as where `JAX_PLATFORMS` names one that does not exist.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where a platform is known and has no plugin
        reason = str(error).partition("\n")[0] or "there is no such device"
        raise UserError(f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {reason}") from error


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Return what numbers may depend on besides options and seed: equal environments give equal bits."""
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
    """Return the SHA-256 of the names and contents of all Python files under the folder, this package by default."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def git_commit(folder: Path = SOURCES) -> str:
    """Return the commit that the sources are checked out at, "-dirty" after it where they differ; or "unknown"."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else the folder lies in somebody's repository
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _instructions() -> str:
    """Return the widest vector extension that the processor names; XLA compiles for it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line.split() for line in file if line.startswith(("flags", "Features"))), [])
    except OSError:
        return "unknown"
    known = ("amx_tile", "avx512f", "avx2", "avx", "sve", "asimd", "sse2")
    return next((name for name in known if name in flags), "unknown")
