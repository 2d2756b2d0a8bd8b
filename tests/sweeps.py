"""The folder of a sweep, with a trial in every state, as launchers leave it."""

import math
from pathlib import Path

from research.tracking.run_directory import RunDirectory

METRIC = "validation/error_rate"
STEPS = 100
YAML = f"""\
name: gain
program: experiments/gradient_norms.py
method: grid
metric: {{name: {METRIC}, goal: minimize}}
parameters:
  setting: {{value: adding_50}}
  init.gain: {{values: [0.8, 0.9, 1.0, 1.1]}}
  seed: {{values: [0, 1]}}
"""
"""A sweep of 8 trials."""


def create(folder: Path, name: str) -> RunDirectory:
    """Write a trial that has not started."""
    config = {"experiment": "gradient_norms", "training.steps": STEPS, "training.max_seconds": 0.0, "cell.name": name}
    return RunDirectory.create(folder / name, config)


def record(run: RunDirectory, step: int, error: float) -> RunDirectory:
    """Append what the trainer records after some updates: ten of them take a second, and then an evaluation."""
    run.append("metrics", {"step": step, "train/loss": 1.0, "train/seconds": step / 10})
    run.append("metrics", {"step": step, METRIC: error, "train/seconds": step / 10})
    return run


def finish(run: RunDirectory, error: float, status: str = "finished", **result: object) -> RunDirectory:
    """Write the result of a trial."""
    run.finish({"status": status, "summary": {METRIC: error}, "steps": STEPS, **result}, ["metrics"])
    return run


def write_sweep(folder: Path) -> Path:
    """Write seven of eight trials: one finished, stopped, diverged, interrupted and damaged, two waiting."""
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(YAML)
    finish(record(create(folder, "finished"), STEPS, 0.5), 0.5)
    finish(record(create(folder, "stopped"), 40, 0.6), 0.6, stopped_early={"step": 40})
    finish(record(create(folder, "diverged"), 20, 0.1), 0.1, "diverged", diverged_because="the loss is inf")
    record(record(create(folder, "interrupted"), 20, math.inf), 60, 0.4)
    create(folder, "waiting")
    create(folder, "waiting too")
    (create(folder, "damaged").path / "config.json").write_text('{"schema": 2,')
    return folder
