"""Run directories as the trainer leaves them, with every way in which a trial can go."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.config import Config
from research.dotted import override
from research.experiment import Experiment, load
from research.probes.gradient_flow import summarise
from research.tracking.runs import RunDirectory, find

FACTORS = {"rnn gain 0.9": 0.5, "rnn gain 1.2": 2.5, "lstm bias 1": 0.97, "gru chrono": 0.999}
"""Arms and what a step back multiplies the norm by: 0 after some steps, inf after some, and two that survive."""


def profile(factor: float, seed: int, steps: int = 150) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (0.3 * (factor * (1 + 0.01 * seed)) ** np.arange(steps - 1.0, -1, -1)).astype(np.float32)


@pytest.fixture
def gradient_runs(tmp_path: Path) -> Path:
    """Four arms, two settings, three seeds; one trial is unfinished and one diverged."""
    experiment = load("gradient_norms")
    root = tmp_path / "gradient_norms"
    for setting in ("mnist_196", "adding_200"):
        for arm, factor in FACTORS.items():
            for seed in range(3):
                config = override(experiment.config(setting, arm), {"seed": seed})
                run = RunDirectory.create(root / f"{setting}-{arm}-{seed}", config)
                for step in (0, 50, 100):
                    run.append("gradient_flow", {"step": step, "h": profile(factor, seed), "c": profile(factor, seed)})
                if (setting, arm, seed) == ("adding_200", "gru chrono", 2):
                    continue
                diverged = (setting, arm, seed) == ("mnist_196", "rnn gain 1.2", 1)
                if diverged:
                    run.append("gradient_flow", {"step": 150, "h": np.full(150, np.nan), "c": np.full(150, np.nan)})
                numbers = {f"gradient/initial/{key}": v for key, v in summarise(profile(factor, seed)).items()}
                summary = numbers | {"eval/accuracy": 0.9 + 0.01 * seed}
                run.finish({"status": "diverged" if diverged else "finished", "summary": summary})
    return root


def word_runs(root: Path, experiment: str, key: str, errors: Mapping[Any, float], **fixed: Any) -> Path:
    """Three seeds for each value of the key, with errors by word length."""
    for value, error in errors.items():
        for seed in range(3):
            fixed = {name.replace("__", "."): option for name, option in fixed.items()}
            changes = {"experiment": experiment, "task.name": "pronunciation", "seed": seed, key: value, **fixed}
            run = RunDirectory.create(root / f"{value}-{seed}", override(Config(), changes))
            free = [error * (1 + 0.01 * seed) * factor for factor in (1.0, 1.0, 1.2, 2.0, 2.0)]
            table = {"length": [1, 4, 5, 14, 17], "count": [3, 40, 60, 15, 6], "free_running": free}
            summary = {"eval/free_running/error_rate": free[1], "eval/teacher_forced/error_rate": free[1] / 2}
            by_length = table | {"teacher_forced": [rate / 2 for rate in free]}
            run.finish({"status": "finished", "summary": summary, "by_length": by_length})
    return root


@pytest.fixture
def attention_runs(tmp_path: Path) -> Path:
    return word_runs(tmp_path / "attention", "attention", "model.attention", {"additive": 0.05, "none": 0.1})


@pytest.fixture
def forcing_runs(tmp_path: Path) -> Path:
    root = tmp_path / "teacher_forcing"
    return word_runs(root, "teacher_forcing", "forcing.ratio", {0.0: 0.1, 1.0: 0.05}, forcing__policy="constant")


@pytest.fixture
def grouped() -> Callable[..., Any]:
    """Groups the runs of a directory under an experiment made for the test."""
    from research.reporting.aggregate import Trial, group

    def of(root: Path, experiment: Experiment):
        return group("test", experiment, [Trial(run, run.options(), run.result()) for run in find(root)])

    return of
