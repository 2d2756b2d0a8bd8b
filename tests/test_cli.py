"""Commands answer at once, hand on what they were told, and say a mistake in one line with exit code 2."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from research import catalogue, cli
from research.config import Config
from research.errors import UserError

ATTENTION = str(catalogue.ROOT / "sweeps/attention.yaml")


class Trainer(ModuleType):
    """Stands in for `research.training.trainer`: keeps what it is given and gives every trial a result."""

    def __init__(self) -> None:
        super().__init__("research.training.trainer")
        self.trials: list[tuple[str, Config]] = []
        self.directory = Path()
        self.raises: BaseException | None = None

    def train_trials(self, trials: list[tuple[str, Config]], directory: Path) -> list[SimpleNamespace]:
        if self.raises:
            raise self.raises
        self.trials, self.directory = trials, directory
        results = []
        for name, config in trials:
            status, done = "diverged" if config.seed == 1 else "finished", (directory / name).exists()
            (directory / name).mkdir(parents=True, exist_ok=True)
            result = SimpleNamespace(path=directory / name, status=status, skipped=done, summary={"eval/loss": 0.25})
            result.signatures = {"bleu": "tok:13a"}
            results.append(result)
        return results


@pytest.fixture
def trainer(monkeypatch):
    stand_in = Trainer()
    monkeypatch.setitem(sys.modules, "research.training.trainer", stand_in)
    return stand_in


@pytest.fixture
def page(monkeypatch):
    calls: list[tuple[Any, ...]] = []
    stand_in: Any = ModuleType("research.reporting.page")
    stand_in.report = lambda *args: calls.append(args)
    monkeypatch.setitem(sys.modules, "research.reporting.page", stand_in)
    monkeypatch.setattr("research.reporting.page", stand_in, raising=False)
    return calls


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "research", *args]
    return subprocess.run(command, cwd=catalogue.ROOT, capture_output=True, text=True, check=False)


def test_without_arguments_the_help_is_printed(capsys):
    assert cli.main([]) == 0
    bare = capsys.readouterr().out
    assert cli.main(["--help"]) == 0
    assert capsys.readouterr().out == bare
    for command in ("list", "train", "sweep", "report", "data"):
        assert f"\n  {command} " in bare


@pytest.mark.parametrize("command", ["list", "train", "sweep", "report", "data"])
def test_every_command_has_help(command, capsys):
    assert cli.main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: python -m research {command}")
    assert not err


def test_list_names_all_there_is(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for kind in catalogue.FOLDERS:
        for entry in catalogue.entries(kind).values():
            assert f"  {entry.name} " in out
            assert entry.summary in out
            assert ", ".join(entry.options) in out
    for name, first_line in catalogue.experiments().items():
        assert f"  {name} " in out
        assert first_line in out
    for sweep in catalogue.sweeps():
        assert sweep in out


def test_list_of_an_experiment_shows_what_its_names_stand_for(capsys):
    assert cli.main(["list", "gradient_norms"]) == 0
    out = capsys.readouterr().out
    assert "adding_200  --task.name=adding --task.length=200" in out
    assert "rnn gain 1.2  --model.cell=rnn --training.learning_rate=0.001 --init.gain=1.2" in out


def test_train_trains_the_trial_of_the_flags(trainer, tmp_path, capsys):
    args = ["train", "gradient_norms", "--seed", "3", f"--runs-dir={tmp_path}", "--arm=rnn gain 0.9"]
    assert cli.main(args) == 0
    ((name, config),) = trainer.trials
    assert (name, trainer.directory) == ("arm=rnn_gain_0.9,seed=3", tmp_path / "gradient_norms")
    assert (config.seed, config.init.gain) == (3, 0.9)
    out = capsys.readouterr().out
    assert "eval/loss" in out
    assert "0.25" in out
    assert "tok:13a" in out
    assert f"finished: {tmp_path}/gradient_norms/{name}\n" in out


def test_train_help_of_an_experiment_shows_its_values(capsys):
    assert cli.main(["train", "gradient_norms", "--arm=rnn gain 0.9", "-h"]) == 0
    out = capsys.readouterr().out
    assert "(default: 0.9)" in out
    assert "--runs-dir" in out


def test_sweep_trains_all_trials_and_counts_how_they_ended(trainer, tmp_path, capsys):
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path)]) == 0
    assert len(trainer.trials) == 15
    assert trainer.directory == tmp_path / "attention"
    out = capsys.readouterr().out
    assert "10 finished, 5 diverged, 0 skipped" in out
    assert f"python -m research report {tmp_path}/attention" in out


def test_sweep_takes_the_first_trials_and_counts_those_done_before(trainer, tmp_path, capsys):
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path), "--limit=2"]) == 0
    first = trainer.trials
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path), "--limit=5"]) == 0
    assert trainer.trials[:2] == first
    assert len(trainer.trials) == 5
    assert "2 finished, 1 diverged, 2 skipped" in capsys.readouterr().out


def test_train_finds_the_trial_of_the_sweep(trainer, tmp_path):
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path), "--limit=1"]) == 0
    (swept,) = trainer.trials
    flags = ["--arm=none", "--seed=0", "--runs-dir", str(tmp_path)]
    assert cli.main(["train", "attention", *flags]) == 0
    assert trainer.trials == [swept]
    assert trainer.directory == tmp_path / "attention"


def test_report_hands_on_its_options(page, tmp_path):
    assert cli.main(["report", str(tmp_path)]) == 0
    assert cli.main(["report", str(tmp_path), "--format=latex", "--output", "out"]) == 0
    assert page == [(tmp_path, "terminal", None), (tmp_path, "latex", Path("out"))]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["lst"], "lst: no such command; did you mean list?"),
        (["--seed=1"], "must be one of list, train, sweep, report, predict, data"),
        (["list", "nothing"], "experiment 'nothing': must be one of"),
        (["list", "a", "b"], "list: unrecognized arguments: b"),
        (["train"], "train: the experiment comes first, one of "),
        (["train", "--seed=1"], "train: the experiment comes first"),
        (["train", "nothing"], "experiment 'nothing': must be one of"),
        (["train", "attention", "--sed=1"], "did you mean seed?"),
        (["train", "attention", "--task.name=x", "--help"], "task.name=x: must be one of"),
        (["train", "attention", "--runs-dir"], "--runs-dir: needs a value"),
        (["train", "attention", "--runs-dir=Makefile"], "--runs-dir="),
        (["train", "attention", "--seed=1\n2"], "error: seed=1 2: must be a whole number"),
        (["sweep"], "sweep: the following arguments are required: file"),
        (["sweep", "absent.yaml"], "absent.yaml: cannot be read: No such file"),
        (["sweep", ATTENTION, "--limit=0"], "--limit: 0: must be a whole number, at least 1"),
        (["sweep", ATTENTION, "--lim=1"], "unrecognized arguments: --lim=1"),
        (["sweep", ATTENTION, "--executor=cloud"], "--executor: invalid choice: 'cloud'"),
        (["sweep", ATTENTION, f"--runs-dir={ATTENTION}"], "attention.yaml: cannot be made: File exists"),
        (["report"], "report: the following arguments are required: runs"),
        (["report", "absent"], "absent: no such directory"),
        (["report", ".", "--format=pdf"], "--format: invalid choice: 'pdf'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(trainer, monkeypatch, capsys, args, said):
    monkeypatch.chdir(catalogue.ROOT)
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not trainer.trials


def test_a_mistake_found_by_the_trainer_is_one_line_too(trainer, tmp_path, capsys):
    trainer.raises = UserError("seed=3: something\nelse")
    assert cli.main(["train", "attention", f"--runs-dir={tmp_path}"]) == 2
    assert capsys.readouterr().err == "error: seed=3: something else\n"


def test_ctrl_c_is_one_line_and_exit_code_130(trainer, tmp_path, capsys):
    trainer.raises = KeyboardInterrupt()
    assert cli.main(["train", "attention", f"--runs-dir={tmp_path}"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no full disk to write to")
def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "research", "list"]
        done = subprocess.run(command, cwd=catalogue.ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written: No space left on device\n")


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m research list | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=catalogue.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)  # 0 when the text was in the pipe before its end was closed
    assert not done.stderr


@pytest.mark.parametrize("args", [["--help"], ["list"], ["data", "list"], ["train", "gradient_norms", "--help"]])
def test_help_and_lists_take_under_half_a_second_of_a_core_without_jax(args):
    code = (
        f"import sys; from research.cli import main; code = main({args!r})\n"
        "print({'jax', 'numpy', 'wandb', 'matplotlib', 'scipy'} & set(sys.modules) or 'light', file=sys.stderr)\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", code]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=catalogue.ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "light\n")
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.5


def test_the_module_is_the_command_line():
    done = run("nothing")
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing: no such command")


def test_an_interruption_during_a_compilation_is_one_line_and_exit_code_130(tmp_path):
    # A shell's background jobs, and so all that they start, ignore the signal.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", heeding, sys.executable, "-m", "research", "train", "gradient_norms"]
    command += ["--setting=adding_50", "--arm=gru chrono", f"--runs-dir={tmp_path}", "--tracking.wandb=disabled"]
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
    assert said.splitlines()[-1] == "interrupted; the same command goes on from the last checkpoint"
