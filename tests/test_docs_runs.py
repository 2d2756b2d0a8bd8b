"""What README.md and docs/ say of runs: names of run directories, and commands that read runs, which are run here."""

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from research.cli.main import main
from research.config.experiment import load
from research.config.flags import read_flags
from research.config.naming import NamedConfig, name_trial, run_id
from research.sweep import spec
from research.tracking.run_directory import RunDirectory
from tests.pages import PAGES, ROOT, blocks, commands

READERS = ("report", "compare", "status")
H = "encoder/layer_1/forward/h"
GAIN = "docs/sweeps.md"
"""The page whose sweep `gain` is shown with 1,000 updates, and with an evaluation every 100 of them."""


def of_sweep(name: str, folder: Path, text: str = "") -> tuple[NamedConfig, ...]:
    """Return the trials of a shipped sweep, or of one that a page writes."""
    file = folder / f"{name}.yaml"
    file.write_text(text or (ROOT / "sweeps" / f"{name}.yaml").read_text())
    return spec.read(file).trials


def gain(**replaced: str) -> str:
    """Return the sweep file of docs/sweeps.md with other text in the place of some."""
    (text,) = [block.text for block in blocks("yaml") if (block.page, block.file) == (GAIN, "sweeps/gain.yaml")]
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return text


def reading() -> list[tuple[str, list[str]]]:
    """Return the page and the words of all commands with options that read the runs of a sweep, but not its models."""
    known = {path.stem for path in (ROOT / "sweeps").glob("*.yaml")} | {"gain"}
    different = {tuple(words): page for page, words in commands() if words[:1] == ["research"]}
    return [
        (page, list(words[1 : words.index(">")] if ">" in words else words[1:]))
        for words, page in different.items()
        if words[1] in READERS
        and len(words) > 3
        and not any(word.startswith("--examples") for word in words)
        and (runs := [word.split("/")[1] for word in words if word.startswith("runs/")])
        and known.issuperset(runs)
    ]


def test_run_directories_that_are_printed_have_the_names_that_the_commands_give(tmp_path):
    known = {
        name_trial(words[2], read_flags(words[3:])).name
        for page, words in commands()
        if page != "docs/extending.md" and words[:2] == ["research", "train"] and words[2:]
        if re.fullmatch("[a-z_]+", words[2]) and not {*words} & {"--help", "--runs-dir"}
    }
    thousand = {"value: 4": "value: 1000"}
    evaluated = {"value: 4": "value: 1000\n  training.eval_every: {value: 100}"}
    for name in ("attention", "gradient_norms"):
        known |= {trial.name for trial in of_sweep(name, tmp_path)}
    for text in (gain(), gain(**thousand), gain(**evaluated)):
        known |= {trial.name for trial in of_sweep("gain", tmp_path, text)}
    printed = [(page, name) for page, text in PAGES.items() for name in re.findall(r"[\w.+-]+-[0-9a-f]{8}\b", text)]
    assert len(printed) > 5
    artifacts = {f"model-{run_id(name)}" for name in known}
    assert not [(page, name) for page, name in printed if name not in known | artifacts]


def write(root: Path, trials: tuple[NamedConfig, ...]) -> None:
    """Write finished runs of these trials, with the metrics of the columns of their experiment."""
    for place, (name, config) in enumerate(trials):
        run = RunDirectory.create(root / name, config)
        keys = [column.key.replace("*", f"{H}/") for column in load(config.experiment).columns]
        value = 0.5 + 0.001 * place
        norms = (value * 0.9 ** np.arange(49.0, -1, -1)).astype(np.float32)
        for step in (0, 50, 100):
            run.append("metrics", {"step": step, "train/loss": value, "validation/loss": value, "train/seconds": 1.0})
            run.append("gradient_flow", {"step": step, H: norms})
        keys += ["train/loss", "test/loss", "test/accuracy", "validation/loss", "train/seconds", "model/parameters"]
        run.finish({"status": "finished", "summary": dict.fromkeys(keys, value), "profiles": {"gradient_flow": H}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the runs of each sweep whose runs are read by a command of a page."""
    matplotlib.use("agg")
    root = tmp_path_factory.mktemp("project")
    for name in {word.split("/")[1] for _, words in reading() for word in words if word.startswith("runs/")}:
        trials = of_sweep(name, root, gain() if name == "gain" else "")
        write(root / "runs" / name, trials)
        spec.save_copy(root / f"{name}.yaml", root / "runs" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


@pytest.mark.parametrize("command", [" ".join(words) for _, words in reading()])
def test_commands_read_the_runs_of_their_sweep(command, folder, capsys):
    page, words = next((page, words) for page, words in reading() if " ".join(words) == command)
    code = main(words)
    printed = capsys.readouterr()
    assert code == 0 and printed.out.strip() and "left out" not in printed.err, f"{page}: {printed.err}"
