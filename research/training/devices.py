"""The devices that programs run on, and the environment that results depend on."""

import ast
import contextlib
import functools
import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import jax

from research.errors import UserError, first_line

DEVICE_COUNT_FLAG = "--xla_force_host_platform_device_count"
SOURCES = Path(__file__).parents[1]
NUMERIC = ("batch.py", "options.py", "cells", "data", "probes", "recurrence", "seq2seq", "tasks", "training")
"""Sources that numbers depend on."""
INSTALLED = {SOURCES, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))}
"""Folders whose modules are not the user's own; those of packages are called site-packages or dist-packages."""


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
    return _sha256(frozenset().union(*(_own_sources(part.__module__) for part in _classes(options))))


def _classes(options: Any) -> Iterator[type]:
    """Yield the classes of nested options, and those that they inherit from."""
    yield from type(options).__mro__
    for value in vars(options).values():
        if is_dataclass(value):
            yield from _classes(value)


@functools.cache
def _own_sources(module: str) -> frozenset[Path]:
    """Return the file of a module and those that it imports, directly or not, that belong to no installed package."""
    found: dict[str, Path | None] = {}
    names = [module]
    while names:
        name = names.pop()
        if name in found or name not in sys.modules:
            continue
        path = Path(getattr(sys.modules[name], "__file__", None) or "")
        installed = INSTALLED & {*path.parents} or {"site-packages", "dist-packages"} & {*path.parts}
        own = path.suffix == ".py" and path.is_file() and not installed
        found[name] = path if own else None
        for node in ast.walk(ast.parse(path.read_bytes())) if own else ():
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                package = getattr(sys.modules[name], "__package__", "") or ""
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *filter(None, [node.module])])
                names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return frozenset(filter(None, found.values()))


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
