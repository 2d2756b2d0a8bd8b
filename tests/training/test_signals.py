"""A signal stops a training after a checkpoint, or asks for one; it never costs a record or a bit."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from research.cli import main as cli
from research.config.config import Config
from research.config.flat import unflatten
from research.errors import Stopped
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, trainer
from research.training.signals import Signals
from tests.training.trials import assert_same_run, of, record_lines

ROOT = Path(__file__).parents[2]
CONFIG = of(cell__name="rnn", training__checkpoint_seconds=3600.0)


def test_the_first_signal_is_noted_and_the_second_ends_at_once(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with Signals().watching() as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.save and not signals.stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop == signal.SIGTERM and "saving" in capsys.readouterr().err
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Signals().watching() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.stop
    finally:
        signal.signal(signal.SIGHUP, before)


def saved_steps(monkeypatch, directory: Path, **arrived) -> list[int]:
    """Train while these signals have arrived, and return the steps of the checkpoints that are saved."""
    steps, save = [], checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda *args: steps.append(args[1]) or save(*args))
        if arrived:
            signals = Signals()
            vars(signals).update(arrived)
            patch.setattr(trainer.Signals, "watching", lambda self: contextlib.nullcontext(signals))
        with contextlib.suppress(Stopped):
            trainer.train_trials([("trial", CONFIG)], directory)
    return steps


def test_a_checkpoint_is_saved_at_the_first_record_after_a_signal(monkeypatch, tmp_path):
    assert saved_steps(monkeypatch, tmp_path / "straight") == [8]
    assert saved_steps(monkeypatch, tmp_path / "stopped", stop=signal.SIGTERM) == [2]
    assert not (tmp_path / "stopped" / "trial" / "result.json").exists()
    assert saved_steps(monkeypatch, tmp_path / "stopped") == [8]
    assert saved_steps(monkeypatch, tmp_path / "warned", save=True) == [2, 8]
    for name in ("stopped", "warned"):
        assert_same_run(tmp_path / name / "trial", tmp_path / "straight" / "trial", CONFIG)


def arguments(directory: Path) -> list[str]:
    config: Config = of()
    flags = {
        "task.name": "adding",
        "task.length": 8,
        "cell.name": "rnn",
        "model.hidden_size": 4,
        "training.steps": 3000,
        "training.batch_size": 4,
        "training.log_every": 50,
        "training.checkpoint_seconds": 0.01,
        "probes.gradient_flow.every": 500,
        "wandb.mode": config.wandb.mode,
        "runs-dir": directory,
    }
    return ["train", "gradient_norms", *(f"--{key}={value}" for key, value in flags.items())]


def finished(directory: Path) -> Path:
    """Return what the command leaves that is not stopped, or not again."""
    assert cli.main(arguments(directory)) == 0
    (run,) = directory.glob("gradient_norms/*")
    return run


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    return finished(tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_process_resumes_with_the_same_command_to_the_same_bits(number, straight, tmp_path):
    quiet: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}  # as tests/conftest.py sets it
    with subprocess.Popen([sys.executable, "-m", "research", *arguments(tmp_path)], env=env, **quiet) as process:
        deadline = time.monotonic() + 600  # on a busy machine the start alone takes minutes
        while not list(tmp_path.glob(f"gradient_norms/*/checkpoint/*/{checkpoint.MANIFEST}")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(number)
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)
    (killed,) = tmp_path.glob("gradient_norms/*")
    assert not (killed / "result.json").exists()
    assert 0 < record_lines(killed, "metrics")[-1] < 3000
    assert_same_run(finished(tmp_path), straight, unflatten(RunDirectory(killed).options()))
