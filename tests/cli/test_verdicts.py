"""`verdicts` trains what is missing, if asked, and prints or writes the table."""

from pathlib import Path

import numpy as np
import pytest

from research.cli import main as cli
from research.config import claim, override
from research.errors import UserError
from research.sweep import claims, spec
from research.sweep.tuning import tuning_of
from research.tracking.run_directory import RunDirectory
from tests.pages import PAGES, blocks


@pytest.fixture
def trained(tmp_path, monkeypatch) -> list[str]:
    """Replace the training of `critical_gain`; list the claims that were trained."""
    calls: list[str] = []

    def train(name: str, runs_dir: Path, *_: object) -> None:
        if name == "dyck":
            raise UserError("no memory")
        calls.append(name)
        for trial, run in claims.find(name, runs_dir):
            if run:
                continue
            decay = trial.config.init.gain * 0.9 + trial.config.seed / 1000
            new = RunDirectory.create(claims.folder_of(name, runs_dir) / trial.name, trial.config)
            summary = {"gradient/initial/encoder/layer_1/forward/h/decay_per_step": decay}
            new.finish({"status": "finished", "summary": summary})

    monkeypatch.setattr(claims, "train", train)
    monkeypatch.chdir(tmp_path)
    return calls


def test_claims_are_not_run_unless_asked_and_once(trained, capsys):
    assert cli.main(["verdicts", "critical_gain"]) == 0
    out, err = capsys.readouterr()
    assert "not run" in out
    assert err == "no runs in runs/claims: docs/verdicts.md has the numbers of this project; --run trains\n"
    assert not trained
    for _ in range(2):
        assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
        out, err = capsys.readouterr()
        assert "1 claim: 1 holds" in out and "docs/verdicts.md" not in err
    assert trained == ["critical_gain"]


def test_the_table_is_written_to_a_file(trained, capsys):
    words = ["verdicts", "critical_gain", "--run", "--format=markdown", "--output=docs/verdicts.md"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "docs/verdicts.md\n"
    assert "- **Verdict**: holds." in Path("docs/verdicts.md").read_text()


def test_a_claim_is_replaced_in_the_page_and_others_are_kept(trained, monkeypatch, capsys):
    page, words = Path("page.md"), ["--format=markdown", "--output=page.md"]
    assert cli.main(["verdicts", "adding_by_cell", "adding_by_cell_300", "critical_gain", "dyck", *words]) == 0
    known = page.read_text()
    assert cli.main(["verdicts", "adding_by_cell", "attention", *words, "--update"]) == 0
    updated = page.read_text()
    both = [part for part in updated.split("\n## ") if not part.startswith("attention\n")]
    assert [part.strip() for part in both[1:]] == [part.strip() for part in known.split("\n## ")[1:]]
    assert "3 claims: 3 are not run; 1 more looks for causes" in known and "4 claims: 4 are not run; 1 more" in updated
    heads = [part.partition("\n")[0] for part in updated.split("\n## ")[1:]]
    assert heads == ["adding_by_cell", "adding_by_cell_300", "attention", "critical_gain", "dyck"]
    assert [line for line in known.splitlines() if line.startswith("| [")] == [
        line for line in updated.splitlines() if line.startswith("| [") and "#attention)" not in line
    ]
    assert cli.main(["verdicts", "critical_gain", "--run", *words, "--update"]) == 0
    again = page.read_text()
    assert "4 claims: 1 holds, 3 are not run; 1 more looks for causes" in again
    cut = again.index("## dyck")
    assert again[cut:] == updated[updated.index("## dyck") :]
    monkeypatch.setattr(claim, "names", lambda: ["critical_gain", "dyck", "janet"])  # a claim that is gone goes
    assert cli.main(["verdicts", "janet", *words, "--update"]) == 0
    assert "adding_by_cell" not in page.read_text()
    capsys.readouterr()
    assert cli.main(["verdicts", "janet", "--update"]) == 2
    assert capsys.readouterr().err == "error: verdicts: --update needs NAMES, --format=markdown and --output=FILE\n"


def test_the_page_is_written_next_to_the_runs_and_the_table_printed(trained, capsys):
    assert cli.main(["verdicts", "critical_gain", "--run", "--format=page"]) == 0
    out = capsys.readouterr().out
    assert "1 claim: 1 hold" in out and out.endswith("\nruns/claims/page.html\n")
    assert Path("runs/claims/page.html").read_text().startswith("<!doctype html>")
    assert cli.main(["verdicts", "critical_gain", "--format=page", "--output=page.html"]) == 0
    assert capsys.readouterr().out.endswith("\npage.html\n")


def test_a_damaged_result_is_told_and_missing_and_other_claims_are_judged(trained, capsys):
    assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
    damaged = next(Path("runs/claims/critical_gain").glob("*/result.json"))
    damaged.write_text("{")
    capsys.readouterr()
    assert cli.main(["verdicts", "critical_gain", "janet"]) == 0
    out, err = capsys.readouterr()
    assert f"left out: {damaged}:1: not JSON" in err and "research verdicts critical_gain --run trains it anew" in err
    assert "holds; 1 of 20" in out  # trials missing
    assert "2 claims: 1 holds, 1 is not run" in out


def test_damaged_trials_are_trained_anew(trained, capsys):
    assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
    first, second, *_ = map(RunDirectory, sorted(Path("runs/claims/critical_gain").iterdir()))
    first.result_file.write_text("{")
    second.test_examples_file.write_text("{")
    capsys.readouterr()
    assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
    out, err = capsys.readouterr()
    assert f"trained anew: {first.result_file}:1: not JSON" in err and "critical_gain: 2 trials to train\n" in err
    assert "1 claim: 1 holds" in out and first.result() and not second.test_examples_file.exists()
    assert trained == ["critical_gain"] * 2


def test_advice_names_a_command_that_verdicts_has(trained, capsys):
    assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
    run = RunDirectory(next(Path("runs/claims/critical_gain").iterdir()))
    result = run.result()
    assert result
    run.save_test_examples({"accuracy": (np.ones(2), np.ones(2))})
    run.finish(result, ["metrics"])
    run.test_examples_file.write_text("{}")
    capsys.readouterr()
    assert cli.main(["verdicts", "critical_gain"]) == 0
    err = capsys.readouterr().err
    assert "has changed since the run was finished; research verdicts critical_gain --run trains it anew\n" in err
    assert "--rerun" not in err


def test_a_claim_with_a_fault_does_not_stop_the_others(trained, capsys):
    assert cli.main(["verdicts", "critical_gain", "--run"]) == 0
    run = RunDirectory(next(Path("runs/claims/critical_gain").iterdir()))
    run.finish({"status": "finished", "summary": {"test/loss": 1.0}})
    capsys.readouterr()
    assert cli.main(["verdicts", "critical_gain", "janet"]) == 2
    out, err = capsys.readouterr()
    fault = "cannot be judged: gradient/initial/*decay_per_step: no metric of its runs\n"
    assert err == f"error: claim critical_gain: {fault}"
    assert "2 claims: 1 is not run, 1 cannot be judged" in out


def test_what_was_tuned_and_its_time_are_on_the_page(tmp_path, capsys):
    (tmp_path / "sweep.yaml").write_text(claims.sweep_file("dyck"))
    tuning = tuning_of(spec.read(tmp_path / "sweep.yaml"))
    assert tuning
    for number, trial in enumerate(tuning.trials().trials):
        rate = trial.config.optimizer.learning_rate
        earlier = override(trial.config, {"training.steps": 7})  # of another version of the claim
        for name, config in ((trial.name, trial.config), (f"{trial.name}-earlier", earlier)):
            run = RunDirectory.create(tmp_path / "claims/dyck-tuning" / name, config)
            run.append("metrics", {"step": 1, "validation/loss": rate})
            run.finish({"status": "finished", "seconds": 40.0 + number, "summary": {}})
    for trial, _ in claims.find("dyck", tmp_path):
        run = RunDirectory.create(tmp_path / "claims/dyck" / trial.name, trial.config)
        run.finish({"status": "finished", "seconds": 60.0, "summary": {"test/sequence_accuracy": 1.0}})
    assert cli.main(["verdicts", "dyck", "--runs-dir", str(tmp_path), "--format=markdown"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "0.01 (the edge of the grid) for one kind 1 unit, two kinds 8 units." in out
    assert "The trials took 4 minutes, with tuning and evaluation" in out


def test_a_claim_that_cannot_be_trained_does_not_stop_the_others(trained, capsys):
    assert cli.main(["verdicts", "dyck", "critical_gain", "--run"]) == 2
    out, err = capsys.readouterr()
    assert "error: claim dyck: no memory\n" in err
    assert "2 claims: 1 holds, 1 is not run" in out


def test_a_file_that_is_no_page_is_not_replaced_nor_anything_trained(trained, capsys):
    Path("notes.md").write_text("# Notes\n")
    for name, words in (("notes", "no page of verdicts"), ("missing", "cannot be read")):
        options = ["critical_gain", "--run", "--update", "--format=markdown", f"--output={name}.md"]
        assert cli.main(["verdicts", *options]) == 2
        assert capsys.readouterr().err == f"error: --update: {name}.md: {words}\n"
    assert Path("notes.md").read_text() == "# Notes\n" and not trained


def test_mistakes_are_one_line(trained, tmp_path, capsys):
    assert cli.main(["verdicts", "attentoin", "--run"]) == 2
    assert capsys.readouterr().err == "error: claim 'attentoin': no such claim; did you mean attention?\n"
    (tmp_path / "file").write_text("")
    assert cli.main(["verdicts", "dyck", "--output=file/page.md"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not trained


def test_the_page_of_the_docs_has_every_claim():
    recipes = {Path(block.file).stem for block in blocks() if block.file.startswith("experiments/claims/")}
    missing = [name for name in claim.names() if f"\n## {name}\n" not in PAGES["docs/verdicts.md"]]
    again = "research verdicts --run --format=markdown --output=docs/verdicts.md"
    assert {*missing} <= recipes, f"docs/verdicts.md: write it anew: {again}"
