"""`report` hands on its options, and its columns have a statistic or a threshold."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from research.cli import main as cli
from research.config.experiment import Column
from research.reporting.layout import Layout
from research.sweep import membership
from research.tracking.run_directory import RunDirectory


@pytest.fixture
def page(monkeypatch):
    calls: list[tuple[Any, ...]] = []
    stand_in: Any = ModuleType("research.reporting.page")
    stand_in.report = lambda *args, **options: calls.append(
        (*args, {key: value for key, value in options.items() if value})
    )
    monkeypatch.setitem(sys.modules, "research.reporting.page", stand_in)
    monkeypatch.setattr("research.reporting.page", stand_in, raising=False)
    return calls


def test_report_hands_on_its_options(page, tmp_path):
    assert cli.main(["report", str(tmp_path)]) == 0
    latex = ["--format=latex", "--output", "out", "--caption=50% of x", "--label=tab:x", "--columns=test/loss,a=b/c"]
    latex += ["--figure=metric_by_time, bleu_by_length", "--rows=cell.name, init.gain", "--sections=task.length"]
    latex += ["--where=cell.name=lstm, gru; seed=0"]
    assert cli.main(["report", "--strict", str(tmp_path), "other", *latex]) == 0
    options = {"format": "latex", "output": Path("out"), "caption": "50% of x", "label": "tab:x", "strict": True}
    options["figure"] = ["metric_by_time", "bleu_by_length"]
    options["columns"] = [Column("test/loss", "test/loss"), Column("a", "b/c")]
    where = {"cell.name": ["lstm", "gru"], "seed": ["0"]}
    options["layout"] = Layout(("cell.name", "init.gain"), ("task.length",), where)
    options["outside"] = membership.outside
    default = {"format": "terminal", "layout": Layout(), "outside": membership.outside}
    assert page == [(tmp_path, default), (tmp_path, Path("other"), options)]


def test_a_column_of_the_command_line_has_a_statistic_or_a_threshold(page, tmp_path):
    columns = "median(test/loss),x=iqm(a),solved=test/accuracy>=0.9,test/loss<1e-3"
    assert cli.main(["report", str(tmp_path), f"--columns={columns}"]) == 0
    success: dict[str, Any] = {"statistic": "success"}
    assert page[0][1]["columns"] == [
        Column("median(test/loss)", "test/loss", statistic="median"),
        Column("x", "a", statistic="iqm"),
        Column("solved", "test/accuracy", **success, threshold=0.9, better="higher"),
        Column("test/loss<1e-3", "test/loss", **success, threshold=1e-3, better="lower"),
    ]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--where=seed=0;seed=1", "--where=.*: must be KEY=VALUE,VALUE with each key once"),
        ("--columns=,,", "--columns=,,: must be names"),
    ],
)
def test_what_says_nothing_or_two_things_is_one_line(option, line, page, tmp_path, capsys):
    assert cli.main(["report", str(tmp_path), option]) == 2
    assert re.search(line, capsys.readouterr().err) and not page


def test_a_figure_of_alignments_has_three_examples_unless_told(page, tmp_path, monkeypatch):
    monkeypatch.setattr("research.cli.report._predict", lambda count: count)
    assert cli.main(["report", str(tmp_path), "--figure=alignments"]) == 0
    assert cli.main(["report", str(tmp_path), "--figure=alignments", "--examples=5"]) == 0
    assert [options["predict"] for _, options in page] == [3, 5]


@pytest.mark.parametrize("words", [["--columns="], ["--rows", ""], ["--figure-formats="]])
def test_an_empty_option_is_not_ignored(words, page, tmp_path, capsys):
    assert cli.main(["report", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: report: {words[0].rstrip('=')}=: must not be empty")
    assert not page


def test_report_lists_the_metrics_of_runs(tmp_path, capsys):
    RunDirectory.create(tmp_path / "run", {"seed": 0}).finish({"status": "finished", "summary": {"b": 1.0, "a": 2.0}})
    assert cli.main(["report", "--list-metrics", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "a\nb\n"
