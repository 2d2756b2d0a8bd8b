"""The status of a sweep counts every trial once, and says what its files say."""

import math
import os
import shutil
import threading
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from research.cells import CELLS, GRU
from research.config.flags import read_flags
from research.config.naming import name_trial
from research.errors import UserError
from research.sweep import spec
from research.sweep.status import Brief, SweepStatus, Watcher, clock, describe, summarize
from research.tracking.run_directory import RunDirectory
from tests import sweeps
from tests.sweeps import METRIC, STEPS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sweeps.write_sweep(tmp_path / "gain")


def status(*directories: Path, metric: str = "", goal: str = "minimize") -> SweepStatus:
    (one,) = Watcher(directories, metric, goal).read()
    return one


def test_every_trial_is_counted_once(folder):
    found = status(folder, folder.parent, folder / "finished")
    assert found.counts == {
        **dict.fromkeys(("finished", "stopped early", "diverged", "interrupted", "damaged"), 1),
        "waiting": 3,  # two that have a run directory, and the eighth of the sweep file, which has none
    }
    assert (found.done, len(found.trials)) == (3, 8)


def test_damaged_files_are_named(folder):
    (folder / "finished" / "result.json").write_text("{}")
    (folder / "stopped" / "result.json").write_bytes(b"\xff")
    (folder / "interrupted" / "metrics.jsonl").write_text("not\na record\n")
    shutil.rmtree(folder / "waiting")
    (folder / "waiting").symlink_to(folder / "waiting")
    lines = [line for line in describe(status(folder)) if line.startswith("  damaged: ")]
    assert len(lines) == 4
    for name in ("damaged/config.json", "finished/result.json", "stopped/result.json", "interrupted/metrics.jsonl"):
        assert any(f"{folder / name}" in line for line in lines)


@pytest.mark.parametrize("text", ["[", "3", "method: grid\nparameters: {seed: {values: 3}}", "run_cap: x"])
def test_a_damaged_sweep_file_is_named_and_the_runs_are_counted(folder, text):
    (folder / "sweep.yaml").write_text(text)
    found = status(folder)
    assert len(found.trials) == 7
    assert any(line.startswith(f"  damaged: {folder}/sweep.yaml:") for line in describe(found))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_trials_without_a_folder_are_those_of_the_run_cap(folder, method):
    text = sweeps.YAML.replace("method: grid", f"method: {method}\nrun_cap: 20")
    (folder / "sweep.yaml").write_text(text)
    assert len(status(folder).trials) == 20


def test_a_sweep_that_has_no_run_yet_waits(folder):
    for path in folder.glob("*/"):
        shutil.rmtree(path)
    assert status(folder).counts == {"waiting": 8}
    (folder / "sweep.yaml").unlink()
    with pytest.raises(UserError, match="no runs in it"):
        status(folder)


def test_single_runs_are_not_the_whole_sweep(folder):
    assert [trial.name for trial in status(folder / "finished", folder / "waiting").trials] == ["finished", "waiting"]


def test_each_folder_is_a_sweep(folder):
    sweeps.write_sweep(folder.parent / "gain 2")
    assert [sweep.folder.name for sweep in Watcher([folder.parent]).read()] == ["gain", "gain 2"]


def test_the_best_trial_is_that_of_the_sweep_files_metric_and_not_diverged(folder):
    best = status(folder).best
    assert best and (best.name, best.value) == ("interrupted", 0.4)
    worst = status(folder, metric=METRIC, goal="maximize").best
    assert worst and worst.name == "stopped"
    (folder / "sweep.yaml").write_text(sweeps.YAML.replace("minimize", "maximize"))
    assert "best validation/error_rate: 0.6, stopped" in summarize(status(folder))


def test_a_metric_that_no_trial_has_or_that_is_not_a_number_is_no_best(folder):
    assert "  no trial has test/bleu yet" in [*describe(status(folder, metric="test/bleu"))]
    sweeps.finish(RunDirectory(folder / "finished"), math.nan)
    best = status(folder).best
    assert best and best.name == "interrupted"


def test_the_holder_of_the_lock_is_the_worker_and_speed_and_time_left_are_of_all_its_trials(folder):
    for name, step in (("interrupted", 80), ("waiting", 40)):
        sweeps.record(RunDirectory(folder / name), step, 0.3)
    with RunDirectory(folder / "interrupted").claimed(), RunDirectory(folder / "waiting").claimed():
        found = status(folder)
        (worker,) = found.workers
    assert found.counts["running"] == 2
    assert (worker.trials, worker.first, worker.last) == (2, 40, 80)
    assert found.updates_per_second == pytest.approx(10)
    left = 20 + 60 + 2 * STEPS  # of the two that run, and of the two that wait
    assert found.seconds_left == pytest.approx(left / 10)
    lines = [*describe(found)]
    assert "  10 updates/s, about 0:00:28 left" in lines
    assert f"  worker {worker.name}: 2 trials, steps 40 to 80, 10 updates/s" in lines


def test_a_trial_whose_process_ended_with_an_error_has_failed_until_it_runs_again(folder):
    for name in ("interrupted", "waiting"):
        RunDirectory(folder / name).fail("ValueError: no such gate")
    found = status(folder)
    assert (found.counts["failed"], found.counts["interrupted"], found.over) == (2, 0, False)
    lines = [*describe(found)]
    assert "  failed: interrupted and 1 more: ValueError: no such gate" in lines and ", 2 failed, " in lines[1]
    assert "  no process trains; the command that started them resumes" in lines
    with RunDirectory(folder / "waiting").claimed():
        assert status(folder).counts["running"] == 1


def test_without_a_record_speed_and_time_left_are_not_known(folder):
    with RunDirectory(folder / "waiting").claimed():
        found = status(folder)
    assert (found.counts["paused"], found.counts["interrupted"]) == (1, 0)  # the sweep will come back to it
    assert found.seconds_left is None
    lines = [*describe(found)]
    assert "  speed not known yet" in lines and lines[-2].endswith(": 1 trial, step 0")


def test_a_time_limit_ends_before_the_steps(folder):
    run = sweeps.create(folder, "limited")
    text = run.config_file.read_text().replace('"training.max_seconds": 0.0', '"training.max_seconds": 6.0')
    run.config_file.write_text(text)
    sweeps.record(run, 40, 0.5)  # in 4 of 6 seconds
    assert next(trial.left for trial in status(folder).trials if trial.name == "limited") == pytest.approx(20)


def test_only_the_end_of_the_records_is_read_and_an_incomplete_line_is_skipped(folder, monkeypatch):
    monkeypatch.setattr("research.sweep.status.TAIL", 200)
    run = RunDirectory(folder / "interrupted")
    path = run.path / "metrics.jsonl"
    path.write_text("damaged\n" * 10 + path.read_text())
    sweeps.record(run, 70, 0.35)
    path.write_text(path.read_text() + '{"step": 71, "tr')
    (trial,) = (trial for trial in status(folder).trials if trial.name == "interrupted")
    assert (trial.step, trial.value, trial.fault) == (70, 0.35, "")


def test_a_run_of_another_user_is_damaged(folder, monkeypatch):
    def refuse(run: RunDirectory) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(RunDirectory, "holder", refuse)
    found = status(folder)
    assert found.counts["damaged"] == 4
    assert f"  damaged: {folder}/waiting: cannot be read: Permission denied" in [*describe(found)]


def test_a_result_is_read_once_and_again_when_it_has_changed(folder):
    watcher = Watcher([folder])
    watcher.read()
    result = folder / "finished" / "result.json"
    stat = result.stat()
    text = result.read_text()
    result.write_text(text.replace("0.5", "0.2"))
    os.utime(result, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (found,) = watcher.read()
    assert found.best and found.best.value == 0.4
    os.utime(result, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    (found,) = watcher.read()
    assert found.best and found.best.value == 0.2


def test_who_looks_never_keeps_a_process_from_its_trial(folder):
    stop, watcher = threading.Event(), Watcher([folder])

    def look() -> None:
        while not stop.is_set():
            watcher.read()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            with RunDirectory(folder / "waiting").claimed():
                pass
    finally:
        stop.set()
        thread.join()


def test_a_trial_that_ends_while_it_is_looked_at_is_finished(folder, monkeypatch):
    def released(run: RunDirectory) -> None:
        if run.path.name == "interrupted":
            sweeps.finish(run, 0.4)

    monkeypatch.setattr(RunDirectory, "holder", released)
    assert status(folder).counts["finished"] == 2


def test_a_progress_bar_gets_a_few_words_that_are_read_again_after_a_while(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("research.sweep.status.time", SimpleNamespace(monotonic=lambda: now[0]))
    brief = Brief(folder)
    assert brief() == "3 of 8 done, 1 diverged, best validation/error_rate 0.4"
    sweeps.finish(RunDirectory(folder / "waiting"), 0.3)
    assert brief().startswith("3 of 8")
    now[0] = 11.0
    assert brief() == "4 of 8 done, 1 diverged, best validation/error_rate 0.3"
    assert Brief(folder / "nowhere")() == ""


def test_durations_are_written_as_hours_minutes_and_seconds():
    assert [clock(seconds) for seconds in (0.4, 75, 360_000)] == ["0:00:00", "0:01:15", "100:00:00"]


def test_trials_that_wait_do_not_start_once_the_target_is_met(folder):
    assert not status(folder).over
    (folder / "sweep.yaml").write_text(sweeps.YAML.replace("minimize", "minimize, target: 0.4"))
    shutil.rmtree(folder / "damaged")
    assert status(folder).target_met and not status(folder).over  # one is interrupted
    assert "  no process trains; the command that started them resumes" in [*describe(status(folder))]
    result = RunDirectory(folder / "finished").result() or {}
    RunDirectory(folder / "interrupted").finish({**result, "summary": {**result["summary"], METRIC: 0.4}})
    found = status(folder)
    assert found.over and found.counts["waiting"]
    assert "  the target of 0.4 is met, so those that wait do not start" in [*describe(found)]


@pytest.mark.parametrize("method", ["grid", "bayes\nrun_cap: 8"])
def test_runs_that_are_not_of_the_sweep_do_not_count(tmp_path, method):
    (tmp_path / "sweep.yaml").write_text(sweeps.YAML.replace("grid", method))
    for flags, error in (("--init.gain=1.0 --seed=1", 0.3), ("--init.gain=1.0 --seed=1 --training.steps=5", 0.1)):
        name, config = name_trial("gradient_norms", read_flags(["--setting=adding_50", *flags.split()]))
        sweeps.finish(RunDirectory.create(tmp_path / name, config), error)
    found = status(tmp_path)
    assert (found.done, len(found.trials), found.outside) == (1, 8, 1)
    assert found.best and found.best.value == 0.3
    assert "  not of the sweep, and not counted: 1 run" in describe(found)
    assert len(status(*tmp_path.glob("*/")).trials) == 2  # those that are named count


def test_trials_with_a_class_that_is_not_imported_are_of_the_sweep(tmp_path, monkeypatch):
    (tmp_path / "sweep.yaml").write_text(f"{sweeps.YAML}  cell.name: {{values: [gru, mine]}}\n")
    with monkeypatch.context() as imported:
        imported.setitem(CELLS, "mine", make_dataclass("Mine", [("name", str, "mine")], bases=(GRU,), frozen=True))
        for name, config in spec.read(tmp_path / "sweep.yaml").trials:
            sweeps.finish(RunDirectory.create(tmp_path / name, config), 0.3)
    found = status(tmp_path)
    assert (found.done, len(found.trials), found.outside) == (16, 16, 0)
