"""Runs become rows of a table, and what cannot be read is named."""

import numpy as np
import pandas as pd
import pytest

import research.reporting
from research.config.config import Config
from research.config.flat import override
from research.config.naming import folder_name
from research.errors import UserError
from research.reporting.runs import flatten, load, read, sweep_of
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import write


def config(**changes) -> Config:
    return override(Config(), {key.replace("__", "."): value for key, value in changes.items()})


def test_load_gives_a_row_for_each_run_with_its_config_and_its_summary(tmp_path):
    write(tmp_path / "0", config(seed=1, task__name="adding", task__length=50), **{"test/loss": 0.5, "test/x": np.nan})
    RunDirectory.create(tmp_path / "1", config(training__divergence_loss=2.0, optimizer__clip_value=np.inf))
    frame = load(tmp_path)
    assert list(frame["path"]) == [str(tmp_path / "0"), str(tmp_path / "1")]
    assert list(frame["status"]) == ["finished", "unfinished"]
    assert (frame["seed"].dtype, frame["task.length"].dtype, frame["test/loss"].dtype) == (np.int64, float, float)
    assert frame["task.length"].isna().tolist() == frame["test/loss"].isna().tolist() == [False, True]
    assert frame["optimizer.clip_value"].tolist()[1] == np.inf
    assert list(research.reporting.load(tmp_path / "1", tmp_path / "0", tmp_path)["status"]) == [
        "unfinished",
        "finished",
    ]


def test_infinite_values_are_numbers_in_memory_and_in_a_file(tmp_path):
    run = RunDirectory.create(tmp_path / "0", config(optimizer__clip_value=np.inf))
    run.finish({"status": "finished", "summary": {"half_life": np.inf, "count": 3}})
    write(tmp_path / "1", config(seed=1), half_life=1.0, count=4)
    flatten(read([tmp_path])[0]).to_csv(tmp_path / "runs.csv", index=False)
    for frame in (load(tmp_path), pd.read_csv(tmp_path / "runs.csv")):
        assert frame["half_life"].tolist() == [np.inf, 1.0]
        assert frame["optimizer.clip_value"][0] == np.inf
        assert frame["count"].dtype == np.int64


@pytest.mark.parametrize(("name", "line"), [("empty", "empty: no runs in it"), ("absent", "absent: no such directory")])
def test_a_directory_without_runs_is_named(tmp_path, name, line):
    write(tmp_path / "0", config())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=line):
        load(tmp_path / "0", tmp_path / name)


def test_a_run_that_cannot_be_read_is_left_out_and_named(tmp_path):
    for name in ("0", "1"):
        write(tmp_path / name, config(seed=int(name)))
    (tmp_path / "0" / "result.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*0/result\.json:1: not JSON"):
        assert load(tmp_path)["seed"].tolist() == [1]
    with pytest.raises(UserError, match=r"0/result\.json:1: not JSON"):
        load(tmp_path / "0")


def test_a_sweep_file_gives_what_varies_in_its_order(tmp_path):
    assert not sweep_of(tmp_path).name
    (tmp_path / "sweep.yaml").write_text(
        "name: my sweep\ndescription: d\nparameters:\n"
        "  init: {parameters: {gain: {values: [2, 1]}, bias: {value: zeros}}}\n  cell.name: {value: gru}\n"
        "  optimizer.learning_rate: {values: [1e-3, 1e-2]}\n  dropout.input: {min: 0.0, max: 0.5}\n"
    )
    sweep = sweep_of(tmp_path)
    assert (sweep.name, sweep.description) == (folder_name("my sweep"), "d")
    expected = {"init.gain": [2, 1], "optimizer.learning_rate": [0.001, 0.01], "dropout.input": []}
    assert list(sweep.values.items()) == list(expected.items())
    assert sweep.total == 0  # not a grid
    for cap, total in (("", 6), ("run_cap: 4\n", 4), ("run_cap: 9\n", 6)):
        values = "parameters: {seed: {values: [0, 1, 2]}, cell.name: {values: [gru, rnn, gru]}}\n"
        (tmp_path / "sweep.yaml").write_text(f"name: x\nmethod: grid\n{cap}{values}")
        assert sweep_of(tmp_path).total == total
    (tmp_path / "sweep.yaml").write_text("parameters: [1")
    with pytest.raises(UserError, match=r"sweep\.yaml: is no sweep file"):
        sweep_of(tmp_path)
