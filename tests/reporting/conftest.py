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


def word_runs(root: Path, experiment: str, rows: Mapping[str, tuple[float, Mapping[str, Any]]]) -> Path:
    """Three seeds for each row, from an error and options, with errors by word length and by position."""
    for name, (error, options) in rows.items():
        for seed in range(3):
            changes = {"experiment": experiment, "task.name": "pronunciation", "seed": seed, **options}
            run = RunDirectory.create(root / f"{name}-{seed}", override(Config(), changes))
            free = [error * (1 + 0.01 * seed) * factor for factor in (1.0, 1.0, 1.2, 2.0, 2.0)]
            rates = {"free_running": free, "teacher_forced": [rate / 2 for rate in free]}
            counts = {name: [90, 90, 90, 30, 6] for name in ("count", "forced_references", "references")}
            result = {
                "status": "finished",
                "summary": {"eval/free_running/error_rate": free[1], "eval/teacher_forced/error_rate": free[1] / 2},
                "by_length": {"length": [1, 4, 5, 14, 17], "count": [3, 40, 60, 15, 6], **rates},
                "by_position": {"position": [1, 2, 3, 4, 5], **counts, **rates},
            }
            run.finish(result)
    return root


@pytest.fixture
def attention_runs(tmp_path: Path) -> Path:
    rows = {name: (error, {"model.attention": name}) for name, error in {"additive": 0.05, "none": 0.1}.items()}
    return word_runs(tmp_path / "attention", "attention", rows)


@pytest.fixture
def forcing_runs(tmp_path: Path) -> Path:
    """Four ratios, a schedule, and one ratio with another feed."""
    constant = {"forcing.policy": "constant"}
    rows = {
        "always": (0.05, {"forcing.policy": "always"}),
        "ratio 0.75": (0.06, constant | {"forcing.ratio": 0.75}),
        "ratio 0.5": (0.07, constant | {"forcing.ratio": 0.5}),
        "never": (0.1, {"forcing.policy": "never"}),
        "linear": (0.2, {"forcing.policy": "linear"}),
        "ratio 0.5 sampled": (0.3, constant | {"forcing.ratio": 0.5, "forcing.feed": "sample"}),
    }
    named = {name: (error, options | {"arm": name}) for name, (error, options) in rows.items()}
    return word_runs(tmp_path / "teacher_forcing", "teacher_forcing", named)


@pytest.fixture
def grouped() -> Callable[..., Any]:
    """Groups the runs of a directory under an experiment made for the test."""
    from research.reporting.aggregate import Trial, group

    def of(root: Path, experiment: Experiment):
        return group("test", experiment, [Trial(run, run.options(), run.result()) for run in find(root)])

    return of
