"""Two processes train one trial to the same bits as one process with as many devices, into one run directory."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from research.cli import main as cli
from research.errors import UserError
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, processes
from research.training.trainer import train_trials
from tests.training.trials import assert_equal, final_state, of, record_of

ROOT = Path(__file__).parents[2]
CONFIG = of(
    cell__name="rnn",
    training__batch_shards=0,
    training__eval_every=2,
    training__steps=20,
    training__early_stopping_patience=1,
    checkpoint__keep="both",
    optimizer__learning_rate=1.0,
)
PROGRAM = """
import contextlib, io, itertools, os, pathlib, sys, types
from research.cli import main as cli
from research.training import stopwatch
from research.training.trainer import train_trials
from tests.training.test_processes import CONFIG, TIMED, UNSHARED
directory = pathlib.Path(sys.argv[1])
with contextlib.redirect_stderr(io.StringIO()) as said:
    code = cli.main(["train", "gradient_norms", *UNSHARED, f"--runs-dir={directory}-none"])
print(code, said.getvalue())
train_trials([(name, CONFIG) for name in ("new", "started")], directory)
now = itertools.count(0.0, 1.0 if os.environ["JAX_PROCESS_ID"] == "0" else 0.0)  # the second's clock stands still
stopwatch.time = types.SimpleNamespace(monotonic=lambda: next(now))
train_trials([("timed", TIMED)], directory)
"""
UNSHARED = ["--task.name=adding", "--task.length=8", "--training.batch_size=5"]
TIMED = of(
    cell__name="rnn",
    training__batch_shards=0,
    training__max_seconds=2.5,
    training__steps=100,
    probes__gradient_flow__every=0,
)


def two_processes(*directories: Path) -> list[tuple[int, str]]:
    """Exit code and stdout of two processes of one device each, which meet on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": "2",
        "JAX_NUM_CPU_DEVICES": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(directory)],
            cwd=ROOT,
            env={**os.environ, **common, "JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, directory in enumerate(directories)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in started]
        return [(process.returncode, text) for process, text in zip(started, said, strict=True)]
    finally:
        for process in started:
            process.kill()


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """What one process of two devices makes."""
    directory = tmp_path_factory.mktemp("one")
    train_trials([("trial", CONFIG)], directory)
    return directory / "trial"


@pytest.fixture(scope="module")
def together(straight, tmp_path_factory) -> tuple[Path, list[str]]:
    """The directory of two processes, and what each has said. One trial was started by a process alone."""
    directory = tmp_path_factory.mktemp("two")
    run = Path(shutil.copytree(straight, directory / "started"))
    (run / "result.json").unlink()
    shutil.rmtree(run / "checkpoint" / str(record_of(straight)["result"]["stopped_early"]["step"]))
    ended = two_processes(directory, directory / "other")
    assert [code for code, _ in ended] == [0, 0], ended
    return directory, [said for _, said in ended]


def test_two_processes_train_to_the_bits_of_one_and_the_first_alone_writes(straight, together):
    directory, _ = together
    wanted = record_of(straight)
    best, stop = wanted["result"]["weights"]["step"], wanted["result"]["stopped_early"]["step"]
    assert best < stop < CONFIG.training.steps
    assert not (directory / "other").exists()
    assert wanted["result"]["environment"].pop("processes") == 1
    for name in ("new", "started"):
        found = record_of(directory / name)
        assert found["result"]["environment"].pop("processes") == 2
        assert found == wanted
        assert_equal(final_state(directory / name, CONFIG), final_state(straight, CONFIG))
        assert checkpoint.newest_details(directory / name / "checkpoint")["batch_shards"] == 2


def test_the_clock_of_the_first_process_ends_the_training_of_both(together):
    result = RunDirectory(together[0] / "timed").result()
    assert result is not None and result["steps"] == 3 * CONFIG.training.log_every


def test_a_batch_that_the_devices_cannot_share_is_one_line_in_each_process(together):
    line = "error: training.batch_size=5: must be a multiple of 2, the devices of all processes"
    for said in together[1]:
        assert [text for text in said.splitlines() if text and not text.startswith("[Gloo]")] == [f"2 {line}"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ADDRESS": "host"}, "ADDRESS=host: must be HOST:PORT"),
        ({"ADDRESS": "host:99999"}, "ADDRESS=host:99999: must be HOST:PORT"),
        ({"NUM_PROCESSES": "2", "PROCESS_ID": "0"}, "ADDRESS=: with JAX_NUM_PROCESSES=2, JAX_PROCESS_ID=0, must be HO"),
        ({"ADDRESS": "host:1", "NUM_PROCESSES": "two"}, "NUM_PROCESSES=two: must be a whole number, at least 1"),
        ({"ADDRESS": "host:1", "NUM_PROCESSES": "0"}, "NUM_PROCESSES=0: must be a whole number, at least 1"),
        ({"ADDRESS": "host:1", "PROCESS_ID": "-1"}, "PROCESS_ID=-1: must be a whole number, at least 0"),
        (
            {"ADDRESS": "host:1", "NUM_PROCESSES": "2", "PROCESS_ID": "2"},
            "PROCESS_ID=2: must be less than JAX_NUM_PROC",
        ),
        ({"ADDRESS": "host:1", "NUM_PROCESSES": "2"}, "ADDRESS=host:1: JAX_PROCESS_ID must be set"),
    ],
)
def test_an_incomplete_environment_is_a_one_line_error(environment, message, monkeypatch, capsys, tmp_path):
    for name in (processes.ADDRESS, processes.COUNT, processes.ID):
        key = name.removeprefix("JAX_").removeprefix("COORDINATOR_")
        monkeypatch.setenv(name, environment[key]) if key in environment else monkeypatch.delenv(name, raising=False)
    assert cli.main(["train", "gradient_norms", f"--runs-dir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_without_an_environment_a_process_is_alone(monkeypatch):
    for name in (processes.ADDRESS, processes.COUNT, processes.ID):
        monkeypatch.delenv(name, raising=False)
    processes.start()
    assert not jax.distributed.is_initialized()
    assert processes.is_first() and processes.from_first(lambda: 3) == 3


def test_an_error_in_a_single_process_is_raised_unchanged():
    def fail() -> None:
        raise UserError("no such file")

    with pytest.raises(UserError, match="no such file"):
        processes.from_first(fail)
