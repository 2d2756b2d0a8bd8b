"""The command line as a process: its exit codes, streams, signals and imports."""

import importlib
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from research.cli import main as cli
from research.config import experiment

ROOT = experiment.ROOT
SLOW = {"wandb", "plotly", "matplotlib", "pandas", "tensorflow", "tensorflow_datasets", "grain", "orbax", "ray"}


def test_a_signal_in_a_destructor_ends_the_command():
    program = (
        "import os, signal, time; from research.cli import main as cli\n"
        "class Late:\n    def __del__(self): os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n"
        "cli.main = lambda: bool(Late()) and time.sleep(9)\n"
        "cli.script()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no full disk to write to")
def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "research"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written: No space left on device\n")


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m research | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)  # 0 when the text was in the pipe before its end was closed
    assert not done.stderr


def test_help_of_all_imports_nothing_at_all_and_lists_and_help_nothing_that_is_slow():
    commands = [["list"], ["data", "list"], ["train", "gradient_norms", "--help"]]
    commands += [["report", "--help"], ["predict", "--help"]]
    code = (
        "import sys; from research.cli.main import main\n"
        "main([]); print({'jax', 'numpy'} & set(sys.modules) or 'nothing', file=sys.stderr)\n"
        f"for args in {commands!r}: assert main(args) == 0\n"
        f"print({SLOW!r} & set(sys.modules) or 'light', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "nothing\nlight\n")


def test_the_package_gives_the_command_research():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "recurrent-research"
    module, _, name = project["project"]["scripts"]["research"].partition(":")
    assert getattr(importlib.import_module(module), name) is cli.script
    assert (ROOT / project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"][0]).exists()


@pytest.mark.parametrize("start", [["-m", "research"], [str(ROOT / "research/__main__.py")]])
def test_the_module_and_its_file_are_the_command_line(start, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)} if "-m" in start else None
    command = [sys.executable, *start, "nothing"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing: no such command")


def test_an_interruption_during_a_compilation_is_one_line_and_exit_code_130(tmp_path):
    # A shell's background jobs, and so all that they start, ignore the signal.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", heeding, sys.executable, "-m", "research", "train", "gradient_norms"]
    command += ["--setting=adding_50", "--variant=gru chrono", f"--runs-dir={tmp_path}", "--wandb.mode=disabled"]
    command += ["--training.steps=1000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("*/*/config.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:  # Python drops an interruption within a callback of the garbage collector
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted; the same command resumes from the last checkpoint"
