"""`report` prints the table, writes the files, and says where they are."""

import json
import re
import shutil
from pathlib import Path

import pytest

from research.errors import UserError
from research.reporting.comparison import read
from research.reporting.page import report
from research.tracking.run_directory import find


def test_the_table_comes_first_and_then_where_the_files_are(attention_runs, capsys):
    report(attention_runs)
    out, err = capsys.readouterr()
    assert err == ""
    folder = attention_runs / "report"
    assert out.index("additive") < out.index(f"table     {folder}/table.{{md,tex,html}}") < out.index("figure    ")
    figures = [f"error_by_{part}.{suffix}" for part in ("length", "position") for suffix in ("png", "svg")]
    assert sorted(path.name for path in folder.iterdir()) == [*figures, "table.html", "table.md", "table.tex"]
    report(attention_runs)
    assert capsys.readouterr().out == out  # its own files are no runs


@pytest.mark.parametrize(("form", "start"), [("markdown", "**attention**"), ("html", "<h2>")])
def test_other_formats_leave_the_standard_output_to_the_table(attention_runs, tmp_path, capsys, form, start):
    report(attention_runs, form, tmp_path / "out")
    out, err = capsys.readouterr()
    suffix = {"markdown": "md", "html": "html"}[form]
    assert out.startswith(start)
    assert out == (tmp_path / "out" / f"table.{suffix}").read_text()
    assert "error_by_length.{png,svg}" in err
    page = tmp_path / "out" / "report.html"
    assert page.exists() == (form == "html")
    if form == "html":  # it needs no other file
        assert "fixed-size state" in page.read_text() and "<table>" in page.read_text()
        sources = re.findall(r'(?:src|href)="([^"]{0,30})', page.read_text())
        assert len(sources) == 2 and all(source.startswith("data:image/png;base64,") for source in sources)


def test_several_experiments_have_a_folder_each(attention_runs, forcing_runs, tmp_path, capsys):
    report(tmp_path)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"attention", "teacher_forcing"}


def test_a_figure_without_a_record_is_said_to_be_missing(attention_runs, capsys):
    for path in attention_runs.glob("*/result.json"):
        path.unlink()
    report(attention_runs)
    out = capsys.readouterr().out
    assert "error_by_length: not drawn" in out and "6 of 6 trials have no result yet" in out


def test_a_directory_without_runs_says_what_makes_them(tmp_path):
    with pytest.raises(UserError, match="no runs in it; `research sweep"):
        report(tmp_path)


def test_an_output_that_cannot_be_written_is_a_users_mistake(attention_runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written"):
        report(attention_runs, output=tmp_path / "file")


def test_an_output_that_cannot_be_made_is_said_before_the_table(attention_runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/out: cannot be written"):
        report(attention_runs, output=tmp_path / "file" / "out")
    assert capsys.readouterr().out == ""


def change(root: Path, name: str, **changes: object) -> Path:
    """Change keys of a JSON file of the first run."""
    path = min(root.glob(f"*/{name}"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_a_task_that_cannot_be_rebuilt_is_named_with_its_file(attention_runs):
    path = change(attention_runs, "config.json", **{"task.stress": "x"})
    with pytest.raises(UserError, match=rf"{path}: task\.stress='x': must be true or false"):
        report(attention_runs)


def test_a_run_of_an_older_version_is_told_so(attention_runs):
    path = change(attention_runs, "config.json", schema=1)
    with pytest.raises(UserError, match=f"{path}: written by an older version"):
        report(attention_runs)


def test_seeds_of_words_and_of_numbers_stand_next_to_each_other(attention_runs):
    change(attention_runs, "config.json", seed="x")
    (comparison,) = read(find(attention_runs))
    assert set(comparison.trials["seed"]) == {"x", 0, 1, 2}


def test_profiles_of_two_lengths_in_a_row_are_a_users_mistake(gradient_runs, tmp_path, capsys):
    runs = shutil.copytree(gradient_runs, tmp_path / "runs")
    path = sorted(runs.glob("*/gradient_flow.jsonl"))[1]
    path.write_text('{"step": 0, "encoder/layer_1/forward/h": [1.0, 2.0]}\n')
    with pytest.raises(UserError, match=rf"{path}: encoder/layer_1/forward/h: has 2 numbers; must have 150, as in "):
        report(runs)
