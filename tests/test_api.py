"""`research.train` is the command `train`: the same run directory, nothing trained twice."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import research
from research.config.naming import name_trial
from research.errors import UserError
from tests.training.trials import TINY, of

OPTIONS = {
    "setting": "adding_50",
    "task.length": 8,
    "model.hidden_size": 3,
    "model.bidirectional": True,
    "init.gain": 0.5,
    "training.steps": 4,
    "training.log_every": 2,
    "training.eval_examples": 10,
    "probes.gradient_flow.every": 0,
}


def test_a_training_by_name_is_that_of_the_command_and_is_done_once(tmp_path):
    result = research.train("gradient_norms", OPTIONS, tmp_path)
    command = name_trial("gradient_norms", {key: str(value).lower() for key, value in OPTIONS.items()})
    assert result.path == tmp_path / "gradient_norms" / command.name
    config = json.loads((result.path / "config.json").read_text())
    assert (config["wandb.mode"], config["model.bidirectional"], config["init.gain"]) == ("disabled", True, 0.5)
    assert repr(result) == f"TrainResult(path={result.path!r}, status='finished')"
    assert result.status == "finished" and math.isfinite(result.summary["test/loss"])
    assert list(result.metrics.index) == [2, 4]
    assert np.isfinite(result.metrics["train/loss"].to_numpy()).all()
    written = (result.path / "result.json").stat().st_mtime_ns
    assert research.train("gradient_norms", OPTIONS, tmp_path) == result
    assert (result.path / "result.json").stat().st_mtime_ns == written


def test_a_config_is_trained_where_its_options_say(tmp_path):
    results = [research.train(of(TINY, seed=seed), {"training.steps": 2}, tmp_path) for seed in (1, 2)]
    folders = {result.path.parent for result in results}
    assert folders == {tmp_path / "adding"} and len({result.path for result in results}) == 2
    assert [research.load(result.path).config.seed for result in results] == [1, 2]
    label = "adding-length_8-hidden_size_4-gru-learning_rate_0.01-steps_2-batch_size_4"
    assert results[0].path.name.startswith(label)


@pytest.mark.parametrize(
    ("experiment", "options", "message"),
    [
        ("gradient_norm", {}, "experiment 'gradient_norm': "),
        ("gradient_norms", {"task.lenght": 3}, "task.length: pixels has no such option"),
        ("gradient_norms", {"seed": "one"}, "seed=one: must be a whole number"),
        (TINY, {"task.lenght": 3}, "task.lenght=3: no such option; did you mean task.length"),
    ],
)
def test_mistakes_are_told_and_leave_nothing_behind(experiment, options, message, tmp_path):
    with pytest.raises(UserError, match=message):
        research.train(experiment, options, tmp_path / "runs")
    assert not Path(tmp_path / "runs").exists()
