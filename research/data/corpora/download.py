"""Downloads single files through pip and apt: nothing is installed, the system's state is neither needed nor changed.

Both work with the user's settings (index, mirrors, proxies). Each puts the file into a folder that is empty, and says
what went wrong in one line, or nothing.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from types import MappingProxyType

from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

from research.terminal import STDERR

INTERVAL = 0.1
"""Seconds between two updates of the progress bar."""


def pip(requirement: str, folder: Path) -> str:
    """Download the wheel of a requirement such as `name==1.0`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(folder), requirement]
    temporary = folder.absolute() / "temporary"  # below the folder whose size is shown
    temporary.mkdir()
    code, lines = _run(command, folder, requirement, environment={"TMPDIR": str(temporary)})
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
    _, lines = _apt_get(["update", "-o", "Acquire::Retries=1", *options], private, "package lists")
    problem = _apt(package, version, folder, options)
    if problem and any("Failed to fetch" in line for line in lines):
        return "the package lists cannot be fetched"
    return problem


def _apt(package: str, version: str, folder: Path, options: Sequence[str]) -> str:
    download = ["download", *options]
    code, lines = _apt_get([*download, "--print-uris", f"{package}={version}"], folder)
    if code == 0:  # 'URI' file size checksum
        size = next((int(line.split()[2]) for line in lines if line.startswith("'")), None)
        code, lines = _apt_get([*download, f"{package}={version}"], folder, package, size)
    if code == 0:
        return ""
    problem = next((line.removeprefix("E: ") for line in lines if line.startswith("E: ")), "")
    if problem.startswith("Version"):  # of this package there is none of that version
        _, lines = _apt_get([*download, "--print-uris", package], folder)
        problem += "".join(f", only {line.split()[1]}" for line in lines if line.startswith("'"))
    return problem or f"apt-get ended with code {code} ({' '.join(lines[-1:])})"


def _apt_get(words: Sequence[str], folder: Path, label: str = "", size: int | None = None) -> tuple[int, list[str]]:
    messages = {"LC_ALL": "C"}  # the messages are parsed, in English
    return _run(["apt-get", "-q=2", *words], folder, label, size, cwd=folder, environment=messages)


def _run(
    command: Sequence[str],
    folder: Path,
    label: str = "",
    size: int | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, list[str]]:
    """Return exit code and lines of a command; with a label, a bar shows how much comes into the folder meanwhile."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    environment = {**os.environ, **environment}
    before = set(folder.rglob("*"))
    with (
        Progress(*columns, console=STDERR, disable=not label) as progress,
        subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, text=True, errors="replace"
        ) as process,
    ):
        bar = progress.add_task(f"{label}: fetching", total=size)
        while True:
            try:
                output, errors = process.communicate(timeout=INTERVAL)
                progress.update(bar, completed=_size(folder, before))
                return process.returncode, [*output.strip().splitlines(), *errors.strip().splitlines()]
            except subprocess.TimeoutExpired:
                progress.update(bar, completed=_size(folder, before))
            except BaseException:
                process.kill()
                raise


def _size(folder: Path, before: set[Path]) -> int:
    """Return the bytes of the largest new file: pip has a second copy for a moment, and apt an index of its lists."""
    size = 0
    for path in set(folder.rglob("*")) - before:
        with contextlib.suppress(OSError):  # it has just been moved
            size = max(size, path.stat().st_size)
    return size
