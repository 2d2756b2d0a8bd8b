"""`status` prints once, follows until all trials are done, and tells mistakes in one line."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from research.cli import main as cli
from research.cli import status
from research.tracking.run_directory import RunDirectory
from tests import sweeps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sweeps.write_sweep(tmp_path / "gain")


def test_the_status_is_printed_with_what_is_damaged_and_without_a_traceback(folder, capsys):
    assert cli.main(["status", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        f"{folder}: 3 of 8 trials done",
        "  1 finished, 1 stopped early, 1 diverged, 1 interrupted, 3 waiting, 1 damaged",
        "  no process trains; the command that started them resumes",
        "  best validation/error_rate: 0.4, interrupted",
    ]
    assert lines[4].startswith(f"  damaged: {folder}/damaged/config.json:1: not JSON")


def test_scripts_get_json(folder, capsys):
    assert cli.main(["status", str(folder), "--format=json"]) == 0
    (sweep,) = json.loads(capsys.readouterr().out)
    assert (sweep["total"], sweep["done"], sweep["stopped early"]) == (8, 3, 1)
    assert sweep["best"] == {"trial": "interrupted", "value": 0.4}
    assert len(sweep["trials"]) == 7


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_follow_shows_changes_until_all_trials_are_done(folder, monkeypatch, stream):
    unfinished = ["interrupted", "waiting", "waiting too", "eighth"]
    output: Any = stream()

    def work(seconds: float) -> None:
        sweeps.finish(sweeps.create(folder, unfinished.pop(0)), 0.25)

    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(status.time, "sleep", work)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "500")
    assert cli.main(["status", str(folder), "--follow"]) == 0
    text = output.getvalue()
    assert not unfinished
    assert "7 of 8 trials done" in text and "best validation/error_rate: 0.25" in text
    if stream is io.StringIO:
        assert len(text.splitlines()) == 5 and "\x1b" not in text
    else:
        assert "\x1b[" in text


def test_without_a_change_no_line_is_printed(folder, monkeypatch, capsys):
    looks = iter(range(5))

    def wait(seconds: float) -> None:
        if next(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", wait)
    assert cli.main(["status", str(folder), "--follow"]) == 130
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "status: RUNS must be given"),
        (["nowhere"], "nowhere: no such directory"),
        (["gain", "--metric=speed"], "--metric=speed: must be that of a run; no run has this metric\n"),
        (["gain", "--metric=validation/eror_rate"], "no run has this metric; did you mean validation/error_rate?"),
        (["gain", "--metric=odd"], "--metric=odd: must be given with --goal"),
        ([".", "--goal=maximize"], "--goal=maximize: must be absent without --metric"),
        ([".", "--follow", "--format=json"], "--format=json: must be text with --follow"),
    ],
)
def test_mistakes_are_one_line(words, error, tmp_path, folder, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    RunDirectory(folder / "finished").finish(
        {"status": "finished", "summary": {"validation/error_rate": 0.3, "odd": 1.0}}
    )
    assert cli.main(["status", *words]) == 2
    err = capsys.readouterr().err
    assert error in err and err.count("\n") == 1


def test_the_direction_of_a_metric_is_that_of_its_name(folder, capsys):
    for run, accuracy in (("finished", 0.3), ("stopped", 0.9)):
        RunDirectory(folder / run).finish({"status": "finished", "summary": {"test/accuracy": accuracy}})
    assert cli.main(["status", str(folder), "--metric=test/accuracy"]) == 0
    assert "best test/accuracy: 0.9, stopped" in capsys.readouterr().out


def test_test_data_choose_nothing(folder, capsys):
    RunDirectory(folder / "finished").finish(
        {"status": "finished", "summary": {"validation/error_rate": 0.3, "test/loss": 1.0}}
    )
    for metric, warned in (("test/loss", True), ("validation/error_rate", False)):
        assert cli.main(["status", str(folder), f"--metric={metric}"]) == 0
        assert ("warning: test data choose nothing" in capsys.readouterr().err) is warned


def test_finished_trials_have_their_time_in_json(tmp_path, capsys):
    run = sweeps.create(tmp_path / "gain", "0")
    run.finish({"status": "finished", "summary": {"train/seconds": 12.5}, "steps": 3})
    assert cli.main(["status", str(tmp_path), "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["trials"][0]["seconds"] == 12.5
