"""Offline runs are written, then read back by W&B's own reader."""

import functools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import wandb
import yaml
from wandb.apis.public import sweeps as public_sweeps

from drills.wandb_server import Server
from research.errors import UserError
from research.tracking import media
from research.tracking import wandb as tracking
from research.tracking import wandb_session as session
from research.tracking.charts import Profiles
from research.tracking.uploads import is_unsent, wait_for_uploads
from research.tracking.wandb import WandbOptions, WandbRun
from tests.tracking.conftest import FAKE_KEY
from tests.tracking.written import Written, inspect

pytestmark = pytest.mark.usefixtures("home", "teardown")

ROOT = Path(__file__).parents[2]
OFFLINE = WandbOptions(mode="offline", entity="team", tags="a, b,", notes="why")
CONFIG = {"experiment": "gradient_norms", "seed": 3, "git_commit": "abc"}
STATE = "encoder/layer_2/forward/c"
TIMES = 784


def record(step: int) -> dict[str, Any]:
    """Return a norm that underflows at the early times and overflows at two late ones."""
    norms = [0.0] * 100 + np.logspace(-37, 2, TIMES - 102).tolist() + [math.inf, math.inf]
    return {"step": step, STATE: norms, "encoder/layer_2/forward/h": [1.0] * TIMES}


PROFILES = Profiles([record(0)], STATE)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trials that take turns, as in a pack."""
    folder = tmp_path_factory.mktemp("sweep")
    runs = [WandbRun(folder / f"t{seed}", f"t{seed}", OFFLINE, CONFIG | {"seed": seed}, "sweep") for seed in range(2)]
    for step in (0, 50, 100):
        for seed, run in enumerate(runs):
            run.log(step, {"train/loss": step + seed, "gradient/global_norm": math.inf})
            run.log(step, {"test/accuracy": 0.5})
    for run in runs:
        profiles = [record(step) for step in range(0, 120, 2)]
        run.finish("diverged", {"test/loss": 2.5, "gradient/final/half_life": math.inf}, Profiles(profiles, STATE))
    return folder


@pytest.fixture(scope="module")
def written(pack: Path) -> Written:
    return inspect(pack / "t1")


def test_each_trial_of_a_pack_has_a_run_of_its_own(pack: Path, written: Written) -> None:
    run = written.of("run")[0]
    assert (run["display_name"], run["run_group"], run["project"]) == ("t1", "sweep", "recurrent-research")
    assert {key: written.config[key] for key in ("seed", "experiment")} == {"seed": 1, "experiment": "gradient_norms"}
    assert (run["entity"], run["tags"], run["notes"]) == ("team", ["a", "b"], "why")
    assert set(CONFIG) <= set(written.config)
    assert len(list(pack.glob("t*/wandb/offline-run-*"))) == 2


def test_metrics_keep_their_names_and_steps_and_those_of_one_step_share_a_row(written: Written) -> None:
    rows = [(row["_step"], row["train/loss"], row["test/accuracy"]) for row in written.history]
    assert rows == [(0, 1, 0.5), (50, 51, 0.5), (100, 101, 0.5)]
    assert [float(row["gradient/global_norm"]) for row in written.history] == [math.inf] * 3


def test_the_time_profile_is_a_line_chart_of_w_and_b(written: Written) -> None:
    charts = {key: value for entry in written.of("config") for key, value in entry["update"].items()}
    chart = charts["_wandb.visualize.gradient/time_profile"]["panel_config"]
    assert chart["panelDefId"] == "wandb/lineseries/v0"
    title = chart["stringSettings"]["title"]
    assert title.startswith(f"log10 ‖∂L/∂c_t‖ of {STATE};")
    assert "500 of 3920 underflow; 10 of 3920 overflow" in title
    rows = written.media("gradient/time_profile_table")["data"]
    assert len(rows) <= 5 * 64
    assert {row[1] for row in rows} >= {"step 0", "step 118"}
    last = {t: y for t, key, y in rows if key == "step 118"}
    assert (min(last), max(last)) == (0, TIMES - 1)
    assert last[0] == pytest.approx(math.log10(np.finfo(np.float32).tiny), abs=0.01)
    assert last[TIMES - 1] == pytest.approx(math.log10(np.finfo(np.float32).max), abs=0.01)


def test_the_heat_map_is_a_small_plotly_chart_over_all_of_training(written: Written) -> None:
    chart = written.media("gradient/heatmap")
    trace = chart["data"][0]
    rows, columns = np.shape(trace["z"])
    assert trace["type"] == "heatmap" and rows <= 24 and columns <= 256
    assert (trace["y"][0], trace["y"][-1], trace["x"][0], trace["x"][-1]) == ("0", "118", 0, TIMES - 1)
    drawn = [np.isfinite(np.array(each["z"], float)) for each in chart["data"]]
    assert (np.sum(drawn, axis=0) == 1).all()
    assert [each.get("name") for each in chart["data"]] == [None, "underflow", "overflow"]
    assert "underflow" in chart["layout"]["title"]["text"]
    path = written.folder / "files" / written.history[-1]["gradient/heatmap.path"]
    assert path.stat().st_size < 150_000


def test_lines_that_compare_runs_are_one_a_run_of_the_first_and_of_the_latest_record(written: Written) -> None:
    for name, step in (("first", 0), ("latest", 118)):
        found = written.media(f"gradient/{name}_profile_table")
        assert found["columns"] == ["t (the loss follows the last step that is drawn)", "log10 ‖∂L/∂s_t‖"]
        rows = [[t, y] for t, key, y in written.media("gradient/time_profile_table")["data"] if key == f"step {step}"]
        assert found["data"] == rows


def test_all_profiles_of_the_latest_record_are_in_one_chart(written: Written) -> None:
    rows = written.media("gradient/by_layer_table")["data"]
    assert {row[1] for row in rows} == {STATE, STATE.replace("/c", "/h")}
    assert {y for _, name, y in rows if name != STATE} == {0}


def test_the_records_of_probes_are_files_of_the_run(tmp_path: Path) -> None:
    for name in ("gates", "gradient_flow", "metrics"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"step": 0, "{name}": [1.0, 2.0]}}\n')
    run = WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep")
    run.log(0, {"train/loss": 1.0})
    run.finish("finished", {})
    files = inspect(tmp_path).folder / "files"
    assert {path.name for path in files.glob("*.jsonl")} == {"gates.jsonl", "gradient_flow.jsonl"}
    assert (files / "gates.jsonl").read_text() == (tmp_path / "gates.jsonl").read_text()


@pytest.mark.parametrize("variable", ["WANDB_DISABLE_GIT", "WANDB__DISABLE_STATS"])
def test_offline_the_machine_is_recorded_where_the_user_asks_for_it(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "without", tmp_path / "with"]
    for folder in folders:
        if folder.name == "with":
            monkeypatch.setenv(variable, "false")
        run = WandbRun(folder, "trial", OFFLINE, CONFIG, "sweep")
        run.log(0, {"train/loss": 1.0})
        run.finish("finished", {})
    assert [bool(inspect(folder).of("environment")) for folder in folders] == [False, True]


def test_the_table_that_compares_runs_has_setting_variant_and_seed_in_each_row(written: Written) -> None:
    found = written.media("gradient/profiles")
    assert tuple(found["columns"]) == media.PROFILE_COLUMNS
    assert {tuple(row[:3]) for row in found["data"]} == {("default", "t1", 1)}
    steps, times = ({row[place] for row in found["data"]} for place in (3, 4))
    assert (min(steps), max(steps), len(steps)) == (0, 118, 12) and (min(times), max(times), len(times)) == (0, 783, 64)
    last = {t: norm for *_, step, t, norm in found["data"] if step == 118}
    assert (last[0], last[783]) == (-37.93, 38.53)  # underflow and overflow of float32


@pytest.mark.parametrize(
    "name, variant",
    [
        ("adding_50-lstm_bias_1-seed2-17b06684", "lstm bias 1"),
        ("lstm_bias_1-learning_rate_0.01-seed0-17b06684", "lstm_bias_1-learning_rate_0.01"),
        ("adding_50-seed0-17b06684", "lstm bias 1"),
        ("seed0-17b06684", "lstm bias 1"),
        ("my run", "my run"),
    ],
)
def test_the_variant_is_what_the_name_tells_besides_setting_seed_and_id(
    name: str, variant: str, tmp_path: Path
) -> None:
    config = {"setting": "adding_50", "variant": "lstm bias 1", "cell.name": "lstm", "seed": 2}
    run = WandbRun(tmp_path, name, WandbOptions(mode="disabled"), config, "sweep")
    assert run._trial() == ("adding_50", variant, 2)
    assert WandbRun(tmp_path, "17b06684", WandbOptions(mode="disabled"), {"cell.name": "gru"}, "")._trial()[1] == "gru"


def test_lines_that_compare_runs_have_the_same_columns_and_title_whatever_the_cell() -> None:
    made = []
    for part in "hc":
        logged = media.gradient_charts(Profiles([record(0)], f"encoder/layer_2/forward/{part}"), ("s", "v", 0))
        made.append([(logged[f"gradient/{name}_profile"].spec) for name in ("first", "latest")])
    assert made[0] == made[1]


def test_the_best_value_of_a_metric_is_in_the_summary_where_its_name_says_what_is_best(written: Written) -> None:
    defined = {entry["name"]: entry["summary"] for entry in written.of("metric") if "name" in entry}
    assert {name: min for name, min in defined.items() if not name.startswith("_")}.keys() == {"train/loss"}
    assert defined["train/loss"].get("min") and defined["train/loss"].get("last")


def test_the_end_of_a_run_keeps_the_best_value(tmp_path: Path) -> None:
    run = WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep")
    for step, loss in ((0, 3.0), (10, 1.0), (20, 2.0)):
        run.log(step, {"train/loss": loss, "validation/accuracy": loss / 10})
    run.finish("finished", {"train/loss": 2.0, "validation/accuracy": 0.2, "test/loss": 2.5})
    summary: dict[str, Any] = {}
    for entry in inspect(tmp_path).of("summary"):
        summary |= entry.get("update", {})
    expected = {"train/loss": {"min": 1, "last": 2}, "validation/accuracy": {"max": 0.3, "last": 0.2}}
    assert {key: summary[key] for key in (*expected, "test/loss")} == {**expected, "test/loss": 2.5}


def test_summary_and_status_are_the_last_word(written: Written) -> None:
    summary: dict[str, Any] = functools.reduce(
        lambda all, entry: all | entry.get("update", {}), written.of("summary"), {}
    )
    assert (summary["status"], summary["test/loss"]) == ("diverged", 2.5)
    assert float(summary["gradient/final/half_life"]) == math.inf
    assert written.of("exit")[0].get("exit_code", 0) == 0


@pytest.mark.parametrize("mode", ["auto", "offline"])
def test_without_a_login_nothing_is_printed_and_nothing_written_outside_the_run_directory(
    mode: Literal["auto", "offline"],
    tmp_path: Path,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    wandb.teardown()  # a service of one's own, with this home folder
    run = WandbRun(tmp_path / "trial", "trial", WandbOptions(mode=mode), CONFIG, "sweep")
    run.log(0, {"train/loss": 1.0})
    run.finish("finished", {"test/loss": 1.0}, PROFILES)
    wandb.teardown()
    assert sorted(os.listdir(tmp_path)) == ["home", "trial"]
    assert list(home.rglob("*")) == []
    assert os.listdir(tmp_path / "trial") == ["wandb"]
    assert capfd.readouterr() == ("", "")


def test_a_resumed_offline_run_is_one_complete_folder_of_the_same_id(tmp_path: Path) -> None:
    first = WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep")
    for step in (0, 10, 20):
        first.log(step, {"train/loss": step})
    first.log(20, {"validation/loss": 1.0})
    first.stop()
    (file,) = tmp_path.glob("wandb/*run-*/run-*.wandb")
    assert [row["_step"] for row in inspect(tmp_path).history] == [0, 10]  # the last row may lack metrics
    records = [{"step": 0, "train/loss": 0.5}, {"step": 10, "train/loss": 1.5}, {"step": 10, "validation/loss": 2.5}]
    again = WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep", records)
    for step in (20, 30):
        again.log(step, {"train/loss": step})
    again.finish("finished", {})
    (complete,) = tmp_path.glob("wandb/*run-*/run-*.wandb")
    assert complete.name == file.name and complete != file
    rows = inspect(tmp_path).history
    assert [(row["_step"], row["train/loss"]) for row in rows] == [(0, 0.5), (10, 1.5), (20, 20), (30, 30)]
    assert rows[1]["validation/loss"] == 2.5
    complete.with_name(f"{complete.name}.synced").touch()  # to which `wandb sync` would append
    WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep", records).finish("finished", {})
    (synced_before,) = tmp_path.glob("wandb/*run-*/run-*.wandb")
    assert synced_before.name != file.name


@pytest.mark.parametrize("options", [WandbOptions(mode="offline"), OFFLINE])
def test_the_variables_of_w_and_b_fill_in_what_the_config_leaves_empty(
    options: WandbOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb.teardown()
    variables = {"PROJECT": "p", "ENTITY": "e", "NAME": "n", "TAGS": "x,y", "NOTES": "z", "RUN_GROUP": "g"}
    for name, value in (variables | {"JOB_TYPE": "j"}).items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    WandbRun(tmp_path, "trial", options, {"cell.name": "rnn", "environment/jax": "1"}, "sweep").finish("finished", {})
    run = inspect(tmp_path).of("run")[0]
    own = [run["entity"], run["tags"], run["notes"]]
    assert own == (["team", ["a", "b"], "why"] if options == OFFLINE else ["e", ["x", "y"], "z"])
    assert (run["project"], run["run_group"], run["display_name"], run["job_type"]) == ("p", "g", "n", "j")
    config = (
        {entry["key"]: json.loads(entry["value_json"]) for entry in run["config"]["update"]}
        if isinstance(run["config"]["update"], list)
        else run["config"]["update"]
    )
    assert config["cell"] == {"name": "rnn"} and config["environment"] == {"jax": "1"}
    wandb.teardown()


def test_a_setting_that_the_environment_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB__DISABLE_STATS", "false")
    monkeypatch.setenv("WANDB_DISABLE_GIT", "false")
    assert [name for name in tracking.OFFLINE_SETTINGS if session.in_environment(name)] == [
        "x_disable_stats",
        "disable_git",
    ]


@pytest.mark.parametrize(
    "account, variables, saved",
    [
        ({}, {}, False),
        ({"code_saving_enabled": False}, {}, False),
        ({"code_saving_enabled": True}, {}, True),
        ({"code_saving_enabled": True}, {"WANDB_DISABLE_CODE": "true"}, False),
        ({}, {"WANDB_SAVE_CODE": "true"}, True),
    ],
)
def test_changes_since_the_commit_are_sent_where_the_account_or_the_environment_says_so(
    account: dict[str, bool],
    variables: dict[str, str],
    saved: bool,
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c")
    (tmp_path / "code.py").write_text("before\n")
    for words in (["init", "-q"], ["add", "code.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "code.py").write_text("after\n")
    monkeypatch.chdir(tmp_path)
    server.flags = account
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    WandbRun(tmp_path / "trial", "trial", WandbOptions(), CONFIG, "sweep").finish("finished", {})
    wait_for_uploads()
    (served,) = server.runs.values()
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, check=True, text=True).stdout.strip()
    assert served.attributes["commit"] == head
    assert ("diff.patch" in served.files) == saved
    patches = [path.read_text() for path in tmp_path.rglob("diff.patch")]
    assert ["-before\n+after\n" in patch for patch in patches] == [True] * saved


def test_an_agent_decides_on_id_and_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb.teardown()  # an agent sets these before its trial starts
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweepid1")
    monkeypatch.setenv("WANDB_RUN_ID", "agentrun")
    monkeypatch.setenv("WANDB_PROJECT", "agents-project")
    WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep").finish("finished", {})
    run = inspect(tmp_path).of("run")[0]
    assert (run["run_id"], run["sweep_id"], run["project"]) == ("agentrun", "sweepid1", "agents-project")
    wandb.teardown()


def test_the_name_of_an_agents_sweep_is_that_in_its_file(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert session.sweep_name() == ""
    server.sweeps = {"s1": "{name: my sweep, method: grid}", "s2": "method: grid"}
    monkeypatch.setenv("WANDB_ENTITY", "team")
    monkeypatch.setenv("WANDB_PROJECT", "p")
    for sweep, name in {"s1": "my sweep", "s2": ""}.items():
        monkeypatch.setenv("WANDB_SWEEP_ID", sweep)
        assert session.sweep_name() == name
    assert not capfd.readouterr().err
    server.status = 403
    assert session.sweep_name() == ""
    assert capfd.readouterr().err.startswith("warning: W&B does not tell the name of sweep team/p/s2, the folder is ")


def test_disabled_neither_imports_nor_writes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from research.tracking.wandb import *;"
        "run = WandbRun(Path(sys.argv[1]), 'trial', WandbOptions(mode='disabled'), {}, 'sweep');"
        "run.log(0, {'a': 1}); run.finish('finished', {}, Profiles([{'step': 0, 'h': [1.0]}], 'h'));"
        "print('wandb' in sys.modules, 'plotly' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "trial")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout == "False False\n"
    assert not (tmp_path / "trial").exists()


def test_asking_for_online_without_a_login_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"wandb\.mode=online: not logged in"):
        WandbRun(tmp_path, "trial", WandbOptions(mode="online"), CONFIG, "sweep")


@pytest.mark.parametrize("variable, mode", [("WANDB_API_KEY", "online"), (None, "offline")])
def test_auto_is_online_when_a_key_is_found(variable: str | None, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb.setup().settings.api_key = None
    if variable:
        monkeypatch.setenv(variable, FAKE_KEY)
    assert session.mode_of("auto") == mode


def test_auto_obeys_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", FAKE_KEY)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert session.mode_of("auto") == "disabled"


def test_a_key_that_is_none_gives_a_warning_and_an_offline_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert session.mode_of("auto") == "offline"
    assert capfd.readouterr().err.startswith("warning: W&B login cannot be used, runs stay offline: ")


def test_charts_grow_while_the_model_trains(tmp_path: Path, server: Server) -> None:
    run = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep")
    for count in (1, 2, 3):
        drawn = Profiles([record(step) for step in range(count)], STATE) if count != 2 else None
        run.log(10 * count, {"train/loss": 1.0}, drawn)
        run.log(10 * count, {"validation/loss": 1.0})
    run.finish("finished", {})
    wait_for_uploads()
    (served,) = server.runs.values()
    for chart in ("gradient/heatmap", media.PROFILES):
        assert [(row["_step"], chart in row) for row in served.rows] == [(10, True), (20, False), (30, True)]
    (files,) = tmp_path.glob("wandb/run-*/files")
    sent = [row[media.PROFILES]["path"] for row in served.rows if media.PROFILES in row]
    steps = [{row[3] for row in json.loads((files / path).read_text())["data"]} for path in sent]
    assert steps == [{0}, {0, 1, 2}]
    assert all(row["validation/loss"] == 1.0 for row in served.rows)


def test_the_best_value_of_before_a_resume_stays_the_best(tmp_path: Path, server: Server) -> None:
    records = [{"step": step, "train/loss": loss} for step, loss in ((0, 3.0), (10, 1.0), (20, 2.5), (30, 2.0))]
    WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", records[:3]).stop()
    wait_for_uploads()
    again = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", records)
    again.finish("finished", {"train/loss": 2.0})
    wait_for_uploads()
    (served,) = server.runs.values()
    assert served.summary["train/loss"] == {"min": 1.0, "last": 2.0}


def test_rows_that_the_server_lacks_are_sent_when_the_run_is_resumed(tmp_path: Path, server: Server) -> None:
    records = [{"step": step, "train/loss": float(step), "gradient/half_life": math.inf} for step in (0, 10, 20, 30)]
    first = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", records[:3])
    first.stop()
    wait_for_uploads()
    (served,) = server.runs.values()
    assert [row["_step"] for row in served.rows] == [0, 10]
    assert is_unsent(tmp_path, WandbOptions())
    again = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", records)
    again.finish("finished", {"test/loss": math.nan}, PROFILES)
    wait_for_uploads()
    rows = [(row["_step"], row["train/loss"], row["gradient/half_life"]) for row in served.rows]
    assert rows == [(step, step, "Infinity") for step in (0, 10, 20, 30)]  # strict JSON, as W&B writes it itself
    assert {"gradient/heatmap", "gradient/time_profile_table"} <= set(served.rows[-1])
    assert (served.summary["status"], served.summary["test/loss"], served.state) == ("finished", "NaN", "finished")
    assert not is_unsent(tmp_path, WandbOptions())
    again = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", records)
    again.finish("finished", {"test/loss": 1.0}, PROFILES)
    wait_for_uploads()
    assert len(served.rows) == 4 and served.summary["test/loss"] == 1.0


@pytest.mark.parametrize(
    "status, reason",
    [(401, "refuses the API key"), (503, "does not answer"), (0, "does not answer")],
    ids=["refused", "broken", "killed"],
)
def test_a_server_that_fails_gives_one_line_and_offline_runs_that_are_sent_later(
    status: int, reason: str, tmp_path: Path, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    server.fail(status, 0.0)
    records = [{"step": 5, "train/loss": 1.0}]
    for name in ("a", "b"):
        WandbRun(tmp_path / name, name, WandbOptions(), CONFIG, "sweep", records).finish("finished", {})
    wait_for_uploads()
    assert capfd.readouterr().err.splitlines() == [
        f"warning: {server.url} {reason}, W&B gets the runs later",
        f"warning: W&B lacks part of 2 runs (a, b); the same command sends it: {server.url} {reason}",
    ]
    for name in ("a", "b"):
        assert [row["train/loss"] for row in inspect(tmp_path / name).history] == [1.0]
    server.recover()
    session._ask.cache_clear()
    assert is_unsent(tmp_path / "a", WandbOptions())
    WandbRun(tmp_path / "a", "a", WandbOptions(), CONFIG, "sweep", records).finish("finished", {})
    wait_for_uploads()
    assert [run.state for run in server.runs.values()] == ["finished"]


def test_charts_that_fail_cost_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking.media.charts, "heatmap", lambda *_: 1 / 0)
    run = WandbRun(tmp_path, "trial", OFFLINE, CONFIG, "sweep", [{"step": 5, "train/loss": 1.0}])
    run.finish("finished", {"test/loss": 2.0}, PROFILES)
    written = inspect(tmp_path)
    assert [row["train/loss"] for row in written.history] == [1.0]
    assert {"status": "finished", "test/loss": 2.0}.items() <= functools.reduce(
        lambda all, entry: all | entry.get("update", {}), written.of("summary"), {}
    ).items()
    assert written.of("exit") and capfd.readouterr().err == "warning: W&B: no charts: division by zero\n"


def test_charts_that_the_server_lacks_are_sent_later(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send() -> None:
        run = WandbRun(tmp_path, "trial", WandbOptions(), CONFIG, "sweep", [{"step": 5, "train/loss": 1.0}])
        run.finish("finished", {}, PROFILES)
        wait_for_uploads()

    with monkeypatch.context() as patch:
        patch.setattr(tracking.media.charts, "heatmap", lambda *_: 1 / 0)
        send()
    assert is_unsent(tmp_path, WandbOptions())
    for _ in range(2):
        send()
        (served,) = server.runs.values()
        assert ["gradient/heatmap" in row for row in served.rows] == [False, True]
    assert not is_unsent(tmp_path, WandbOptions())


def test_a_failure_of_w_and_b_is_told_once_and_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise wandb.Error("no such service\nand more")

    monkeypatch.setattr(wandb, "init", fail)
    for name in ("a", "b"):
        run = WandbRun(tmp_path / name, name, OFFLINE, CONFIG, "sweep")
        run.log(0, {"train/loss": 1.0})
        run.finish("finished", {}, PROFILES)
    assert capfd.readouterr().err == "warning: W&B failed, training continues without it: no such service\n"


@pytest.mark.parametrize("sweep", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_w_and_b_accepts_the_sweep_files_as_they_are(sweep: Path) -> None:
    content = yaml.safe_load(sweep.read_text())
    assert public_sweeps._validate_config_and_fill_distribution(content) == content
