"""Memory, threads and open files over many updates with everything on: flat within 2%."""

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from drills.commands import Process, train_args
from drills.count import Count

STEPS = 20_000
GROWTH = 0.02
POOLS = 16
"""Threads by which pools may still grow."""


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Train a tiny model with probes, checkpoints and W&B's files, and look at the process at 10% and 100%."""
    options = {"training__steps": STEPS, "training__checkpoint_seconds": 2, "training__eval_every": 100}
    process = Process(train_args(place, **options, wandb__mode="offline"), place)
    at: dict[int, tuple[int, int, int]] = {}
    for percent in (10, 100):
        while (step := _step(place)) < STEPS * percent // 100 - (10 if percent == 100 else 0):
            if not Path(f"/proc/{process.pid}/fd").exists() or os.waitpid(process.pid, os.WNOHANG)[0]:
                yield Count("memory", faults=[f"ended at step {step}"])
                return
            time.sleep(0.02)
        at[percent] = _look(process.pid)
    ended = process.wait()
    count = Count("memory")
    (kilobytes, threads, files), (kilobytes_after, threads_after, files_after) = at[10], at[100]
    growth = kilobytes_after / kilobytes - 1
    print(f"  10%: {kilobytes / 1e3:.0f} MB, {threads} threads, {files} files")
    print(f" 100%: {kilobytes_after / 1e3:.0f} MB, {threads_after} threads, {files_after} files")
    faulty = growth > GROWTH or threads_after > threads + POOLS or files_after > files + 2 or ended.code
    count.add(f"{STEPS} updates, {growth:+.1%} memory", f"{ended.code}: {at} {ended.err[-300:]}" if faulty else "")
    yield count


def _step(place: Path) -> int:
    """Return the step of the last complete record."""
    for path in place.rglob("metrics.jsonl"):
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 4000, 0))
            lines = file.read().split(b"\n")
        return json.loads(lines[-2])["step"] if len(lines) > 1 else 0
    return 0


def _look(pid: int) -> tuple[int, int, int]:
    """Return the resident kilobytes, the threads and the open files of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), int(status["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))
