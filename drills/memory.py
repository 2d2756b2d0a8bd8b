"""Memory, threads and open files over many updates with everything on: flat within 2%."""

import contextlib
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from drills.commands import Process, train_args
from drills.count import Count

STEPS = 40_000
GROWTH = 0.02
POOLS = 16
"""Threads by which pools may still grow."""
EARLY, LATE = (0.25, 0.5), (0.75, 1.0)
"""Parts of training that are compared. Before, compilation gives its memory back, at the first checkpoint or later."""


class Look(NamedTuple):
    """What a process holds at a moment."""

    step: int
    kilobytes: int
    threads: int
    files: int


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Train a tiny model with probes, checkpoints and W&B's files, and compare the process early and late."""
    options = {"training__steps": STEPS, "training__checkpoint_seconds": 0.5, "training__eval_every": 100}
    process = Process(train_args(place, **options, wandb__mode="offline"), place)
    looks = []
    while (step := _step(place)) < STEPS and _runs(process.pid):
        with contextlib.suppress(KeyError):  # it has just ended
            looks.append(_look(process.pid, step))
        time.sleep(0.02)
    ended = process.wait()
    early, late = (_median(looks, part) for part in (EARLY, LATE))
    count = Count("memory")
    if not (early and late) or ended.code:
        count.add("", f"{len(looks)} looks until step {_step(place)}: {ended.code} {ended.err[-300:]}")
        yield count
        return
    growth = late.kilobytes / early.kilobytes - 1
    for name, look in (("early", early), ("late", late)):
        print(f"  {name:>5}: {look.kilobytes / 1e3:.0f} MB, {look.threads} threads, {look.files} files")
    faulty = growth > GROWTH or late.threads > early.threads + POOLS or late.files > early.files + 2
    count.add(f"{STEPS} updates, {growth:+.1%} memory", f"{growth:+.1%}: {early} {late}" if faulty else "")
    yield count


def _median(looks: Sequence[Look], part: tuple[float, float]) -> Look | None:
    """Return the median of each quantity in a part of training."""
    chosen = [look for look in looks if part[0] <= look.step / STEPS < part[1]]
    return Look(*(int(statistics.median(values)) for values in zip(*chosen, strict=True))) if chosen else None


def _runs(pid: int) -> bool:
    """Say whether a child runs; one that has ended is left for its parent to wait for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _step(place: Path) -> int:
    """Return the step of the last complete record."""
    for path in place.rglob("metrics.jsonl"):
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 4000, 0))
            lines = file.read().split(b"\n")
        return json.loads(lines[-2])["step"] if len(lines) > 1 else 0
    return 0


def _look(pid: int, step: int) -> Look:
    """Return the resident kilobytes, the threads and the open files of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0])
    return Look(step, resident, int(status["Threads"]), len(os.listdir(f"/proc/{pid}/fd")))
