"""The table of a sweep in W&B is that of the report."""

import json
import os
import shutil
from pathlib import Path

import pytest
import wandb

from research.reporting import tables, wandb_report
from research.reporting.comparison import read
from research.tracking import wandb_session as session
from research.tracking.wandb import WandbOptions
from tests.tracking.written import inspect


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    session.warn.cache_clear()
    wandb.teardown()
    yield
    wandb.teardown()


def test_the_table_is_a_run_of_the_sweeps_group_with_text_and_numbers(gradient_runs, tmp_path):
    folder = Path(shutil.copytree(gradient_runs, tmp_path / "my_sweep"))
    assert not wandb_report.is_sent(folder)
    wandb_report.send(folder, WandbOptions(mode="offline", project="p", run_name="gru-3f9a01c7"))
    assert wandb_report.is_sent(folder)
    written = inspect(folder)
    (run,) = written.of("run")
    assert (run["job_type"], run["run_group"], run["project"]) == ("report", "my_sweep", "p")
    assert run["display_name"] == "my_sweep report"
    (comparison,), _ = read([folder])  # the run itself is none of the sweep's
    table = tables.table(comparison)
    numbers = table.numbers
    content = json.loads((written.folder / "files" / written.history[-1]["report/table.path"]).read_text())
    assert content["columns"] == ["setting", *table.header]
    assert content["data"] == [[part, *row] for part, rows in table.parts.items() for row in rows]
    content = json.loads((written.folder / "files" / written.history[-1]["report/numbers.path"]).read_text())
    assert content["columns"] == [*numbers.columns] and len(content["data"]) == len(numbers)
    column = content["columns"].index("value")
    accuracy = [line[column] for line in content["data"] if "test/accuracy" in line]
    assert accuracy == pytest.approx(numbers[numbers["metric"] == "test/accuracy"]["value"].tolist())


def test_a_table_that_cannot_be_made_is_one_line(tmp_path, capsys):
    wandb_report.send(tmp_path, WandbOptions(mode="offline"))
    assert capsys.readouterr().err.startswith("warning: W&B: no table of the sweep: ")
    assert not wandb_report.is_sent(tmp_path)
