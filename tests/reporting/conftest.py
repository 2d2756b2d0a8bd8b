"""Run directories as the trainer leaves them, with every way in which a trial can end."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.config.config import Config
from research.config.experiment import Column, Experiment, load
from research.config.flat import override
from research.probes.gradient_flow import summarize
from research.reporting import runs
from research.reporting.comparison import Comparison, compare, read, rebuild_tasks
from research.reporting.runs import SweepFile
from research.reporting.tables import Table, table
from research.tracking.run_directory import RunDirectory
from tests.words import WORDS

FACTORS = {"rnn gain 0.9": 0.5, "rnn gain 1.2": 2.5, "lstm bias 1": 0.97, "gru chrono": 0.999}
"""Variants and what a step back multiplies the norm by: 0 after some steps, inf after some, and two that survive."""
H, C = "encoder/layer_1/forward/h", "encoder/layer_1/forward/c"


def write(path: Path, config: Config, **summary: float) -> RunDirectory:
    """Write a finished run of that config."""
    run = RunDirectory.create(path, config)
    run.finish({"status": "finished", "summary": summary})
    return run


NUMBERS = itertools.count()


class Scored(RunDirectory):
    """A run that is not on disk, with numerators [N] and denominators [N] of metrics by test example."""

    def __init__(self, **scores: tuple[np.ndarray, np.ndarray]) -> None:
        """Take the scores by metric."""
        super().__init__(Path(f"scored-{next(NUMBERS)}"))
        object.__setattr__(self, "scores", scores)

    def test_examples(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the scores."""
        return self.scores  # pyright: ignore[reportAttributeAccessIssue]


def profile(factor: float, seed: int, steps: int = 150) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (0.3 * (factor * (1 + 0.01 * seed)) ** np.arange(steps - 1.0, -1, -1)).astype(np.float32)


@pytest.fixture(scope="session")
def gradient_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four variants, two settings, three seeds; one trial is unfinished and one diverged. Not to be written to."""
    experiment = load("gradient_norms")
    root = tmp_path_factory.mktemp("runs") / "gradient_norms"
    for setting in ("mnist_196", "adding_200"):
        for variant, factor in FACTORS.items():
            for seed in range(3):
                changes = {"seed": seed, "experiment": "gradient_norms"}
                config = override(experiment.config(setting, variant), changes)
                run = RunDirectory.create(root / f"{setting}-{variant}-{seed}", config)
                for step in (0, 50, 100):
                    run.append("gradient_flow", {"step": step, H: profile(factor, seed), C: profile(factor, seed)})
                if (setting, variant, seed) == ("adding_200", "gru chrono", 2):
                    continue
                diverged = (setting, variant, seed) == ("mnist_196", "rnn gain 1.2", 1)
                if diverged:
                    run.append("gradient_flow", {"step": 150, H: np.full(150, np.inf), C: np.full(150, np.inf)})
                numbers = {f"gradient/initial/{H}/{key}": v for key, v in summarize(profile(factor, seed)).items()}
                summary = numbers | {"test/accuracy": 0.9 + 0.01 * seed}
                status = "diverged" if diverged else "finished"
                run.finish({"status": status, "summary": summary, "profiles": {"gradient_flow": H}})
    return root


def word_runs(root: Path, experiment: str, rows: Mapping[str, tuple[float, Mapping[str, Any]]]) -> Path:
    """Write three seeds for each row, from an error and options, with errors by word length and by position."""
    for name, (error, options) in rows.items():
        for seed in range(3):
            changes = {"experiment": experiment, **WORDS, "seed": seed, **options}
            run = RunDirectory.create(root / f"{name}-{seed}", override(Config(), changes))
            free = [error * (1 + 0.01 * seed) * factor for factor in (1.0, 1.0, 1.2, 2.0, 2.0)]
            rates = {"free_running_error_rate": free, "teacher_forced_error_rate": [rate / 2 for rate in free]}
            references = ("count", "teacher_forced_references", "free_running_references")
            counts = {column: [90, 90, 90, 30, 6] for column in references}
            errors = {"free_running": free[1], "teacher_forced": free[1] / 2}
            result = {
                "status": "finished",
                "summary": {f"test/{kind}/edit_error_rate": error for kind, error in errors.items()},
                "by_length": {"length": [1, 4, 5, 14, 17], "count": [3, 40, 60, 15, 6], **rates},
                "by_position": {"position": [1, 2, 3, 4, 5], **counts, **rates},
            }
            run.finish(result)
    return root


@pytest.fixture
def attention_runs(tmp_path: Path) -> Path:
    rows = {name: (error, {"attention.name": name}) for name, error in {"additive": 0.05, "none": 0.1}.items()}
    return word_runs(tmp_path / "attention", "attention", rows)


@pytest.fixture
def forcing_runs(tmp_path: Path) -> Path:
    """Four ratios, a schedule, and one ratio with another feedback."""
    schedule = "teacher_forcing.schedule"
    constant = {schedule: "constant"}
    rows = {
        "always": (0.05, {schedule: "always"}),
        "ratio 0.75": (0.06, constant | {"teacher_forcing.ratio": 0.75}),
        "ratio 0.5": (0.07, constant | {"teacher_forcing.ratio": 0.5}),
        "never": (0.1, {schedule: "never"}),
        "linear": (0.2, {schedule: "linear"}),
        "ratio 0.5 sampled": (0.3, constant | {"teacher_forcing.ratio": 0.5, "teacher_forcing.feedback": "sample"}),
    }
    named = {name: (error, options | {"variant": name}) for name, (error, options) in rows.items()}
    return word_runs(tmp_path / "teacher_forcing", "teacher_forcing", named)


def compared(root: Path) -> Comparison:
    """Return the one comparison of the runs in a directory, all of which can be read."""
    (comparison,), faults = read([root])
    assert not faults
    return comparison


def grouped(root: Path, experiment: Experiment, *sweeps: SweepFile) -> Comparison:
    """Group the runs of a directory under an experiment declared in the test."""
    trials, faults = runs.read([root])
    trials["task"] = rebuild_tasks(trials, faults)
    assert not faults
    return compare("test", experiment, trials, sweeps)


@pytest.fixture
def gradient_table(gradient_runs: Path) -> Table:
    return table(compared(gradient_runs))


def comparable(root: Path, levels: Mapping[str, float], seeds: int, *more: Column, **summary: float) -> Table:
    """Return a table of a cell for each level of accuracy."""
    noise = np.random.default_rng(0).normal(0, 0.001, (len(levels), seeds))
    for (cell, level), row in zip(levels.items(), noise, strict=True):
        for seed, shift in enumerate(row):
            config = override(Config(), {"cell.name": cell, "seed": seed})
            write(root / f"{cell}-{seed}", config, **{"test/accuracy": level + shift, **summary})
    columns = (Column("accuracy", "test/accuracy", unit="%"), Column("size", "model/parameters"), *more)
    return table(grouped(root, Experiment(claim="c", base=Config(), columns=columns)))
