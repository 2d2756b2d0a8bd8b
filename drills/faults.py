"""A full disk, a deleted folder, a refused permission, little memory, a clock that goes back.

Each is one line, and nothing is lost: afterwards the same command completes, with the results of an undisturbed run.
"""

import builtins
import functools
import io
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drills.commands import Ended, Process, run, train_args
from drills.count import Count
from drills.kills import trained

REPEATS = (1, 10)
CHANGES: dict[str, Any] = {"training__steps": 400, "training__checkpoint_seconds": 0}


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Cause each fault while a trial trains."""
    run(train_args(place / "compiled", **CHANGES), place / "compiled")
    whole = run(train_args(place / "whole", **CHANGES), place / "whole")
    expected = trained(place / "whole")
    for name, cause in FAULTS.items():
        count = Count(f"faults: {name}")
        for number in range(REPEATS[full]):
            folder = place / f"{name.replace(' ', '_')}_{number}"
            ended, again, fault = cause(folder, rng, whole.seconds)
            fault = fault or ended.fault
            if not fault and ended.code == 2 and ended.err.count("error:") != 1:
                fault = f"not one line: {ended.err[-300:]}"
            if not fault and (again.code or trained(folder) != expected):
                fault = f"not completed alike: {again.code} {again.err[-300:]}"
            last = ended.err.strip().splitlines()[-1:]
            count.add("refused, and completed alike" if ended.code else "unharmed", fault)
            print(f"  {name}: {ended.code} {' '.join(last)[:160]}", flush=True)
        yield count


def _full_disk(folder: Path, rng: random.Random, seconds: float) -> tuple[Ended, Ended, str]:
    """Train on a file system of some 100 kB, in memory; without the right to mount one, limit the size of a file."""
    folder.mkdir()
    size = rng.randrange(40, 200)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "drill", folder], capture_output=True).returncode:
        limit = size * 10
        before = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        ended = run(train_args(folder, **CHANGES), folder, before)
        return ended, run(train_args(folder, **CHANGES), folder), ""
    try:
        ended = run(train_args(folder, **CHANGES), folder.with_suffix(".log"))
        subprocess.run(["mount", "-o", "remount,size=1g", folder], check=True)
        again = run(train_args(folder, **CHANGES), folder.with_suffix(".log"))
        shutil.copytree(folder, folder.with_suffix(".copy"))
    finally:
        subprocess.run(["umount", folder], check=True)
    shutil.copytree(folder.with_suffix(".copy"), folder, dirs_exist_ok=True)
    return ended, again, ""


def _deleted(folder: Path, rng: random.Random, seconds: float) -> tuple[Ended, Ended, str]:
    process = Process(train_args(folder, **CHANGES), folder)
    time.sleep(rng.uniform(0.2, seconds))
    if folder.exists():
        folder.rename(folder.with_suffix(".deleted"))
    return process.wait(), run(train_args(folder, **CHANGES), folder), ""


def _refused(folder: Path, rng: random.Random, seconds: float) -> tuple[Ended, Ended, str]:
    """Refuse to open a file for writing from some moment on: root may open all files, whatever their modes."""
    moment = rng.uniform(0.2, seconds)

    def before() -> None:
        started, opened = time.monotonic(), io.open

        def open_or_refuse(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if time.monotonic() - started > moment and mode[0] in "wa" and str(folder) in str(file):
                raise PermissionError(13, os.strerror(13), str(file))
            return opened(file, mode, *args, **options)

        io.open = builtins.open = open_or_refuse

    return run(train_args(folder, **CHANGES), folder, before), run(train_args(folder, **CHANGES), folder), ""


def _little_memory(folder: Path, rng: random.Random, seconds: float) -> tuple[Ended, Ended, str]:
    """Ask for more than the process may have: a batch of many gigabytes."""
    large: dict[str, Any] = {**CHANGES, "training__batch_size": rng.randrange(10**6, 10**7), "task__length": 1000}

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, resource.RLIM_INFINITY))

    ended = run(train_args(folder.with_suffix(".large"), **large), folder, before)
    return (
        ended,
        run(train_args(folder, **CHANGES), folder),
        "" if "out of memory" in ended.err else f"{ended.code}: {ended.err[-300:]}",
    )


def _clock(folder: Path, rng: random.Random, seconds: float) -> tuple[Ended, Ended, str]:
    """Set the clock of the day back by an hour at each look."""
    looks = iter(range(10**9))

    def before() -> None:
        time.time = lambda: 1.7e9 - 3600.0 * next(looks)

    ended = run(train_args(folder, **CHANGES), folder, before)
    return ended, ended, ""


FAULTS: dict[str, Callable[[Path, random.Random, float], tuple[Ended, Ended, str]]] = {
    "full disk": _full_disk,
    "folder deleted": _deleted,
    "permission": _refused,
    "memory": _little_memory,
    "clock set back": _clock,
}
