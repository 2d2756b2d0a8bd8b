"""A limit of time ends a training at a complete record; only updates count, and as many steps give the same numbers."""

import contextlib
import json
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from research.tracking.progress import ProgressBar
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, loop, stopwatch, trainer
from research.training.loader import Loader
from research.training.stopwatch import Stopwatch
from research.training.trainer import train_trials
from research.training.trial import TrialResult
from tests.training.trials import (
    TRIALS,
    assert_equal,
    assert_same_run,
    counting_compilations,
    final_state,
    finished,
    of,
    record_lines,
    record_of,
)

TIMED = of(cell__name="rnn", training__steps=1000, training__max_seconds=4.5, training__eval_every=4)
ENDS = 6  # a call of the program a second: two in each record, the last update's profile being one


@pytest.fixture
def ticking(monkeypatch) -> None:
    """Each call of a program takes a second."""
    now = iter(range(10**6))
    monkeypatch.setattr(stopwatch, "time", types.SimpleNamespace(monotonic=lambda: float(next(now))))


@pytest.fixture
def shown(monkeypatch) -> list[float]:
    """What progress bars are told: what there is to do, and what is done of it."""
    told = [0.0, 0.0]
    monkeypatch.setattr(ProgressBar, "expect", lambda _, total: told.__setitem__(0, total))
    monkeypatch.setattr(ProgressBar, "advance", lambda _, amount: told.__setitem__(1, told[1] + amount))
    return told


def assert_same_but_for_seconds(timed: Path, steps: Path) -> None:
    """Means over the updates of two calls are rounded otherwise than those over the same updates of one."""
    ours, theirs = record_of(timed), record_of(steps)
    metrics = [[json.loads(line) for line in record.pop("metrics").splitlines()] for record in (ours, theirs)]
    assert ours == theirs
    assert metrics[0] == [pytest.approx(line, rel=1e-6) for line in metrics[1]]


@contextlib.contextmanager
def compilations_of_timed_calls() -> Iterator[list[int]]:
    """How many programs are compiled in each call that a stopwatch times."""
    with counting_compilations() as compilations, pytest.MonkeyPatch.context() as patch:
        real, compiled = Stopwatch.time, []

        def time_and_count(*arguments: Any) -> Any:
            before = len(compilations)
            found = real(*arguments)
            compiled.append(len(compilations) - before)
            return found

        patch.setattr(Stopwatch, "time", time_and_count)
        yield compiled


def test_to_compile_does_not_count_as_training(tmp_path):
    with compilations_of_timed_calls() as compiled:
        train_trials([("trial", of(TIMED, training__steps=4, training__max_seconds=0.0))], tmp_path)
    assert compiled and sum(compiled) == 0


def test_seconds_and_speed_of_training_are_of_updates_without_evaluating_and_saving(tmp_path, monkeypatch):
    clock, calls = [0.0], []

    def slow(owner: Any, name: str, seconds: float) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any) -> Any:
            clock[0] += seconds
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(owner, name, call)

    monkeypatch.setattr(stopwatch, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    slow(Loader, "run", 1.0)
    slow(loop, "evaluate", 100.0)
    slow(checkpoint, "save", 100.0)
    train_trials([("trial", of(TIMED, training__steps=4, training__eval_every=2, training__max_seconds=0.0))], tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "trial" / "metrics.jsonl").read_text().splitlines()]
    assert calls == ["run", "run", "evaluate", "save", "run", "run", "evaluate", "evaluate", "save"]
    assert [line["train/seconds"] for line in lines] == [1.0, 1.0, 3.0, 3.0]
    result = RunDirectory(tmp_path / "trial").result()
    assert result is not None and result["summary"]["train/steps_per_second"] == 4 / 3


@pytest.mark.usefixtures("ticking")
def test_a_budget_of_time_gives_the_numbers_of_as_many_steps_also_where_it_is_resumed(tmp_path, monkeypatch, shown):
    with compilations_of_timed_calls() as compiled:
        train_trials([("trial", TIMED)], tmp_path / "timed")
    assert compiled == [0] * ENDS
    assert shown[1] == pytest.approx(shown[0]) and shown[0] > 0
    of_steps = of(TIMED, training__steps=ENDS, training__max_seconds=0.0)
    train_trials([("trial", of_steps)], tmp_path / "steps")
    timed, steps = tmp_path / "timed" / "trial", tmp_path / "steps" / "trial"
    assert_same_but_for_seconds(timed, steps)
    assert_equal(final_state(timed, TIMED), final_state(steps, of_steps))
    seconds = [json.loads(line)["train/seconds"] for line in (timed / "metrics.jsonl").read_text().splitlines()]
    assert seconds == [2.0, 4.0, 4.0, 6.0, 6.0]  # two are evaluations
    assert record_lines(timed, "gradient_flow") == [0, 4, 5]
    result = RunDirectory(timed).result()
    assert result is not None and (result["steps"], result["summary"]["train/seconds"]) == (ENDS, 6.0)

    for name, lost in (("killed while it saves", "6"), ("killed before it says so", "")):
        again = Path(shutil.copytree(timed, tmp_path / name / "trial"))
        (again / "result.json").unlink()
        if lost:
            shutil.rmtree(again / "checkpoint" / lost)
        shown[:] = [0.0, 0.0]
        train_trials([("trial", TIMED)], tmp_path / name)
        assert_same_run(again, timed, TIMED)
        assert shown[1] == pytest.approx(shown[0])


@pytest.mark.usefixtures("ticking")
def test_a_diverged_trial_does_not_sit_out_its_time(tmp_path, shown):
    config = of(TRIALS["huge"], training__steps=10**6, training__max_seconds=60.0)
    (result,) = train_trials([("huge", config)], tmp_path)
    found = RunDirectory(tmp_path / "huge").result()
    assert result.status == "diverged" and found is not None
    last = RunDirectory(tmp_path / "huge").records("metrics")[-1]["step"]  # of the whole pack
    assert found["steps"] == found["diverged_at"] - 1
    assert found["diverged_at"] <= last < found["diverged_at"] + config.training.log_every
    assert shown[1] == pytest.approx(shown[0])


def test_trials_with_a_budget_of_time_are_trained_one_after_the_other(tmp_path, monkeypatch):
    groups: list[list[str]] = []

    def train_group(trials: Any, *_: Any) -> list[TrialResult]:
        groups.append([trial.name for trial in trials])
        return finished(trials)

    monkeypatch.setattr(trainer, "_train_group", train_group)
    timed = [(f"timed{seed}", of(TIMED, seed=seed)) for seed in (0, 1)]
    train_trials([*timed, *((name, TRIALS[name]) for name in ("rnn0", "rnn1"))], tmp_path)
    assert groups == [["timed0"], ["timed1"], ["rnn0", "rnn1"]]
