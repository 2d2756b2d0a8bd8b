"""A run directory survives crashes and says exactly what was computed."""

import contextlib
import json
import math
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from research.errors import UserError
from research.tracking.run_directory import SCHEMA, RunDirectory

pytestmark = pytest.mark.filterwarnings("error")


CONFIG = {"seed": 1, "training.steps": 1000, "wandb.mode": "auto"}


@dataclass(frozen=True)
class Training:
    steps: int = 1000
    clip_norm: float = math.inf


@dataclass(frozen=True)
class Options:
    variant: str = "a"
    training: Training = field(default_factory=Training)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "sweep" / "trial", CONFIG)


def strict(text: str) -> Any:
    """Parse as a strict reader would: NaN and Infinity are not JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_options_are_written_flat_with_the_version_of_the_files(tmp_path):
    run = RunDirectory.create(tmp_path / "trial", Options())
    assert run.options() == {"variant": "a", "training.steps": 1000, "training.clip_norm": "inf"}
    assert strict(run.config_file.read_text())["schema"] == SCHEMA
    assert RunDirectory.create(run.path, Options()) == run


def test_returning_with_the_same_config_keeps_the_records(run):
    run.append("metrics", {"step": 1})
    again = RunDirectory.create(run.path, CONFIG | {"wandb.mode": "disabled"})
    assert again.records("metrics") == [{"step": 1}]
    assert again.options()["wandb.mode"] == "disabled"


def test_a_probe_that_is_off_may_come_and_go(tmp_path):
    with_probe, without = CONFIG | {"probes.new.every": 0, "probes.new.lags": "1"}, CONFIG
    for first, second in ((with_probe, without), (without, with_probe)):
        run = RunDirectory.create(tmp_path / str(len(first)), first)
        run.finish({"status": "finished", "summary": {}}, ["metrics"])
        assert RunDirectory.create(run.path, second).options() == first
        assert run.result()
    with pytest.raises(UserError, match=r"holds a run with probes.new.every=None, not 5"):
        RunDirectory.create(run.path, without | {"probes.new.every": 5, "probes.new.lags": "1"})


@pytest.mark.parametrize("changes", [{"training.steps": 7}, {"training.steps": 1000, "seed": 1, "new": 1}])
def test_another_config_is_refused_with_the_key_and_both_values(run, changes):
    with pytest.raises(UserError, match=r"holds a run with (training\.steps=1000, not 7|new=None, not 1)"):
        RunDirectory.create(run.path, CONFIG | changes)
    assert run.options() == CONFIG


@pytest.mark.parametrize(("schema", "age"), [(None, "an older"), (1, "an older"), (3, "another"), ("x", "another")])
def test_a_run_of_another_version_is_told_so_in_one_line_and_never_read(run, schema, age):
    content = CONFIG if schema is None else {"schema": schema, **CONFIG}
    run.config_file.write_text(json.dumps(content))
    for read in (run.options, lambda: RunDirectory.create(run.path, CONFIG)):
        with pytest.raises(UserError, match=f"config.json: written by {age} version: schema") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_a_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        RunDirectory.create(tmp_path / "file", CONFIG)


def test_values_that_are_not_finite_are_strict_json_and_come_back_as_floats(run):
    profile = np.array([0.0, np.inf, np.nan, 1e-40], np.float32)
    run.append("gradient_flow", {"step": np.int32(4), "h": profile, "x": np.float32(-np.inf)})
    strict((run.path / "gradient_flow.jsonl").read_text())
    (record,) = run.records("gradient_flow")
    np.testing.assert_array_equal(np.float32(record["h"]), profile)
    assert (record["step"], record["x"]) == (4, -math.inf)
    table = pd.read_json(run.path / "gradient_flow.jsonl", lines=True)
    np.testing.assert_array_equal(np.asarray(table["h"][0], np.float32), profile)
    assert table["h"][0][1] == math.inf and table["x"][0] == -math.inf


def test_text_that_looks_like_a_number_stays_text_in_a_record_and_older_records_are_read(run):
    key = 'a "NaN, Infinity \\'
    run.append("metrics", {"step": 1, key: -math.inf})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "x": "inf"}\n')
    assert run.records("metrics") == [{"step": 1, key: -math.inf}, {"step": 2, "x": math.inf}]


def test_a_trial_has_no_result_until_it_is_finished(run):
    assert run.result() is None
    run.finish({"status": "diverged", "summary": {"test/loss": math.nan}, "environment": {"cores": 2}})
    strict(run.result_file.read_text())
    result = run.result()
    assert result is not None and math.isnan(result["summary"]["test/loss"])
    assert {path.name for path in run.path.iterdir()} == {"config.json", "result.json"}


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("result.json", lambda text: text.replace("0.25", "0.75"), "has changed since it was written; delete the file"),
        ("config.json", lambda text: text.replace("1000", "2000"), "has changed since the run was finished; --rerun"),
        ("metrics.jsonl", lambda text: text.replace("2", "3"), "has changed since the run was finished; --rerun"),
        ("metrics.jsonl", None, "is missing; --rerun"),
        ("processor.json", lambda text: text.replace("a", "b"), "has changed since the run was finished; --rerun"),
        ("test_examples.json", lambda text: text.replace("1", "2"), "has changed since the run was finished; --rerun"),
        ("config.json", lambda text: text.replace("auto", "offline"), ""),
    ],
)
def test_a_result_is_of_the_files_that_it_was_written_with(run, name, change, fault):
    run.append("metrics", {"step": 2})
    run.save_processor({"symbols": ["a"]})
    run.save_test_examples({"accuracy": (np.array([True, False]), np.array([1, 1]))})
    run.finish({"status": "finished", "summary": {"test/loss": 0.25, "inf": math.inf}}, ["metrics"])
    assert run.result() == {"status": "finished", "summary": {"test/loss": 0.25, "inf": math.inf}}
    (run.path / name).write_text(change((run.path / name).read_text())) if change else (run.path / name).unlink()
    with pytest.raises(UserError, match=f"{name}: {fault}") if fault else contextlib.nullcontext():
        run.result()


def test_scores_of_test_examples_are_read_as_they_were_written(run):
    assert run.test_examples() == {}
    run.save_test_examples({"baseline/chance/accuracy": (np.ones(2), np.ones(2))})
    assert not run.test_examples_file.exists()  # a baseline is of no model
    run.save_test_examples({"loss": (np.array([0.1, np.inf]), np.ones(2)), "accuracy": (np.array([True, False]),) * 2})
    found = run.test_examples()
    np.testing.assert_array_equal(found["loss"], [[0.1, np.inf], [1, 1]])
    np.testing.assert_array_equal(found["accuracy"], [[1, 0], [1, 0]])
    for damaged in ("[[1, 2], [1]]", "[[1], [1], [1]]", "[1, 2]", "3", '[["a"], [1]]'):
        run.test_examples_file.write_text(f'{{"loss": {damaged}}}')
        with pytest.raises(UserError, match=r"test_examples\.json: must hold two lists"):
            run.test_examples()


def test_rewinding_keeps_the_records_of_the_snapshot(run):
    stems = ("metrics", "gradient_flow")
    run.append("metrics", {"step": 2})
    run.append("gradient_flow", {"step": 0, "h": [1.0]})
    snapshot = run.snapshot(stems)
    run.append("metrics", {"step": 4})
    run.append("gradient_flow", {"step": 2, "h": [1.0]})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step"')  # a line that was interrupted
    assert run.records("metrics") == [{"step": 2}, {"step": 4}]
    assert run.mismatch(snapshot) == ""
    kept = run.rewind(stems, snapshot)
    assert kept == {"metrics": [{"step": 2}], "gradient_flow": [{"step": 0, "h": [1.0]}]}
    run.append("metrics", {"step": 4})
    assert run.records("metrics") == [{"step": 2}, {"step": 4}]
    run.rewind(stems, {})
    assert run.records("metrics") == run.records("gradient_flow") == []


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("gradient_flow.jsonl", "", "records are missing: gradient_flow.jsonl"),
        ("gradient_flow.jsonl", None, "records are missing: gradient_flow.jsonl"),
        ("metrics.jsonl", '{"step": 2}\n', "records are missing: metrics.jsonl"),
        ("metrics.jsonl", '{"step": 2}\n{"step": 5}\n', "records are missing: metrics.jsonl"),
        ("config.json", json.dumps({"schema": SCHEMA, **CONFIG, "seed": 2}), "of another run: its config differs"),
        ("config.json", json.dumps({"schema": SCHEMA, **CONFIG, "wandb.mode": "disabled"}), ""),
    ],
)
def test_a_snapshot_does_not_match_lost_records_or_another_config(run, name, content, fault):
    run.append("metrics", {"step": 2})
    run.append("metrics", {"step": 4})
    run.append("gradient_flow", {"step": 0, "h": [1.0]})
    snapshot = run.snapshot(("metrics", "gradient_flow"))
    (run.path / name).unlink() if content is None else (run.path / name).write_text(content)
    assert run.mismatch(snapshot).startswith(fault) and bool(run.mismatch(snapshot)) == bool(fault)


def test_clearing_leaves_only_the_config_and_files_of_others(run):
    run.append("metrics", {"step": 2})
    run.finish({"status": "finished", "summary": {}})
    (run.path / "notes.txt").write_text("")
    run.clear(("metrics",))
    assert {path.name for path in run.path.iterdir()} == {"config.json", "notes.txt"}


def test_a_folder_in_the_place_of_the_lock_is_told_in_one_line(run):
    (run.path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"\.lock: cannot be opened: Is a directory"), run.claimed():
        pass


def test_a_broken_line_in_the_middle_is_named(run):
    (run.path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: "):
        run.records("metrics")


def test_what_predict_needs_is_read_back_with_its_words_unchanged(run):
    saved = {"spec": {"inputs": "tokens"}, "processor": {"symbols": ["a", "nan"]}}
    run.save_processor(saved)
    assert run.processor() == saved


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_broken_config_is_a_users_mistake_that_names_the_file(run, content):
    run.config_file.write_text(content)
    with pytest.raises(UserError, match=r"config\.json") as caught:
        run.options()
    assert "\n" not in str(caught.value) and str(caught.value).count("config.json") == 1


@pytest.mark.parametrize(
    "value",
    ['["l"]', "{}", "null", "1" + "0" * 400, "9" * 9000, str(2**63), "[" * 5000 + "]" * 5000, "NaN", '"\\udc80"'],
)
def test_an_option_that_is_no_word_or_number_is_a_users_mistake(run, value):
    run.config_file.write_text(f'{{"schema": {SCHEMA}, "seed": 1, "variant": {value}}}')
    with pytest.raises(UserError, match=r"config\.json:( variant: must be a word|1: not JSON)") as caught:
        run.options()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


COLUMNS = "by_length: must hold columns of numbers of one length"
TABLE = '"length": [1, 2], "count": [3, 0]'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"status": "finished"}', "must hold a status, and a summary of numbers"),
        ('{"status": [], "summary": {}}', "must hold a status, and a summary of numbers"),
        ('{"status": "finished", "summary": {"x": [1]}}', "must hold a status, and a summary of numbers"),
        ('{"status": "finished", "summary": {"x": "much"}}', "must hold a status, and a summary of numbers"),
        ('{"status": "finished", "summary": {"x": true}}', "must hold a status, and a summary of numbers"),
        ('{"status": "finished", "summary": {}, "signatures": {"x": 1}}', "signatures: must hold words"),
        ('{"status": "finished", "summary": {}, "profiles": {"x": 1}}', "profiles: must hold words"),
        ('{"status": "finished", "summary": {}, "by_length": [1]}', COLUMNS),
        ('{"status": "finished", "summary": {}, "by_length": {"count": [1]}}', COLUMNS),
        (f'{{"status": "finished", "summary": {{}}, "by_length": {{{TABLE}, "bleu": [1, "x"]}}}}', COLUMNS),
        (f'{{"status": "finished", "summary": {{}}, "by_length": {{{TABLE}, "bleu": [1]}}}}', COLUMNS),
        (
            f'{{"status": "finished", "summary": {{}}, "by_position": {{{TABLE}}}}}',
            "by_position: must hold columns",
        ),
    ],
)
def test_a_result_of_another_shape_is_a_users_mistake(run, content, message):
    run.result_file.write_text(content)
    with pytest.raises(UserError) as caught:
        run.result()
    assert str(caught.value).startswith(f"{run.result_file}: {message}")


def test_a_rate_without_words_behind_it_need_not_be_a_number_nor_a_loss_be_finite(run):
    table = {"length": [1, 2], "free_running_error_rate": [0.5, math.nan], "teacher_forced_loss": [math.inf, 1]}
    run.finish({"status": "finished", "summary": {}, "by_length": table})
    assert run.result()["by_length"]["teacher_forced_loss"] == [math.inf, 1]


@pytest.mark.parametrize(
    ("stem", "line", "message"),
    [
        ("metrics", '{"step": "x"}', "not a record"),
        ("metrics", '{"step": true}', "not a record"),
        ("metrics", '{"step": -1}', "not a record"),
        ("metrics", '{"step": 9, "x": ' + "[" * 5000, "not a record"),
        ("metrics", '{"step": 9, "x": NaN}', "not a record"),
        ("metrics", f'{{"step": 9, "x": {2**63}}}', "not a record"),
        ("metrics", '{"step": 9, "\\ud800": 1}', "not a record"),
        ("metrics", '{"step": 9, "x": [1]}', "x: must be a number"),
        ("gradient_flow", '{"step": 9, "h": "x"}', "h: must be a list of at least one number"),
        ("gradient_flow", '{"step": 9, "h": 1.0}', "h: must be a list"),
        ("gradient_flow", '{"step": 9, "h": []}', "h: must be a list"),
        ("gradient_flow", '{"step": 9, "h": [1, [2]]}', "h: must be a list"),
        ("gradient_flow", '{"step": 9, "h": [1, 2, 3]}', "h: has 3 numbers; must have 2, as in the first record"),
        ("gradient_flow", '{"step": 9, "h": [1, "x"]}', "h: must be a list"),
    ],
)
def test_a_record_of_another_shape_is_named_by_its_line(run, stem, line, message):
    run.append(stem, {"step": 0, "h": [1.0, "nan"]} if stem == "gradient_flow" else {"step": 0, "x": math.inf})
    path = run.path / f"{stem}.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UserError) as caught:
        run.records(stem)
    assert str(caught.value).startswith(f"{path}:2: {message}")


def test_a_folder_in_the_place_of_the_records_is_a_users_mistake(run):
    (run.path / "metrics.jsonl").mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read"):
        run.records("metrics")


def test_a_claimed_directory_cannot_be_claimed_again_until_it_is_free(tmp_path):
    run = RunDirectory.create(tmp_path / "trial", CONFIG)
    with run.claimed(), pytest.raises(UserError, match="trial: another process is training this trial"), run.claimed():
        pass
    with run.claimed():
        pass


def test_the_lock_names_the_process_that_holds_it_also_after_another_has_tried(tmp_path):
    run = RunDirectory.create(tmp_path / "trial", CONFIG)
    assert run.holder() is None
    (run.path / ".lock").write_text("a host of an earlier process 123456789\n")
    with run.claimed():
        with pytest.raises(UserError), run.claimed():
            pass
        assert run.holder() == f"{socket.gethostname()} {os.getpid()}"
        (run.path / ".lock").write_text("")
        assert run.holder() == "unknown process"
    assert run.holder() is None


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", ".lock"])
def test_a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for(name, run):
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    calls = {
        "config.json": run.options,
        "metrics.jsonl": lambda: run.records("metrics"),
        ".lock": lambda: run.claimed().__enter__(),
    }
    with pytest.raises(UserError, match=f"{name}: must be a file"):
        calls[name]()
    assert run.holder() is None
