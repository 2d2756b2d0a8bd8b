"""Ray and Slurm train the same numbers as this process, whatever dies. The cluster is this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from research.cli import main as cli
from research.errors import UserError
from research.sweep.executors import Local, Ray, Slurm
from research.sweep.runner import Runner
from research.tracking.progress import ProgressBar
from research.tracking.run_directory import METRICS, RunDirectory
from tests.sweep.conftest import content
from tests.training.trials import metrics_of

FIXED = {
    "setting": "adding_50",
    "cell.name": "gru",
    "model.hidden_size": 4,
    "training.steps": 40,
    "training.log_every": 4,
    "training.eval_every": 4,
    "training.eval_examples": 20,
    "training.checkpoint_seconds": 0.0,
    "probes.gradient_flow.every": 0,
    "wandb.mode": "disabled",
}
TEXT = content(
    {key: {"value": value} for key, value in FIXED.items()} | {"seed": {"values": [0, 1, 2, 3]}},
    metric={"name": "validation/loss"},
    early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
)


def ended(directory: Path) -> dict[str, Any]:
    """Return how each trial of a folder ended, and its metrics."""
    runs = {path.parent.name: RunDirectory(path.parent) for path in directory.glob("*/config.json")}
    return {name: ((run.result() or {}).get("status"), metrics_of(run.path)) for name, run in sorted(runs.items())}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    import yaml

    from research.sweep import spec

    path = tmp_path_factory.mktemp("file") / "some.yaml"
    path.write_text(yaml.safe_dump(TEXT, sort_keys=False))
    return path, spec.read(path)


@pytest.fixture(scope="module")
def shown():
    """What the progress bar has shown next to the packs of `straight`."""
    return list[str]()


@pytest.fixture(scope="module")
def straight(sweep, shown, tmp_path_factory):
    directory = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressBar, "part", lambda self, before="", after="": shown.append(after))
        Runner(sweep[1], directory, Local()).run()
    found = ended(directory)
    assert sorted(status for status, _ in found.values()) == ["finished", "finished", "stopped", "stopped"]
    return found


def test_the_progress_bar_shows_how_the_sweep_stands(straight, shown):
    assert shown[0] == " · 4 × gru on adding · 0 of 4 done"
    assert shown[-2] == " · 2 × gru on adding · 2 of 4 done"  # the last one is empty


def test_slurm_jobs_share_the_trials_of_a_folder(sweep, straight, tmp_path):
    pytest.importorskip("submitit")
    executor = Slurm(num_workers=2, cluster="local")
    jobs = executor.submit(["sweep", str(sweep[0]), f"--runs-dir={tmp_path}", "--pack-size=1"], tmp_path)
    assert [job.result() for job in jobs] == [0, 0]
    assert ended(tmp_path / "some") == straight


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_leaves_its_trials_to_another(sweep, straight, tmp_path):
    pytest.importorskip("ray")
    words = ["sweep", str(sweep[0]), f"--runs-dir={tmp_path}", "--executor=ray"]
    process = subprocess.Popen([sys.executable, "-m", "research", *words], stderr=subprocess.PIPE, text=True)
    killed = 0
    while not killed and process.poll() is None:
        runs = [RunDirectory(path.parent) for path in tmp_path.glob("*/*/metrics.jsonl")]
        for holder in {run.holder() for run in runs} - {None}:
            killed = int(str(holder).split()[1])
            os.kill(killed, signal.SIGKILL)
            break
        time.sleep(0.05)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0 and killed not in (0, process.pid), said
    assert ended(tmp_path / "some") == straight


def test_what_a_cluster_lacks_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="--executor=ray: needs Ray; pip install -r requirements-cluster.txt"):
        Ray()._start()
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UserError, match="--executor=slurm: needs the command sbatch"):
        Slurm().submit([], tmp_path)
    for text, line in (("time", "must be NAME=VALUE"), ("tim=3", "--slurm=tim=3: ")):
        with pytest.raises(UserError, match=line):
            Slurm(slurm=text, cluster="debug").submit([], tmp_path)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match="--executor=slurm: needs submitit; pip install"):
        Slurm().submit([], tmp_path)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--address=auto"], "--address: needs --executor=ray"),
        (["--num-workers=2", "--executor=ray"], "--num-workers: needs --executor=slurm"),
        (["--executor=slurm"], "--executor=slurm: needs --pack-size"),
        (["--executor=slurm", "--pack-size=2", "--rerun"], "each job would train what another has trained"),
        (["--executor=dask"], "executor=dask: must be one of local, ray, slurm"),
        (["--pack-size=-1"], "--pack-size=-1: must be at least 0"),
    ],
)
def test_a_wrong_option_is_one_line(sweep, words, line, tmp_path, capsys):
    assert cli.main(["sweep", str(sweep[0]), f"--runs-dir={tmp_path}", *words]) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.glob(f"*/*/{METRICS}.jsonl"))


def test_a_dry_run_says_who_trains_the_packs():
    assert not Local().describe(2)
    jobs = "jobs       4, each with {}; each takes packs of at most 2 that no other trains"
    assert Slurm().describe(2) == jobs.format("cpus_per_task=1")
    assert Slurm(slurm="partition=gpu,gpus_per_node=1").describe(2) == jobs.format("gpus_per_node=1")
    assert Ray(gpus_per_worker=1).describe(2) == "workers    of the cluster, a pack at a time on 1 CPU, 1 GPU"
    assert (
        Ray().describe(0).endswith("; without --pack-size, trials are divided evenly among the workers, not as above")
    )
