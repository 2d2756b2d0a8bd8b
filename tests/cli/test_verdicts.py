"""`verdicts` trains what is missing, if asked, and prints or writes the table."""

from pathlib import Path

import pytest

from research.cli import main as cli
from research.config import claim
from research.errors import UserError
from research.sweep import claims
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
            assert run is None
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
    assert f"left out: {damaged}:1: not JSON" in err
    assert "holds; 1 of 20" in out  # trials missing
    assert "2 claims: 1 holds, 1 is not run" in out


def test_a_claim_that_cannot_be_trained_does_not_stop_the_others(trained, capsys):
    assert cli.main(["verdicts", "dyck", "critical_gain", "--run"]) == 2
    out, err = capsys.readouterr()
    assert "error: claim dyck: no memory\n" in err
    assert "2 claims: 1 holds, 1 is not run" in out


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
