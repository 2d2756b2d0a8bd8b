"""Downloads single files through pip and apt: nothing is installed, the system's state is neither needed nor changed.

Both work with the user's settings (index, mirrors, proxies). Each puts the file into a folder that is empty, and
returns what went wrong in one line, or nothing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def pip(requirement: str, folder: Path) -> str:
    """Download the wheel of a requirement such as `name==1.0`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(folder), requirement]
    code, lines = _run(command)
    if code == 0:
        return ""
    if any("No module named pip" in line for line in lines):
        return f"{sys.executable} has no pip"
    if any("Retrying (" in line for line in lines):
        return "the package index cannot be reached"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[-1] if errors else f"pip ended with code {code} ({' '.join(lines[-1:])})"


def apt(package: str, version: str, folder: Path) -> str:
    """Download the .deb of a package; if the system's package lists do not have it, with fresh ones in the folder."""
    if shutil.which("apt-get") is None:
        return "this machine has no apt-get"
    if not _apt(package, version, folder, []):
        return ""
    private = folder.absolute() / "apt"
    (private / "lists" / "partial").mkdir(parents=True)
    (private / "archives" / "partial").mkdir(parents=True)
    settings = private / "apt.conf"
    settings.write_text('#clear APT::Update;\nAcquire::Languages "none";\n')  # its hooks may change the system
    options = ["-c", str(settings), "-o", f"Dir::State::lists={private / 'lists'}", "-o", f"Dir::Cache={private}"]
    _, lines = _apt_get(["update", "-o", "Acquire::Retries=1", *options], private)
    problem = _apt(package, version, folder, options)
    if problem and any("Failed to fetch" in line for line in lines):
        return "the package lists cannot be fetched"
    return problem


def _apt(package: str, version: str, folder: Path, options: Sequence[str]) -> str:
    code, lines = _apt_get(["download", *options, f"{package}={version}"], folder)
    if code == 0:
        return ""
    problem = next((line.removeprefix("E: ") for line in lines if line.startswith("E: ")), "")
    if problem.startswith("Version"):  # of this package there is none of that version
        _, lines = _apt_get(["download", *options, "--print-uris", package], folder)  # 'URI' file size checksum
        problem += "".join(f", only {line.split()[1]}" for line in lines if line.startswith("'"))
    return problem or f"apt-get ended with code {code} ({' '.join(lines[-1:])})"


def _apt_get(words: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    return _run(["apt-get", "-q=2", *words], cwd=folder, env={**os.environ, "LC_ALL": "C"})  # messages are parsed


def _run(command: Sequence[str], **options: Any) -> tuple[int, list[str]]:
    """Return exit code and lines of a command."""
    settings = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace", **options}
    done = subprocess.run(command, check=False, **settings)
    return done.returncode, [*done.stdout.strip().splitlines(), *done.stderr.strip().splitlines()]
