"""A dry run says what a sweep would do, and does nothing of it."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest
import yaml

from research.cli import main as cli
from research.errors import UserError
from research.sweep import plan, spec
from research.sweep.plan import Measurement, Plan
from research.tracking.run_directory import RunDirectory
from research.training.trial import Trial
from tests.sweep.conftest import content
from tests.tasks.streams import OnDisk
from tests.training import trials as configs

SMALL = {
    "setting": {"value": "adding_50"},
    "task.length": {"value": 4},
    "model.hidden_size": {"value": 3},
    "training.batch_size": {"value": 2},
    "training.steps": {"value": 40},
}
CELLS = {"cell.name": {"values": ["rnn", "gru"]}, "init.gain": {"values": [0.9, 1.1]}, "seed": {"values": [0, 1]}}


def write(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "gain.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def read(tmp_path: Path, parameters: dict[str, Any] = CELLS, **changes: Any) -> spec.Sweep:
    return spec.read(write(tmp_path, content({**SMALL, **parameters}, **changes)))


@pytest.fixture
def measured(monkeypatch) -> list[list[str]]:
    """Packs that were measured: an update of a trial takes 0.1 s, a compilation 5 s."""
    packs: list[list[str]] = []

    def measure(trials: list[Trial], peers: int) -> Measurement:
        assert peers == 4 or len(trials) in (1, 2, 10)
        packs.append([trial.name for trial in trials])
        return Measurement(compile_seconds=5.0, update_seconds=0.1, updates=8, memory=3 * 2**20)

    monkeypatch.setattr(plan, "_measure", measure)
    return packs


def finish(found: Plan, directory: Path, speed: float = 20.0, count: int | None = None) -> None:
    for trial in [trial for pack in found.packs for trial in pack][:count]:
        run = RunDirectory.create(directory / trial.name, trial.config)
        run.finish({"status": "finished", "summary": {"train/steps_per_second": speed}})


def test_trials_packs_programs_time_and_memory_are_told(tmp_path, measured):
    lines = [*plan.describe(plan.make(read(tmp_path), tmp_path / "runs", pack_size=3))]
    assert lines[0] == "gain: 8 trials"
    assert len([line for line in lines if line.startswith("  adding_50-")]) == 3
    assert lines[4:] == [
        "  and 5 more",
        "packs      2 of 3 trials, 2 of 1 trial",
        "devices    2 (cpu): of a pack of 3, up to 2 trials on each",
        "programs   2 to compile, of 2 kinds",
        "time       about 0:00:32 of training and 0:00:10 of compilation, on this machine",
        "           timed here: 8 updates of one pack of each of 2 kinds",
        "           evaluation and saving come on top",
        lines[-1],
    ]
    assert lines[-1].startswith("memory     3 MiB on each device")
    assert [len(pack) for pack in measured] == [3, 3]


def test_finished_trials_are_not_planned_and_tell_the_speed(tmp_path, measured):
    sweep, runs = read(tmp_path), tmp_path / "runs"
    finish(plan.make(sweep, runs), runs, count=1)  # an rnn
    lines = [*plan.describe(plan.make(sweep, runs))]
    assert lines[0] == "gain: 8 trials, 1 of them done"
    assert "packs      1 of 4 trials, 1 of 3 trials" in lines
    assert (
        "time       about 0:00:22 of training and 0:00:10 of compilation, on this machine" in lines
    )  # 3 x 40 / 20 + 4 x 40 x 0.1
    assert "           from finished runs: 1 kind" in lines
    assert len(measured) == 1 and "gru" in measured[0][0]


def test_a_sweep_that_is_done_has_nothing_to_measure_but_with_rerun(tmp_path, measured):
    sweep, runs = read(tmp_path), tmp_path / "runs"
    finish(plan.make(sweep, runs), runs)
    assert [*plan.describe(plan.make(sweep, runs))] == ["gain: 8 trials, 8 of them done"]
    lines = [*plan.describe(plan.make(sweep, runs, rerun=True))]
    assert "time       about 0:00:16 of training and compilation, on this machine" in lines
    assert "memory     not known: no program was compiled" in lines
    assert not measured


def test_after_a_minute_the_mean_stands_for_the_other_kinds(tmp_path, measured, monkeypatch):
    monkeypatch.setattr(plan, "MEASURE_SECONDS", -1.0)
    lines = [*plan.describe(plan.make(read(tmp_path), tmp_path / "runs"))]
    assert len(measured) == 1
    assert "           not timed: 1 kind, taken as the mean of the others" in lines
    assert "time       about 0:00:32 of training and 0:00:10 of compilation, on this machine" in lines


def test_programs_of_a_kind_are_measured_once(tmp_path, measured):
    parameters = {"cell.name": {"value": "rnn"}, "training.log_every": {"values": [10, 20]}}
    lines = [*plan.describe(plan.make(read(tmp_path, parameters), tmp_path / "runs"))]
    assert "programs   2 to compile, of 1 kind" in lines
    assert len(measured) == 1


def test_a_time_limit_bounds_the_time(tmp_path, measured):
    parameters = {**CELLS, "training.max_seconds": {"value": 1.5}, "schedule.name": {"value": "constant"}}
    lines = [*plan.describe(plan.make(read(tmp_path, parameters), tmp_path / "runs"))]
    assert any(line.startswith("time       about 0:00:12 of training") for line in lines)


def test_bayes_plans_its_first_round_and_estimates_all(tmp_path, measured):
    parameters = {"cell.name": {"value": "rnn"}, "optimizer.learning_rate": {"min": 0.001, "max": 0.1}}
    bayes = {"method": "bayes", "run_cap": 20, "metric": {"name": "train/loss"}}
    lines = [*plan.describe(plan.make(read(tmp_path, parameters, **bayes), tmp_path / "runs"))]
    assert lines[0] == "gain: 20 trials"
    assert "  the first 10 are planned; the others depend on their metrics" in lines
    assert any(line.startswith("time       about 0:01:20 of training") for line in lines)


def test_early_termination_is_said_to_take_less(tmp_path, measured):
    hyperband = {"metric": {"name": "train/loss"}, "early_terminate": {"type": "hyperband", "min_iter": 1}}
    cells = {**CELLS, "training.log_every": {"value": 10}}
    lines = [*plan.describe(plan.make(read(tmp_path, cells, **hyperband), tmp_path / "runs"))]
    assert "           trials that stop early, or a target that is met, take off some" in lines


def test_a_run_of_another_config_is_refused(tmp_path, measured):
    sweep, runs = read(tmp_path), tmp_path / "runs"
    trial = sweep.trials[0]
    RunDirectory.create(runs / trial.name, {"seed": 99})
    with pytest.raises(UserError, match="holds a run with"):
        plan.make(sweep, runs)


def test_the_command_compiles_and_times_a_pack_and_writes_nothing(tmp_path, capsys):
    file = write(tmp_path, content({**SMALL, "cell.name": {"value": "rnn"}, "seed": {"values": [0, 1]}}))
    before = {*tmp_path.rglob("*")}
    assert cli.main(["sweep", str(file), "--dry-run", f"--runs-dir={tmp_path}/runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {*tmp_path.rglob("*")} == before
    assert "           timed here: 40 updates of one pack of each of 1 kind" in lines
    assert "packs      1 of 2 trials" in lines
    assert lines[-1].startswith("memory     ")


@pytest.mark.usefixtures("measured")
def test_the_dry_run_of_an_executor_says_who_trains(tmp_path, capsys):
    file = write(tmp_path, content({**SMALL, "seed": {"values": [0, 1]}}))
    words = ["--dry-run", f"--runs-dir={tmp_path}/runs", "--executor=slurm", "--pack-size=2", "--num-workers=3"]
    assert cli.main(["sweep", str(file), *words]) == 0
    line = "jobs       3, each with cpus_per_task=1; each takes packs of at most 2 that no other trains"
    assert capsys.readouterr().out.splitlines()[-1] == f"{line}; time and memory are those of this machine"


@pytest.mark.usefixtures("measured")
def test_the_dry_run_of_a_finished_sweep_says_that_nothing_is_left(tmp_path, capsys):
    file = write(tmp_path, content({**SMALL, "seed": {"values": [0, 1]}}))
    sweep = spec.read(file)
    for name, config in sweep.trials:
        RunDirectory.create(tmp_path / "runs" / sweep.name / name, config).finish({"status": "finished", "summary": {}})
    words = ["--dry-run", f"--runs-dir={tmp_path}/runs", "--executor=slurm", "--pack-size=2"]
    assert cli.main(["sweep", str(file), *words]) == 0
    assert capsys.readouterr().out.splitlines() == ["gain: 2 trials, 2 of them done", "nothing is left to do"]


def test_a_pack_that_streams_its_batches_is_timed_within_a_window(tmp_path):
    config = dataclasses.replace(configs.WORDS, task=OnDisk())
    members = [Trial(name, config, config, config.task, RunDirectory(tmp_path / name)) for name in "ab"]
    measured = plan._measure(members, peers=2)
    assert measured.updates == configs.STEPS and measured.memory > 0


@pytest.mark.parametrize(
    ("devices", "trials", "shared"),
    [
        (4, 12, "of a pack of 12, up to 3 trials on each"),
        (4, 9, "of a pack of 9, up to 3 trials on each, 1 idle"),
        (4, 6, "of a pack of 6, up to 2 trials on each, 1 idle"),
        (4, 3, "of a pack of 3, up to 1 trial on each, 1 idle"),
        (4, 2, "of a pack of 2, 2 devices for each trial"),
        (4, 1, "of a pack of 1, 4 devices for each trial"),
    ],
)
def test_the_devices_of_a_pack_are_those_of_the_table_in_the_docs(devices, trials, shared, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    pack: Any = [SimpleNamespace(options=configs.of(training__batch_size=8, training__batch_shards=0))] * trials
    assert plan._devices(pack).endswith(f": {shared}")
