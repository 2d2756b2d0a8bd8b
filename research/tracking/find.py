"""Find run directories on disk."""

import contextlib
import os
from pathlib import Path

from research.errors import UserError, nearest
from research.tracking.run_directory import METRICS, RunDirectory

FILES = {"config.json", "result.json", f"{METRICS}.jsonl"}
"""Files that make a folder a run directory."""


def find(root: Path | str) -> list[RunDirectory]:
    """Return all run directories at or under `root`, at any depth and behind links, each once, sorted by path.

    Folders that cannot be read, or that have lost their `config.json`, are among them.
    """
    paths: list[str] = []
    visited: set[str] = set()

    def refuse(error: OSError) -> None:
        paths.extend([str(error.filename)] if isinstance(error, PermissionError) else [])

    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        folders.sort()
        place = os.path.realpath(folder)
        if place in visited or "config.json" in files:
            folders.clear()  # run directories are not nested; checkpoint and W&B folders may be large
        if place not in visited and FILES & {*files}:
            paths.append(folder)
        visited.add(place)
    return sorted(RunDirectory(Path(path)) for path in paths)


def find_some(root: Path | str) -> list[RunDirectory]:
    """Return what `find` does.

    Raises:
        UserError: if that is none.
    """
    runs = find(root)
    if not runs:
        folder = Path(root)
        what, close = "no runs in it", ""
        if not folder.is_dir():
            what = "no such directory"
            with contextlib.suppress(OSError):
                close = nearest(folder.name, (other.name for other in folder.parent.iterdir() if other.is_dir()))
        raise UserError(f"{root}: {what}{close}; `research train` and `research sweep` write runs/NAME/RUN")
    return runs


def find_one(path: Path | str) -> RunDirectory:
    """Return the run directory at a path.

    Raises:
        UserError: if there is none, naming those below.
    """
    run = RunDirectory(Path(path))
    if not run.config_file.exists() and (others := [str(other.path) for other in find_some(path) if other != run]):
        raise UserError(f"{path}: is no run directory; runs in it: {', '.join(others[:3])}")
    return run
