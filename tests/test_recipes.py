"""The recipes of docs/extending.md, to the letter: they are followed in a copy of the source, and run there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from research.tracking.run_directory import RunDirectory
from tests.pages import ROOT, blocks, entries

QUICK = (
    *("--model.hidden_size=4", "--training.steps=4", "--training.batch_size=4", "--training.log_every=2"),
    *("--training.eval_examples=8", "--wandb.mode=disabled"),
)


def recipes(*kinds: str) -> dict[str, str]:
    """Return the text of the recipes' files, or the lines that they add to others, by path."""
    return {b.file: b.text for b in blocks() if b.page == "docs/extending.md" and b.kind in kinds and b.file}


def patched(text: str, diff: str) -> str:
    """Return the text with the added lines of the diff, each after the line that stands before it there."""
    previous = ""
    for line in diff.splitlines():
        assert line[0] in " +", line
        if line[0] == "+" and f"{line[1:]}\n" not in text:
            assert text.count(f"{previous}\n") == 1, previous
            text = text.replace(f"{previous}\n", f"{previous}\n{line[1:]}\n")
        previous = line[1:]
    return text


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Follow the recipes in a copy of the source, which may be one where they were followed before."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("research", "experiments", "sweeps", "tests", "benchmarks", "drills", "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for name, text in recipes("python", "yaml").items():
        (folder / name).write_text(text)
    for name, diff in recipes("diff").items():
        (folder / name).write_text(patched((folder / name).read_text(), diff))
    return folder


def run(copy: Path, *args: str) -> str:
    done = subprocess.run([sys.executable, *args], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def result(copy: Path, experiment: str) -> dict:
    (file,) = (copy / "runs" / experiment).glob("*/result.json")
    found = RunDirectory(file.parent).result()
    assert found is not None
    return found


def test_a_recipe_is_one_file_and_the_lines_of_a_registry():
    folders = {entry.package.replace(".", "/") for entry in entries()}
    assert {*recipes("diff")} == {f"{folder}/__init__.py" for folder in folders}
    written = recipes("python", "yaml").keys() - {entry.file for entry in entries()}
    assert written == {"my_gates.py", "experiments/sorting.py", "experiments/claims/gru_adds.py", "sweeps/sorting.yaml"}


LISTED = (
    "forget_lstm LSTM with a forget gate only",
    "sort Random symbols, to be put in their order. task.*: length, symbols",
    "weight_norms Norm of each weight.",
    "forget_gate Mean forget gate of the encoder's first layer at each step, on 8 validation examples.",
    "lion Sign of a mean of the gradient (Chen et al. 2023).",
    "linear_decay A straight line from the peak",
    "cosine_similarity Cosine of the query",
)


def test_what_the_recipes_add_is_listed(copy):
    listed = " ".join(run(copy, "-m", "research", "list", "--import=my_gates").split())
    for line in (*LISTED, "sorting How long a word"):
        assert line in listed


def test_the_recipes_are_modules_of_a_user_as_well(tmp_path, monkeypatch):
    """Each file stands outside of the repository, and ends with the lines that add to the registry."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for entry in entries():
        text = recipes("python")[entry.file]
        ending = f'from {entry.package} import {entry.registry}\n\n{entry.registry}["{entry.name}"] = {entry.kind}\n'
        (tmp_path / f"my_{entry.name}.py").write_text(f"{text}\n{ending}")
    (tmp_path / "my_gates.py").write_text(recipes("python")["my_gates.py"])
    modules = [f"--import={path.stem}" for path in tmp_path.iterdir()]
    listed = " ".join(run(tmp_path, "-m", "research", "list", *modules).split())
    for line in LISTED:
        assert line in listed


@pytest.mark.parametrize(
    ("choice", "option", "allowed"),
    [
        ("optimizer.name=lion", "optimizer.beta1=5", "between 0 and 0.999999"),
        ("attention.name=cosine_similarity", "attention.sharpness=0", "between 0.001 and 1000"),
    ],
)
def test_the_options_of_recipes_have_ranges(copy, choice, option, allowed):
    command = [sys.executable, "-m", "research", "train", "attention", f"--{choice}", f"--{option}"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    key, _, value = option.partition("=")
    assert (done.returncode, done.stderr) == (2, f"error: {key}={float(value)}: must be {allowed}\n")


def test_the_recipes_obey_the_linter(copy):
    paths = list(recipes("python", "diff"))
    run(copy, "-m", "ruff", "check", *paths)
    run(copy, "-m", "ruff", "format", "--check", *paths)


def test_the_new_cell_trains_and_the_new_probe_measures_it(copy):
    options = ("--setting=adding_50", "--cell.name=forget_lstm", "--init.forget_bias=1", "--task.length=8")
    probe = ("--probes.weight_norms.every=2",)
    run(copy, "-m", "research", "train", "gradient_norms", *options, *probe, *QUICK)
    record = result(copy, "gradient_norms")
    assert record["status"] == "finished"
    assert 0 < record["summary"]["gradient/initial/encoder/layer_1/forward/h/first_last_ratio"] < 1
    assert record["summary"]["weights/final/largest_norm"] > 0


def test_the_mean_forget_gate_is_recorded_every_few_updates(copy):
    options = ("--setting=adding_50", "--cell.name=lstm", "--init.forget_bias=3", "--task.length=8", "--seed=1")
    run(copy, "-m", "research", "train", "gradient_norms", *options, "--import=my_gates",
        "--probes.forget_gate.every=2", *QUICK, "--runs-dir=gates")  # fmt: skip
    (path,) = (copy / "gates" / "gradient_norms").iterdir()
    records = RunDirectory(path).records("forget_gate")
    assert [(record["step"], len(record["mean"])) for record in records] == [(0, 8), (2, 8), (3, 8)]
    assert 0.9 < records[0]["mean"][0] < 1  # sigmoid(3) is 0.95
    metrics = RunDirectory(path).records("metrics")
    assert metrics[0]["forget_gate/mean"] == pytest.approx(sum(records[0]["mean"]) / 8)


@pytest.mark.slow
def test_what_the_recipes_add_is_tested_with_the_others(copy):
    """The command of the page, for all that is registered, but for the slowest."""
    paths = ("tests/cells", "tests/recurrence", "tests/tasks", "tests/config", "tests/sweep", "tests/training")
    names = f"({' or '.join(entry.name for entry in entries())}) and not second and not chunks"
    tested = run(copy, "-m", "pytest", "-q", "-m", "not slow", *paths, "tests/seq2seq", "-k", names)
    assert re.search(r"^[1-9]\d* passed", tested, re.MULTILINE)


def test_the_new_experiment_trains_the_new_task_and_reports(copy):
    train = ["train", "sorting", "--setting=5 symbols", "--variant=additive", *QUICK]
    program = (
        "from research.cli.main import main; from research.sweep import spec\n"
        f"for args in ({train}, ['report', 'runs/sorting', '--format=markdown']): assert main(args) == 0\n"
        "print(len(spec.read('sweeps/sorting.yaml').trials))"
    )
    printed = run(copy, "-c", program)
    summary = result(copy, "sorting")["summary"]
    assert 0 < summary["test/free_running/edit_error_rate"] <= 6 / 5  # of 5 symbols; it may predict 6
    assert summary["test/teacher_forced/loss"] > 0
    assert "words with an error" in printed and printed.endswith("\n12\n")
