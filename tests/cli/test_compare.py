"""`compare` prints tables and draws a figure."""

from pathlib import Path

import pytest

from research.cli import main as cli
from research.tracking.run_directory import RunDirectory
from tests import sweeps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sweeps.write_sweep(tmp_path / "gain")


def test_what_differs_is_printed_and_damaged_runs_are_named(folder, capsys):
    assert cli.main(["compare", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("cell.name")]
    for title in ("Runs", "Config: keys that differ", "Final metrics", "train/loss", sweeps.METRIC):
        assert title in out.splitlines()
    assert err.startswith(f"left out: {folder}/damaged/config.json") and err.count("\n") == 1


def test_the_figure_has_curves_and_profiles(folder, tmp_path, capsys):
    runs = [folder / "finished", folder / "interrupted"]
    for factor, run in zip((0.5, 2.0), runs, strict=True):
        for step in (0, 100):
            RunDirectory(run).append("gradient_flow", {"step": step, "encoder/h": [factor, 1.0]})
    (folder / "finished" / "result.json").unlink()
    for name in ("figure.png", "figure.svg"):
        assert cli.main(["compare", *map(str, runs), f"--figure={tmp_path}/{name}"]) == 0
        assert capsys.readouterr().out.endswith(f"figure    {tmp_path}/{name}\n")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "figure.svg").read_text()
    for words in ("loss, training", "initial ‖", "final ‖", "1: finished", "2: interrupted"):
        assert words in text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "compare: RUNS must be given"),
        (["gain/finished"], "RUNS: 1 run; must be 2 to 20"),
        (["gain", "--figure=x.doc"], "--figure=x.doc: must be a file that ends in one of .png, .svg, .pdf"),
        (["gain", "--figure=nowhere/x.png"], "--figure=nowhere/x.png: must be a file that can be written to"),
        (["gain", "--curves=test/none"], "test/none: no run has this metric"),
        (["gain/waiting", "gain/waiting too", "--figure=x.png"], "--figure: the runs have no record"),
    ],
)
def test_mistakes_are_one_line(folder, words, error, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    assert cli.main(["compare", *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("left out")]
    assert len(lines) == 1 and error in lines[0]
