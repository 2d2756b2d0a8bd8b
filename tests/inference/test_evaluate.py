"""`evaluate` and `predict --source` of a run on data of the user's own: each prediction adds up to the metrics."""

import json
import shutil

import numpy as np
import pytest

from research.cli import main as cli
from research.options import flatten
from research.reporting import figures
from tests.inference import runs
from tests.tasks import sources

KINDS = ("pairs", "images", "numbers", "labels")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run of drawn weights for each kind of target, and its task."""
    made = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        task = sources.create(kind, folder)
        keys = {f"task__{key.replace('.', '__')}": value for key, value in flatten(task).items()}
        attention = "dot" if task.target_kind == "tokens" else "none"
        run = runs.write(folder / "run", task.spec, task.processor(), **keys, attention__name=attention)
        made[kind] = task, run.path
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_examples_add_up_to_the_metrics(kind, written, tmp_path, capsys):
    task, run = written[kind]
    assert cli.main(["evaluate", str(run), f"--per-example={tmp_path / 'out.jsonl'}"]) == 0
    out = capsys.readouterr().out
    metrics = {line.split()[0]: float(line.split()[1]) for line in out.splitlines() if "/" in line or "  " in line
               if len(line.split()) == 2 and not line.startswith("written")}  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == len(task.splits["test"]) and len({line["source"] for line in lines}) == len(lines)
    assert f"{len(lines)} examples of the test split" in out
    if kind == "pairs":
        assert all("\t" not in line["input"] and line["input"].isalpha() for line in lines)
        wrong = np.mean([line["edits"] > 0 for line in lines])
        assert metrics["test/free_running/sequence_error_rate"] == pytest.approx(wrong, abs=1e-4)
        assert metrics["test/free_running/exact_match"] == np.mean(
            [line["prediction"] in line["target"] for line in lines]
        )
    elif kind == "numbers":
        assert metrics["test/mae"] == pytest.approx(np.mean([line["error"] for line in lines]), rel=1e-4)
    elif kind == "images":
        assert metrics["test/accuracy"] == pytest.approx(np.mean([line["correct"] for line in lines]), abs=1e-4)
    else:
        pairs = [pair for line in lines for pair in zip(line["target"], line["prediction"], strict=True)]
        assert metrics["test/accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]), abs=1e-4)


def test_all_rows_of_other_data_are_scored(written, tmp_path, capsys):
    _, run = written["pairs"]
    (tmp_path / "other.tsv").write_text("lemma\ttags\tinflected\tother\nabc\tV;PST\tabced\t\nfed\tX\tfeds\tfed\n")
    assert cli.main(["evaluate", str(run), f"--source={tmp_path / 'other.tsv'}"]) == 0
    out = capsys.readouterr().out
    assert "2 examples of" in out and "\ntest/free_running/exact_match  " in out
    assert cli.main(["evaluate", str(run), f"--source={tmp_path / 'missing.tsv'}"]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_each_row_is_answered_and_a_row_that_cannot_be_read_is_told(written, tmp_path, capsys):
    _, run = written["pairs"]
    path = tmp_path / "new.tsv"
    path.write_text("lemma\ttags\nabc\tV;PST\n\tV;PST\nfed\tV;3;SG\n")
    assert cli.main(["predict", str(run), f"--source={path}"]) == 2
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [f"{path}:2", f"{path}:4"]
    assert f"error: {path}:3: column lemma is empty; must be text" in captured.err


def test_a_task_whose_data_are_fixed_takes_no_source(tmp_path, capsys):
    run = runs.write(tmp_path / "run").path
    for command in ("evaluate", "predict"):
        assert cli.main([command, str(run), "--source=x.tsv"]) == 2
        assert "must be absent, as the data of the task speech_digits are fixed" in capsys.readouterr().err


def test_a_task_that_draws_its_examples_is_scored_on_as_many_as_in_training(tmp_path, capsys):
    run = runs.write_synthetic(tmp_path / "run", "adding", task__length=9, training__eval_examples=12).path
    assert cli.main(["evaluate", str(run)]) == 0
    assert capsys.readouterr().out.startswith("12 examples of the test split\n")


def test_the_training_data_are_not_needed_to_predict(written, tmp_path, capsys):
    _, run = written["numbers"]
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "task.source": "gone.npz"}))
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    assert cli.main(["predict", str(copy), str(tmp_path / "x.npy")]) == 0
    value = float(capsys.readouterr().out.split()[-1])
    assert np.isfinite(value)
    assert cli.main(["evaluate", str(copy)]) == 2
    assert "gone.npz: no such file" in capsys.readouterr().err


def test_alignments_of_rows_have_their_symbols_and_damaged_rows_are_told(written, tmp_path, monkeypatch, capsys):
    drawn: list = []
    monkeypatch.setattr(figures, "draw_alignment", lambda item, path: drawn.append((item.labels, path.name)))
    _, run = written["pairs"]
    path = tmp_path / "new.tsv"
    path.write_text("lemma\ttags\nabc\tV;PST\nragged\nfed\tV;3;SG\n")
    assert cli.main(["predict", str(run), f"--source={path}", f"--alignment={tmp_path / 'a.png'}"]) == 2
    assert drawn == [(["V", "PST", *"abc"], "a-2.png"), (["V", "3", "SG", *"fed"], "a-3.png")]
    assert f"error: {path}:3: has 1 value; must have 2" in capsys.readouterr().err


def test_a_table_or_the_name_of_a_file_as_an_input_is_told(written, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("x,y\n1,2\n")
    assert cli.main(["predict", str(written["numbers"][1]), str(tmp_path / "x.csv")]) == 2
    assert f"; --source={tmp_path / 'x.csv'} reads the rows of a table\n" in capsys.readouterr().err
    cli.main(["predict", str(written["pairs"][1]), "nofile.wav"])  # it lacks tags
    assert "note: nofile.wav: is read as text, not as the name of a file\n" in capsys.readouterr().err
