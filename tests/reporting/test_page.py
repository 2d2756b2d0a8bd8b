"""`report` prints the table, writes the files, and says where they are."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from research.cli.main import main as cli
from research.errors import UserError
from research.reporting import figures, page
from research.reporting.figures.alignment import Alignment
from research.reporting.interactive.examples import Example
from research.reporting.page import report
from tests.reporting.conftest import compared


def test_the_table_comes_first_and_then_where_the_files_are(attention_runs, capsys):
    report(attention_runs)
    out, err = capsys.readouterr()
    assert err == ""
    folder = attention_runs / "report"
    assert out.index("additive") < out.index(f"table     {folder}/table.{{md,tex,html,csv}}") < out.index("figure    ")
    figures = ["error_by_length.png", "error_by_position.png"]
    tables = [f"table.{suffix}" for suffix in ("csv", "html", "md", "tex")]
    assert sorted(path.name for path in folder.iterdir()) == [*figures, "runs.csv", *tables]
    report(attention_runs)
    assert capsys.readouterr().out == out  # its own files are no runs


@pytest.mark.parametrize(("form", "start"), [("markdown", "**attention**"), ("html", '<div id="table-attention"')])
def test_other_formats_leave_the_standard_output_to_the_table(attention_runs, tmp_path, capsys, form, start):
    report(attention_runs, format=form, output=tmp_path / "out")
    out, err = capsys.readouterr()
    suffix = {"markdown": "md", "html": "html"}[form]
    assert out.startswith(start)
    assert out == (tmp_path / "out" / f"table.{suffix}").read_text()
    assert "error_by_length.png\n" in err
    html = tmp_path / "out" / "report.html"
    assert html.exists() == (form == "html")
    if form == "html":  # it needs no other file
        assert "cmudict, text to text" in html.read_text() and "<table " in html.read_text()
        sources = re.findall(r'(?:src|href)="([^"]{0,30})', html.read_text())
        assert len(sources) == 2 and all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_interactive_page_is_written_after_the_table_with_the_examples_of_a_run_of_each_row(
    attention_runs, tmp_path, capsys
):
    asked: list[str] = []

    def predict(run: Path, split: str) -> list[Example]:
        assert split == "test"
        asked.append(run.name)
        if run.name == "none-0":
            raise UserError("has no checkpoint")
        return [Example({"input": "abc", "reference": "X", "prediction": "Y of it"})]

    report(attention_runs, format="page", figure=["none"], output=tmp_path / "out", predict=predict)
    out, err = capsys.readouterr()
    assert asked == ["additive-0", "none-0"] or asked == ["none-0", "additive-0"]
    assert f"page      no examples of {attention_runs}/none-0: has no checkpoint\n" in out
    assert out.endswith(f"page      {tmp_path}/out/page.html\n") and "additive" in out.partition("table  ")[0]
    assert err.count("predicts with ") == 2
    assert "Y of it" in (tmp_path / "out" / "page.html").read_text()


ALIGNED = Alignment(np.eye(2, 3), ["Y", "end"], np.arange(4.0), "letters", "", labels=list("abc"))


def test_a_figure_of_alignments_shows_the_same_validation_examples_for_each_row_with_attention(
    attention_runs, tmp_path, capsys, monkeypatch
):
    def predict(run: Path, split: str) -> list[Example]:
        assert split == "validation"
        aligned = ALIGNED if run.name == "additive-0" else None
        return [Example({"reference": name, "prediction": "Y"}, aligned) for name in ("first", "second")]

    drawn: list[Figure] = []
    save = figures.save
    monkeypatch.setattr(figures, "save", lambda figure, *args: (drawn.append(figure), save(figure, *args))[1])
    report(attention_runs, figure=["alignments"], output=tmp_path / "out", predict=predict)
    assert f"figure    {tmp_path}/out/alignments.png\n" in capsys.readouterr().out
    (figure,) = drawn
    assert [axis.get_title() for axis in figure.axes] == ["first", "second"]
    for axis, row in zip(figure.axes, ("additive", ""), strict=True):
        assert [tick.get_text() for tick in axis.get_xticklabels()] == list("abc")
        assert [tick.get_text() for tick in axis.get_yticklabels()] == ["Y", "end"]
        assert axis.get_ylabel() == row
        (mesh,) = axis.collections
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(2, 3), ALIGNED.weights)


def test_a_figure_of_alignments_says_why_it_is_not_drawn(attention_runs, capsys):
    def predict(run: Path, split: str) -> list[Example]:
        if run.name == "none-0":
            return [Example({"reference": "", "prediction": ""})]
        raise UserError("has no checkpoint")

    report(attention_runs, figure=["alignments"], predict=predict)
    out = capsys.readouterr().out
    assert f"figure    alignments: no examples of {attention_runs}/additive-0: has no checkpoint\n" in out
    assert "figure    alignments: not drawn, none of the runs has predictions with attention" in out
    report(attention_runs, figure=["alignments"])
    assert "figure    alignments: not drawn, it loads the models" in capsys.readouterr().out


def test_several_experiments_have_a_folder_each(attention_runs, forcing_runs, tmp_path, capsys):
    report(tmp_path, figure=["none"])
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"attention", "teacher_forcing"}


def test_a_figure_without_a_record_is_said_to_be_missing(attention_runs, capsys):
    for path in attention_runs.glob("*/result.json"):
        path.unlink()
    report(attention_runs)
    out = capsys.readouterr().out
    assert "error_by_length: not drawn" in out and "6 of 6 trials have no result yet" in out


def test_profiles_are_drawn_at_the_training_steps_that_are_asked_for(gradient_runs, tmp_path, capsys):
    report(gradient_runs, figure=["gradient_profiles"], at=[0, 90, "last"], figure_formats=["svg"], output=tmp_path)
    assert capsys.readouterr().out.count("figure    ") == 3
    pictures = [(tmp_path / f"gradient_profiles_at_{at}.svg").read_text() for at in (0, 90, "last")]
    assert len(set(pictures)) == 3
    with pytest.raises(UserError, match="figure gradient_heatmaps: must be one of gradient_profiles, .* with --at"):
        report(gradient_runs, figure=["gradient_heatmaps"], at=[0])


def test_the_figures_that_are_asked_for_are_drawn_and_no_others(attention_runs, capsys):
    report(attention_runs, figure=["error_by_length"])
    assert "error_by_position" not in capsys.readouterr().out
    report(attention_runs, figure=["none"])
    assert "figure  " not in capsys.readouterr().out
    with pytest.raises(UserError, match="figure 'eror_by_length': no such figure; did you mean error_by_length"):
        report(attention_runs, figure=["eror_by_length"])
    assert capsys.readouterr().out == ""


def test_other_formats_of_figures_are_written_where_they_are_asked_for(attention_runs, capsys):
    command = ["report", str(attention_runs), "--figure=error_by_length"]
    assert cli([*command, "--figure-formats=pdf"]) == 0
    place = attention_runs / "report" / "error_by_length"
    assert f"figure    {place}.{{png,pdf}}\n" in capsys.readouterr().out
    assert [path.name for path in sorted(place.parent.glob("error*"))] == ["error_by_length.pdf", "error_by_length.png"]
    assert cli([*command, "--figure-formats=eps"]) == 2
    assert "--figure-formats=eps: must be pdf, svg or pdf,svg" in capsys.readouterr().err


def test_more_rows_than_there_are_looks_are_drawn_only_where_that_is_asked_for(attention_runs, capsys, monkeypatch):
    monkeypatch.setattr(page, "MAX_ROWS", 1)
    report(attention_runs)
    reason = "not drawn, 2 rows are more than 1; --figure=error_by_length draws it"
    assert f"figure    error_by_length: {reason}" in capsys.readouterr().out
    report(attention_runs, figure=["error_by_length"])
    assert "error_by_length.png\n" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["file", "file/out"])
def test_an_output_that_cannot_be_made_is_said_before_the_table(attention_runs, tmp_path, capsys, output):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=output):
        report(attention_runs, output=tmp_path / output)
    assert capsys.readouterr().out == ""


def damage(change: str, run: Path) -> None:
    """Damage a run directory: set, remove or spoil something in it."""
    config, result = run / "config.json", run / "result.json"
    flat = json.loads(config.read_text())
    if change == "no config":
        config.unlink()
    elif change == "a folder":
        config.unlink()
        config.mkdir()
    elif change == "truncated":
        result.write_text(result.read_text()[:100])
    elif change == "nan":
        result.write_text(result.read_text().replace("0.05", "NaN"))
    elif "=" in change:
        key, _, text = change.partition("=")
        config.write_text(json.dumps(flat | {key: json.loads(text)}))
    else:
        config.write_text(json.dumps({key: value for key, value in flat.items() if key != change}))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("no config", "config.json: cannot be read: No such file"),
        ("a folder", "config.json: cannot be read: Is a directory"),
        ("truncated", "result.json:5: not JSON"),
        ("nan", "result.json:1: not JSON: NaN must be written as a string"),
        ("schema=1", "config.json: written by an older version"),
        ("seed=" + "9" * 400, "config.json:1: not JSON: 9999"),
        ("seed", "config.json: seed: is missing"),
        ("experiment", "config.json: experiment: is missing"),
        ('experiment="gone"', "config.json: experiment 'gone': no such experiment; must be"),
        ("setting=5", "config.json: setting=5: must be a word"),
        ('task.header="x"', "config.json: task.header='x': must be true or false"),
        ('training.steps="x"', "config.json: training.steps='x': must be a whole number"),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_the_others_are_reported(attention_runs, capsys, change, line):
    damage(change, attention_runs / "none-0")
    report(attention_runs, figure=["none"])
    out, err = capsys.readouterr()
    assert f"left out: {attention_runs}/none-0/{line}" in err and err.count("\n") == 1
    assert "2–3 seeds" in out
    with pytest.raises(UserError, match="--strict"):
        report(attention_runs, strict=True)


def test_records_that_cannot_be_read_are_named_and_the_others_are_drawn(attention_runs, capsys):
    record = {"step": 1, "validation/free_running/edit_error_rate": 0.5, "train/seconds": 60.0}
    for run in attention_runs.glob("*-*"):
        (run / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (attention_runs / "none-0" / "metrics.jsonl").write_text(json.dumps(record).replace("0.5", "NaN") + "\n\n")
    report(attention_runs, figure=["metric_by_time"])
    out = capsys.readouterr().out
    assert f"figure    metric_by_time: left out: {attention_runs}/none-0/metrics.jsonl:1: not a record" in out
    assert "metric_by_time.png\n" in out


def test_a_folder_that_may_not_be_read_is_named(attention_runs, capsys, monkeypatch):
    scan, closed = os.scandir, attention_runs / "none-0"

    def scandir(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    damage("no config", closed)
    report(attention_runs, figure=["none"])
    assert f"left out: {closed}/config.json: cannot be read" in capsys.readouterr().err


def test_a_cell_that_is_gone_and_a_damaged_sweep_file_stop_no_report(attention_runs, capsys):
    for run in attention_runs.glob("*-*"):
        damage('cell.name="gone"', run)
    (attention_runs / "sweep.yaml").write_text("parameters: [1")
    report(attention_runs, figure=["none"])
    out, err = capsys.readouterr()
    assert "3 seeds" in out
    assert err.startswith(f"left out: {attention_runs}/sweep.yaml: is no sweep file: line 1: is not YAML")


def test_several_directories_are_one_report_in_the_first_of_them(attention_runs, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    for path in attention_runs.glob("none-*"):
        path.rename(other / path.name)
    report(other, attention_runs, figure=["none"])
    out = capsys.readouterr().out
    assert "none  " in out and "additive" in out
    assert len(pd.read_csv(other / "report" / "runs.csv")) == 6 and not (attention_runs / "report").exists()


def test_seeds_of_words_and_of_numbers_stand_next_to_each_other(attention_runs):
    damage('seed="x"', attention_runs / "none-0")
    assert set(compared(attention_runs).trials["seed"]) == {"x", 0, 1, 2}


def test_a_figure_that_cannot_be_drawn_says_why_and_the_others_are_drawn(forcing_runs, capsys):
    for run in forcing_runs.glob("ratio 0.5-*"):
        damage('teacher_forcing.ratio="x"', run)
    report(forcing_runs)
    out = capsys.readouterr().out
    assert "figure    exposure_bias_gap: not drawn, ValueError: could not convert string to float: 'x'\n" in out
    assert (forcing_runs / "report" / "forced_and_free.png").exists()
