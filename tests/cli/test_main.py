"""Commands answer at once, hand on what they were told, and say a mistake in one line with exit code 2."""

import io
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from research.cli import main as cli
from research.config import CHOICES, Config, experiment
from research.config.flags import summary
from research.errors import Stopped, UserError
from research.probes import PROBES
from research.reporting import wandb_report
from research.tracking import uploads
from research.tracking import wandb_session as session

ROOT = experiment.ROOT
ATTENTION = str(ROOT / "sweeps/attention.yaml")
COMMANDS = ("list", "train", "sweep", "status", "compare", "report", "verdicts", "data", "evaluate", "predict")
COMMANDS += ("wandb-workspace",)


class Trainer(ModuleType):
    """Stands in for `research.training.trainer`: keeps what it is given and gives every trial a result."""

    def __init__(self) -> None:
        super().__init__("research.training.trainer")
        self.trials: list[tuple[str, Config]] = []
        self.directory = Path()
        self.raises: BaseException | None = None

    def train_trials(
        self, trials: list[tuple[str, Config]], directory: Path, rerun: bool, restart: bool, sharing: Any = None
    ) -> list[SimpleNamespace]:
        if self.raises:
            raise self.raises
        self.trials, self.directory, self.anew = trials, directory, (rerun, restart)
        results = []
        for name, config in trials:
            status, done = "diverged" if config.seed == 1 else "finished", (directory / name).exists()
            (directory / name).mkdir(parents=True, exist_ok=True)
            (directory / name / "result.json").touch()
            result = SimpleNamespace(
                path=directory / name,
                status=status,
                skipped=done,
                summary={"test/loss": np.float32(0.25), "test/error": np.float32(1 / 3)},
            )
            result.divergence = "diverged in update 3: the loss is inf" if config.seed == 1 else ""
            result.remark = "stopped early at step 2" if config.seed == 3 else ""
            result.signatures, result.name, result.outdated = {"bleu": "tok:13a"}, name, ""
            result.outdated = "by other code than today's" if done and config.seed == 2 else ""
            results.append(result)
        return results


@pytest.fixture
def trainer(monkeypatch):
    stand_in = Trainer()
    monkeypatch.setitem(sys.modules, "research.training.trainer", stand_in)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return stand_in


def test_without_arguments_the_help_is_printed(capsys):
    assert cli.main([]) == 0
    bare = capsys.readouterr().out
    assert cli.main(["--help"]) == 0
    assert capsys.readouterr().out == bare
    for command in COMMANDS:
        assert f"\n  {command} " in bare


def test_messages_name_the_command_as_it_was_started(trainer, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/home/me/.venv/bin/research"])
    for words in (["--help"], ["train"], ["report", "--help"], ["data", "--help"], ["train", "attention", "--help"]):
        cli.main(words)
        out, err = capsys.readouterr()
        assert (out + err).startswith("usage: research ")
    assert cli.main(["sweep", ATTENTION, "--limit=1", f"--runs-dir={tmp_path}"]) == 0
    assert f"\nresearch report {tmp_path}/attention\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert cli.main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: python -m research {command}")
    for notation in ("{None}", "[[", "(default: )", "''", "None"):  # of Python, not of the command line
        assert notation not in out
    assert not err


def test_list_names_all_there_is(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for registry in (*CHOICES.values(), PROBES):
        for name, kind in registry.items():
            assert f"  {name} " in out
            assert summary(kind) in out
    for option in ("cell.*: input_gate, forget_gate", "task.*: length", "probes.gradient_flow.*: every"):
        assert option in out
    for name in experiment.names():
        assert f"  {name} " in out
        assert experiment.describe(name) in out
    assert "  gradient_norms     Norms of dL/dh_t for every t, by cell and initialization\n" in out  # the sweep


def test_list_of_an_experiment_shows_what_its_names_stand_for(capsys):
    assert cli.main(["list", "gradient_norms"]) == 0
    out = capsys.readouterr().out
    assert "adding_200  --task.name=adding --task.length=200" in out
    assert "rnn gain 1.2  --cell.name=rnn --optimizer.learning_rate=0.001 --init.gain=1.2" in out


def test_train_trains_the_trial_of_the_flags(trainer, tmp_path, capsys):
    args = ["train", "gradient_norms", "--seed", "3", f"--runs-dir={tmp_path}", "--variant=rnn gain 0.9"]
    assert cli.main([*args, "--init-from", "runs/x/old-1234"]) == 0
    ((name, config),) = trainer.trials
    label = "rnn_gain_0.9-init_from_1234-seed3-"
    assert (name[:-8], trainer.directory) == (label, tmp_path / "gradient_norms")
    assert config.init_from == "runs/x/old-1234"
    assert (config.seed, config.init.gain) == (3, 0.9)
    out = capsys.readouterr().out
    assert "test/loss" in out
    assert "test/loss   0.25\ntest/error  0.333333\n" in out
    assert "tok:13a" in out
    assert f"finished, stopped early at step 2: {tmp_path}/gradient_norms/{name}\n" in out


@pytest.mark.parametrize("words", [("train", "attention"), ("sweep", ATTENTION, "--limit=1")])
def test_control_characters_of_a_folder_are_shown_escaped(words, trainer, tmp_path, capsys):
    assert cli.main([*words, f"--runs-dir={tmp_path}/\x1b[31m"]) == 0
    out = capsys.readouterr().out
    assert r"\x1b[31m" in out and "\x1b" not in out


@pytest.mark.parametrize(
    ("cell", "err"), [("mingru", "warning: mingru does not use init.gain, init.recurrent\n"), ("gru", "")]
)
def test_train_warns_of_an_option_that_does_nothing_for_the_cell(trainer, tmp_path, capsys, cell, err):
    flags = [f"--cell.name={cell}", "--init.gain=2", "--init.recurrent=normal", f"--runs-dir={tmp_path}"]
    assert cli.main(["train", "gradient_norms", *flags]) == 0
    assert capsys.readouterr().err == err


def test_train_without_an_experiment_prints_its_usage_and_the_experiments(trainer, capsys):
    assert cli.main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m research train EXPERIMENT") and "\n  attention " in text
    for args in (["train"], ["train", "--seed=1"]):
        assert cli.main(args) == 2
        assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--help"], "\n  training  "),
        (["-h", "--variant=rnn gain 0.9"], "\n  training  "),
        (["--help", "init", "--variant=rnn gain 0.9"], "(default: 0.9)"),
        (["--variant=rnn gain 0.9", "--help=init"], "(default: 0.9)"),
        (["--variant=rnn gain 0.9", "--help", "all"], "(default: 0.9)"),
    ],
)
def test_train_help_of_an_experiment_is_short_or_about_a_section_or_all(words, shown, capsys):
    assert cli.main(["train", "gradient_norms", *words]) == 0
    assert shown in capsys.readouterr().out


def test_sweep_trains_all_trials_and_counts_how_they_ended(trainer, tmp_path, capsys):
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path)]) == 0
    assert len(trainer.trials) == 15
    out = capsys.readouterr().out
    assert "10 finished, 5 diverged, 0 skipped" in out
    assert out.count(": diverged in update 3: the loss is inf\n") == 5
    assert f"python -m research report {tmp_path}/attention" in out


def test_sweep_takes_the_first_trials_and_counts_those_done_before(trainer, tmp_path, capsys):
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path), "--limit=2"]) == 0
    first = [trial.name for trial in trainer.trials]
    assert cli.main(["sweep", ATTENTION, "--runs-dir", str(tmp_path), "--limit=5"]) == 0
    assert [trial.name for trial in trainer.trials[:2]] == first
    assert len(trainer.trials) == 5
    assert "2 finished, 1 diverged, 2 skipped" in capsys.readouterr().out


def test_finished_trials_are_told_with_the_way_to_train_them_anew(trainer, tmp_path, capsys):
    train = ["train", "attention", f"--runs-dir={tmp_path}", "--seed=2"]
    assert cli.main(train) == 0 and trainer.anew == (False, False)
    assert "already finished" not in capsys.readouterr().err
    assert cli.main([*train, "--rerun"]) == 0 and trainer.anew == (True, False)
    told = r"already finished at 20\d\d-\d\d-\d\d \d\d:\d\d, by other code than today's; --rerun trains anew"
    assert re.search(told, capsys.readouterr().err)
    assert cli.main(["sweep", ATTENTION, f"--runs-dir={tmp_path}", "--restart"]) == 0 and trainer.anew == (False, True)
    assert cli.main(["sweep", ATTENTION, f"--runs-dir={tmp_path}"]) == 0
    assert "and 4 more: already finished at 20" in capsys.readouterr().err


def test_the_table_of_a_sweep_is_sent_when_all_of_it_is_done_and_something_is_new(trainer, tmp_path, monkeypatch):
    sent: list[Path] = []
    monkeypatch.setattr(wandb_report, "send", lambda directory, options: sent.append(directory))
    monkeypatch.setattr(wandb_report, "is_sent", lambda directory: bool(sent))
    sweep = ["sweep", ATTENTION, f"--runs-dir={tmp_path}"]
    assert cli.main(sweep) == 0 and not sent  # W&B is disabled
    shutil.rmtree(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert cli.main([*sweep, "--limit=14"]) == 0 and not sent
    assert cli.main(sweep) == 0 and sent == [tmp_path / "attention"]
    assert cli.main(sweep) == 0 and len(sent) == 1  # all trials are skipped
    monkeypatch.setattr(uploads, "is_unsent", lambda *_: True)
    assert cli.main(sweep) == 0 and len(sent) == 2


def test_sweep_warns_of_trials_that_compute_the_same(trainer, tmp_path, capsys):
    (tmp_path / "same.yaml").write_text(
        'command: [python, -m, research, train, gradient_norms, --cell.name=mingru, "${args}"]\n'
        "method: grid\nparameters: {init.gain: {values: [1, 2]}}\n"
    )
    assert cli.main(["sweep", str(tmp_path / "same.yaml"), f"--runs-dir={tmp_path}"]) == 0
    (first, _), (second, _) = trainer.trials
    warning = f"{second} computes the same as {first}: init.gain does nothing for mingru"
    assert capsys.readouterr().err == f"warning: {warning}\n"


@pytest.mark.parametrize("name", ["attention", "my own / name"])
def test_train_finds_the_trial_of_the_sweep(name, trainer, tmp_path, monkeypatch):
    (tmp_path / "file.yaml").write_text(f"name: {name}\n" + Path(ATTENTION).read_text().replace("\nname:", "\n#"))
    assert cli.main(["sweep", str(tmp_path / "file.yaml"), "--runs-dir", str(tmp_path), "--limit=1"]) == 0
    (swept,) = (trainer.directory / trial.name for trial in trainer.trials)
    monkeypatch.setattr(session, "sweep_name", lambda: name if name != "attention" else "")  # as an agent's file says
    assert cli.main(["train", "attention", "--variant=none", "--seed=0", "--runs-dir", str(tmp_path)]) == 0
    assert [trainer.directory / trial.name for trial in trainer.trials] == [swept]


def test_train_and_sweep_take_experiments_and_modules_of_the_users(trainer, tmp_path, monkeypatch):
    """A cell, an experiment and a sweep outside the tree; the sweep imports what its command imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_cells.py").write_text(
        "from dataclasses import dataclass\nfrom typing import Literal\nfrom research.cells import CELLS, LSTM\n"
        "@dataclass(frozen=True)\nclass Mine(LSTM):\n"
        '    """Mine."""\n    name: Literal["mine"] = "mine"\n'
        "CELLS['mine'] = Mine\n"
    )
    (tmp_path / "question.py").write_text(
        '"""A question."""\nfrom research.config import Experiment, unflatten\n'
        'EXPERIMENT = Experiment("c", unflatten({"task.name": "adding"}), variants={"a": {"cell.name": "mine"}})\n'
    )
    command = '["python", "-m", "research", "train", "question.py", "--import=my_cells", "${args}"]'
    (tmp_path / "mine.yaml").write_text(f"command: {command}\nmethod: grid\nparameters: {{variant: {{value: a}}}}\n")
    try:
        assert cli.main(["sweep", "mine.yaml"]) == 0
        swept = trainer.trials
        assert cli.main(["train", "question.py", "--import", "my_cells", "--variant=a"]) == 0
    finally:
        CHOICES["cell"].pop("mine", None)  # pyright: ignore[reportAttributeAccessIssue]
    ((name, config),) = trainer.trials
    assert (name[:-8], config.experiment, config.cell.name) == ("a-", str(tmp_path / "question.py"), "mine")
    assert trainer.directory == Path("runs/question")
    assert list(swept) == list(trainer.trials)


def test_a_sweep_is_found_by_its_name_in_the_working_directory_and_in_the_project(trainer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", "attention", "--limit=1"]) == 0
    assert (tmp_path / "runs/attention/sweep.yaml").read_bytes() == Path(ATTENTION).read_bytes()
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/attention.yaml").write_text("method: grid\nname: mine\nparameters: {seed: {value: 7}}\n")
    (tmp_path / "attention").mkdir()  # no sweep
    assert cli.main(["sweep", "attention", "--experiment=gradient_norms"]) == 0
    ((_, config),) = trainer.trials
    assert (config.experiment, config.seed, trainer.directory) == ("gradient_norms", 7, Path("runs/mine"))


def test_flags_that_name_an_experiment_are_trained(trainer, tmp_path):
    """W&B's default command starts the program of the sweep with the parameters alone."""
    assert cli.main(["--variant=none", "--experiment=attention", f"--runs-dir={tmp_path}"]) == 0
    started = trainer.trials
    assert cli.main(["train", "attention", "--variant=none", f"--runs-dir={tmp_path}"]) == 0
    assert trainer.trials == started


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["lst"], "lst: no such command; did you mean list?"),
        (["--seed=1"], f"must be one of {', '.join(COMMANDS)}"),
        (["list", "xxxx"], "experiment 'xxxx': no such experiment; must be the path of a Python file, or one of"),
        (["list", "a", "b"], "list: b: not expected"),
        (["train", "xxxx"], "experiment 'xxxx': no such experiment; must be the path"),
        (["train", "nothing.py"], "nothing.py': no such file"),
        (["train", "attention", "--sed=1"], "did you mean seed?"),
        (["train", "attention", "--task.name=x", "--help"], "task.name=x: must be one of"),
        (["train", "attention", "--runs-dir"], "--runs-dir: needs a value"),
        (["train", "attention", "--runs-dir=Makefile"], "--runs-dir="),
        (["train", "attention", "--seed=1\n2"], "error: seed=1 2: must be a whole number"),
        (["train", "attention", "--import=no_such_module_x"], "--import=no_such_module_x: must be a module"),
        (["sweep"], "sweep: SWEEP must be given"),
        (["sweep", "attentio"], "attentio: no such sweep; did you mean attention?"),
        (["sweep", "research"], "research: no such sweep; must be the path of a file, or one of attention"),
        (["sweep", "absent.yaml"], "absent.yaml: cannot be read: No such file"),
        (["sweep", ATTENTION, "--limit=0"], "sweep: --limit=0: must be between 1 and 2147483647"),
        (["sweep", ATTENTION, "--limit=99999999999999999999"], "limit=99999999999999999999: must be between 1 and 2"),
        (["sweep", ATTENTION, "--limit=x"], "sweep: --limit=x: must be a whole number"),
        (["sweep", ATTENTION, "--lim=1"], "sweep: --lim: no such option; did you mean --limit?"),
        (["sweep", ATTENTION, "--limit=1", "--limit=2"], "--limit: given twice"),
        (["train", "attention", "--rerun=yes"], "--rerun=yes: must be true or false"),
        (["sweep", ATTENTION, f"--runs-dir={ATTENTION}"], "attention: cannot be written to: Not a directory"),
        (["report"], "report: RUNS must be given"),
        (["report", "absent"], "absent: no such directory; `"),
        (["report", "sweps"], "sweps: no such directory; did you mean sweeps?; `"),
        (["report", ".", "--columns=a>x"], "error: --columns=a>x: must be METRIC>NUMBER or METRIC<NUMBER"),
        (
            ["report", ".", "--columns=test/accuracy>30"],
            "error: --columns=test/accuracy>30: must be a threshold",
        ),
        (["report", ".", "--where=a"], "error: --where=a: must be KEY=VALUE or KEY=VALUE,VALUE"),
        (["report", ".", "--examples=3"], "report: --examples=3: must be 0 without --format=page"),
        (["report", ".", "--label={x}"], "report: --label={x}: must be of letters, digits"),
        (
            ["report", ".", "--format=pdf"],
            "report: --format=pdf: must be one of terminal, markdown, latex, html, csv, page",
        ),
        (["data"], "data: {list,fetch,info,check} must be given"),
        (["data", "lst"], "data: action=lst: must be one of list, fetch, info"),
        (["data", "fetch"], "data: fetch: must be followed by names of `python -m research data list`"),
        (["data", "list", "gcin"], "data: list: must take no name"),
        (["sweep", "a\x1b[31m\u200b\udcff"], r"a\x1b[31m<U+200B>\xff: no such sweep"),
        (["predict"], "predict: RUN must be given"),
        (["predict", "absent"], "predict: INPUT: must be at least one text"),
        (["predict", "absent", "--ism"], "predict: --ism: no such option; words after -- are no options"),
        (["predict", "absent", "word", "--n-best=0"], "predict: --n-best=0: must be at least 1"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(trainer, monkeypatch, capsys, args, line):
    monkeypatch.chdir(ROOT)
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert line in err
    assert not trainer.trials


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("seed=3: something\nelse"), "seed=3: something else"),
        (PermissionError(13, "Permission denied", "runs/x"), "runs/x: Permission denied"),
        (OSError(36, "File name too long", "x" * 999), f"{'x' * 299}…: File name too long"),
        (MemoryError("Unable to allocate 9 GiB"), "out of memory: Unable to allocate 9 GiB"),
        (RuntimeError("can't start new thread"), "out of memory: can't start new thread"),
        (ImportError("a.so: failed to map segment"), "out of memory: a.so: failed to map segment"),
    ],
)
def test_a_mistake_and_what_the_system_refuses_are_one_line(error, line, trainer, tmp_path, capsys):
    trainer.raises = error
    assert cli.main(["train", "attention", f"--runs-dir={tmp_path}"]) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_mistake_of_the_program_keeps_its_traceback(trainer, tmp_path):
    trainer.raises = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["train", "attention", f"--runs-dir={tmp_path}"])


@pytest.mark.parametrize(
    ("args", "code", "shown"),
    [
        (["data", "list"], 0, "28 x 28 gray pixels"),
        (["train", "attention", "--help", "all"], 0, r"\u221a"),
        (["list", "中文"], 2, r"experiment '\u4e2d\u6587'"),
    ],
)
def test_an_output_that_is_not_unicode_is_written_legibly(args, code, shown, monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), "ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert cli.main(args) == code
    print("┃ 0.5 ± 0.1 · 3 │\n├──…", file=sys.stdout, flush=True)
    sys.stderr.flush()
    text = "".join(stream.buffer.getvalue().decode("ascii") for stream in streams)  # pyright: ignore
    assert shown in text and "| 0.5 +/- 0.1 - 3 |\n---..." in text


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Stopped(15), 143), (Stopped(1), 129)])
def test_a_signal_is_one_line_and_its_exit_code(error, code, trainer, tmp_path, capsys):
    trainer.raises = error
    assert cli.main(["train", "attention", f"--runs-dir={tmp_path}"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_closed_output_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["list", "adding_by"]) == 2 and cli.main(["list"]) == 0


def test_a_name_that_the_file_system_cannot_encode_is_told(monkeypatch, capsys):
    def dispatch(words):
        "runs/一".encode("ascii")

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    assert cli.main(["report", "runs/一"]) == 2
    assert capsys.readouterr().err == "error: runs/一: no file name in the encoding ascii; set PYTHONUTF8=1\n"
