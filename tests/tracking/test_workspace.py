"""`wandb-workspace` sends a workspace whose keys are those that the runs of a sweep have sent."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drills.wandb_server import Server
from research.cli import main as cli
from research.cli import wandb_workspace
from research.tracking import media, workspace
from research.tracking import wandb_session as session

pytestmark = [
    pytest.mark.usefixtures("home", "teardown"),
    pytest.mark.filterwarnings("ignore:Pydantic V1 style"),  # of wandb_workspaces
]
SWEEP = """\
name: tiny
method: grid
program: experiments/gradient_norms.py
parameters:
  setting: {value: adding_50}
  task.length: {value: 6}
  variant: {values: [rnn gain 0.9, rnn gain 1.2]}
  seed: {values: [0, 1]}
  model.hidden_size: {value: 4}
  training.steps: {value: 4}
  training.log_every: {value: 2}
  probes.gradient_flow.every: {value: 2}
  probes.updates.every: {value: 2}
"""


def panels_of(view: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


def transformed(rows: list[dict[str, Any]], slider: int) -> list[dict[str, Any]]:
    """Return what the transforms of the chart, which are those of Vega-Lite, leave of rows."""
    names = {"isValid": lambda value: value is not None, "step": slider}
    for item in workspace.CHART["transform"]:
        if "filter" in item:
            text = item["filter"].replace("${string:setting}", "s").replace("&&", "and")
            rows = [row for row in rows if eval(text, {**names, "datum": SimpleNamespace(**row)})]
            continue
        (reduction,) = item["joinaggregate"]
        groups = [tuple(row[key] for key in item["groupby"]) for row in rows]
        values = [row[reduction["field"]] for row in rows]
        for row, group in zip(rows, groups, strict=True):
            same = [value for value, other in zip(values, groups, strict=True) if other == group]
            row[reduction["as"]] = {"max": max, "min": min}[reduction["op"]](same)
    return rows


@pytest.mark.parametrize(
    ("slider", "shown"),
    [(0, {0: 0, 1: 0}), (11, {0: 10, 1: 0}), (12, {0: 10, 1: 12}), (15, {0: 10}), (20, {0: 20})],
)
def test_the_slider_shows_the_last_record_of_each_seed_that_trains_so_long(slider: int, shown: dict[int, int]) -> None:
    rows = [
        {"setting": setting, "variant": "a", "seed": seed, "step": step, "t": 0, "log10_norm": -1.0}
        for setting in ("s", "other")
        for seed, steps in {0: (0, 10, 20), 1: (0, 12)}.items()
        for step in steps
    ]
    assert {row["seed"]: row["step"] for row in transformed(rows, slider)} == shown


def test_panels_show_what_the_runs_of_the_sweep_have_sent(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 20.0)
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    assert cli.main(["sweep", str(file), f"--runs-dir={tmp_path}"]) == 0
    trials = [run for run in server.runs.values() if run.attributes["jobType"] == "train"]
    capsys.readouterr()
    for count in (1, 2):  # the second workspace uses the chart of the first
        assert cli.main(["wandb-workspace", str(tmp_path / "tiny")]) == 0
        assert len(server.views) == count and len(server.charts) == 1
        query = server.views[-1]["name"].removeprefix("nw-").removesuffix("-v")
        assert capsys.readouterr().out == f"{server.url}/team/recurrent-research?nw={query}\n"
    (view, _), ((chart, preset),) = server.views, server.charts.items()
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("team", "recurrent-research", "tiny")

    sections = panels_of(view)
    assert [*sections] == ["gradient over the sequence", "train", "validation", "test", "gradient", "updates"]
    (compared, images), *others = sections.values()
    sent = {key for run in trials for row in run.rows for key in row}
    lines = [panel for shown in others for panel in shown]
    shown = [key for panel in lines for key in panel["config"]["metrics"]]
    drawn = {"gradient/heatmap", "gradient/time_profile", "gradient/first_profile", "gradient/latest_profile"}
    media_keys = {key for key in sent if key.startswith((*drawn, "gradient/profiles", "validation/samples", "_"))}
    assert sorted(shown) == sorted(sent - media_keys)
    for name, panels in list(sections.items())[1:]:
        assert all(panel["config"]["metrics"][0].startswith(f"{name}/") for panel in panels)
    for panel in lines:
        config = panel["config"]
        assert (config["groupAgg"], config["groupArea"]) == ("mean", "minmax")
        assert config.get("xAxis") == "_step" or panel["viewType"] == "Bar Chart"
    assert set(images["config"]["mediaKeys"]) <= sent

    (runset,) = view["spec"]["section"]["runSets"]
    assert [(key["section"], key["name"]) for key in runset["grouping"]] == [("config", "variant.value")]
    assert all(run.config["variant"]["value"] for run in trials)
    assert {run.attributes["groupName"] for run in trials} == {"tiny"}
    assert {"tiny", "report"} <= set(json.dumps(runset["filters"]).split('"'))

    config = compared["config"]
    assert config["panelDefId"] == chart and compared["viewType"] == "Vega2"
    fields = {field["name"]: field for field in config["userQuery"]["queryFields"][0]["fields"]}
    (key,) = fields["summaryTable"]["args"]
    assert key["value"] == media.PROFILES and media.PROFILES in sent
    assert (preset["chartType"], preset["access"], preset["entity"]) == ("vega2", "PRIVATE", "team")
    assert json.loads(preset["spec"]) == workspace.CHART
    found = [json.loads(path.read_text()) for path in tmp_path.glob("tiny/*/wandb/*run-*/files/media/table/**/prof*")]
    rows = [dict(zip(table["columns"], row, strict=True)) for table in found for row in table["data"]]
    assert {(row["setting"], row["variant"], row["seed"]) for row in rows} == {
        ("adding_50", f"rnn gain {gain}", seed) for gain in (0.9, 1.2) for seed in (0, 1)
    }
    last = str(max(row["step"] for row in rows))
    assert config["stringSettings"] == {"setting": "adding_50", "last_step": last, "end": last}

    for path in tmp_path.glob("tiny/*/gradient_flow.jsonl"):  # as while the runs train
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
        (path.parent / "result.json").unlink()
    assert wandb_workspace._view(tmp_path / "tiny").settings == {"adding_50": (2, 3)}

    monkeypatch.setattr(server, "status", 401)
    assert cli.main(["wandb-workspace", str(tmp_path / "tiny")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: W&B: no workspace: ") and "401" in line


def test_the_chart_reads_columns_of_the_table_and_has_what_w_and_b_needs() -> None:
    text = json.dumps(workspace.CHART)
    assert "null" not in text  # which W&B makes an empty object
    assert workspace.CHART["data"] == {"name": "wandb"} and "vega-lite/v5" in workspace.CHART["$schema"]
    assert workspace.CHART["params"][0]["bind"]["input"] == "range"

    def fields(node: Any) -> set[str]:
        if isinstance(node, dict):
            named = {node["field"]} if isinstance(node.get("field"), str) else set[str]()
            return named.union(*map(fields, node.values()))
        return set[str]().union(*map(fields, node)) if isinstance(node, list) else set()

    assert fields(json.loads(text)) <= set(media.PROFILE_COLUMNS)


def test_without_a_login_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view = workspace.SweepView("n", "", "p", "g", ["variant"], ["train/loss"], {}, 1)
    monkeypatch.setattr("research.cli.wandb_workspace._view", lambda folder: view)
    assert cli.main(["wandb-workspace", str(tmp_path)]) == 2
    line = "not logged in at W&B: run `wandb login`; without an account, `report --format=page` has the same views"
    assert capsys.readouterr().err == f"error: {line}\n"


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view = workspace.SweepView("n", "", "p", "g", ["variant"], ["train/loss"], {}, 1)
    monkeypatch.setattr("research.cli.wandb_workspace._view", lambda folder: view)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert cli.main(["wandb-workspace", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "error: wandb-workspaces is not installed: run `pip install -r requirements.txt`\n"
    )
    assert not server.views


def test_a_directory_without_runs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wandb-workspace", str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
