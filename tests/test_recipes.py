"""The recipes of README.md, to the letter: their files are put into a copy of the source, their commands run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from research.tracking.runs import RunDirectory

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(?:python|yaml)\n# ([\w/]+\.(?:py|yaml))\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = (
    *("--model.features=4", "--training.steps=4", "--training.batch_size=4", "--training.log_every=2"),
    *("--training.eval_examples=8", "--tracking.wandb=disabled"),
)


def recipes() -> dict[str, str]:
    return dict(BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The source with the recipes' files; what replaces a line of a file begins its last line as that line does."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("research", "experiments", "sweeps", "tests", "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for name, text in recipes().items():
        path = folder / name
        if path.exists():
            start = text.rstrip().rpartition("\n")[2].partition("=")[0]
            before, after = re.split(rf"^{re.escape(start)}=.*\n", path.read_text(), flags=re.MULTILINE)
            text = before + text + after
        path.write_text(text)
    return folder


def run(copy: Path, *args: str) -> str:
    env = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
    done = subprocess.run([sys.executable, *args], cwd=copy, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def result(copy: Path, experiment: str) -> dict:
    (path,) = (copy / "runs" / experiment).iterdir()
    found = RunDirectory(path).result()
    assert found is not None
    return found


def test_the_files_of_the_recipes_are_there_and_new_but_for_the_options():
    assert [name for name in recipes() if (ROOT / name).exists()] == ["research/config/task.py"]
    assert len(recipes()) == 5


def test_the_line_that_a_recipe_replaces_is_that_line_and_more():
    """A task that is new elsewhere would be lost by whoever follows the recipe."""
    line = next(line for line in recipes()["research/config/task.py"].splitlines() if line.startswith("TaskConfig ="))
    (own,) = re.findall(r"^TaskConfig = .*$", (ROOT / "research/config/task.py").read_text(), re.MULTILINE)
    assert line == f"{own} | SortConfig"


def test_what_the_recipes_add_is_listed(copy):
    listed = run(copy, "-m", "research", "list")
    for name in (
        "janet    LSTM with a forget gate only",
        "sort  ",
        "sorting  How long a word",
        "sweeps/sorting.yaml",
    ):
        assert name.split()[0] in listed and " ".join(name.split()) in " ".join(listed.split())


def test_the_recipes_obey_the_linter(copy):
    run(copy, "-m", "ruff", "check", *(name for name in recipes() if name.endswith(".py")))
    run(copy, "-m", "ruff", "format", "--check", *(name for name in recipes() if name.endswith(".py")))


def test_the_new_cell_trains(copy):
    chosen = ("--setting=adding_50", "--model.cell=janet", "--init.forget_bias=1", "--task.length=8")
    run(copy, "-m", "research", "train", "gradient_norms", *chosen, *QUICK)
    found = result(copy, "gradient_norms")
    assert found["status"] == "finished"
    assert 0 < found["summary"]["gradient/initial/first_to_last"] < 1


def test_the_new_cell_is_tested_with_the_others(copy):
    """The README's own command, but for the tests whose compilation takes longest."""
    tested = run(copy, "-m", "pytest", "-q", "tests/recurrent", "-k", "janet and not second and not chunks")
    assert re.search(r"^[1-9]\d* passed", tested, re.MULTILINE)


def test_the_new_experiment_trains_the_new_task_and_reports(copy):
    run(copy, "-m", "research", "train", "sorting", "--setting=5 symbols", "--arm=additive", *QUICK)
    summary = result(copy, "sorting")["summary"]
    assert 0 < summary["eval/free_running/error_rate"] <= 6 / 5  # of 5 symbols; it may say 6
    assert summary["eval/teacher_forced/loss"] > 0
    assert "words with an error" in run(copy, "-m", "research", "report", "runs/sorting", "--format=markdown")
    program = "from research.sweeping import spec; print(len(spec.read('sweeps/sorting.yaml').trials))"
    assert run(copy, "-c", program) == "12\n"
