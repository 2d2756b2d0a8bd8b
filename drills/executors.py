"""Kill workers and launchers of a sweep that chooses and stops trials; every trial ends once, with the same numbers.

`bayes` and Hyperband decide by the records of other trials, so a lost or doubled one would change all that follows.
Workers of Ray, jobs of Slurm (as processes of this machine) and two launchers on one folder share the trials.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drills.commands import TINY
from drills.count import Count
from drills.kills import trained
from research.tracking.run_directory import RunDirectory

KILLS = {"launcher": (1, 20), "two launchers": (1, 10), "worker of ray": (1, 10)}
"""Kills in a small and in a full drill."""
FLAGS = {
    "launcher": ["--pack-size=4"],
    "two launchers": ["--pack-size=2"],
    "worker of ray": ["--executor=ray", "--pack-size=2"],
}
POLL_SECONDS, MOST_SECONDS = 0.02, 600.0
LINES = (
    "method: bayes",
    "program: experiments/gradient_norms.py",
    "run_cap: 14",
    "metric: {name: validation/loss}",
    "early_terminate: {type: hyperband, min_iter: 2, eta: 2}",
    "parameters:",
    "  optimizer.learning_rate: {distribution: log_uniform_values, min: 1.0e-4, max: 1.0e-1}",
)


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Kill each kind of process."""
    path = place / "some.yaml"
    values = {**TINY, "training.steps": 400, "training.eval_every": 20, "training.checkpoint_seconds": 0.1}
    path.write_text("\n".join([*LINES, *(f"  {key}: {{value: {value}}}" for key, value in values.items())]))
    started = time.monotonic()
    whole = start(path, place / "whole", "launcher")
    whole.wait(MOST_SECONDS)
    seconds, expected = time.monotonic() - started, trained(place / "whole")
    for name, kills in KILLS.items():
        count = Count(f"executors: {name}")
        for number in range(kills[full]):
            folder = place / f"{name.replace(' ', '_')}_{number}"
            count.add(*kill(name, path, folder, rng.uniform(0.2, 1.0) * seconds, expected))
        yield count


def start(path: Path, folder: Path, name: str) -> "subprocess.Popen[str]":
    """Start a launcher of the sweep."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "research", "sweep", str(path), f"--runs-dir={folder}", *FLAGS[name]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill(name: str, path: Path, folder: Path, moment: float, expected: Any) -> tuple[str, str]:
    """Kill a process after so many seconds, or as soon as there is one; return how it ended, and what is wrong."""
    processes = [start(path, folder, name) for _ in range(1 + (name == "two launchers"))]
    time.sleep(moment)
    victim = processes[0].pid if name != "worker of ray" else _worker(processes[0], folder)
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL) if victim else None
    ends = [(process.wait(MOST_SECONDS), process.communicate()[1]) for process in processes]
    if name == "launcher":
        again = start(path, folder, name)
        ends = [(again.wait(MOST_SECONDS), again.communicate()[1])]
    code, said = ends[-1]
    if code:
        return "", f"after {moment:.2f} s: exit code {code}: {said[-300:]}"
    if trained(folder) != expected:
        return "", f"after {moment:.2f} s: other results than undisturbed"
    return "killed, and every trial ended alike" if victim else "ended before it was killed", ""


def _worker(launcher: "subprocess.Popen[str]", folder: Path) -> int:
    """Return the process id of a worker that trains; 0 if the sweep ends before there is one."""
    while launcher.poll() is None:
        holders = {RunDirectory(path.parent).holder() for path in folder.glob("*/*/metrics.jsonl")} - {None}
        if pids := sorted(int(str(holder).split()[1]) for holder in holders):
            return pids[0]
        time.sleep(POLL_SECONDS)
    return 0
