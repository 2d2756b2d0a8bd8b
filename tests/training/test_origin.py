"""A trial starts from the state or from the weights of another run, says so, and refuses what does not fit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from research.config.config import Config
from research.errors import UserError
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, origin
from research.training.state import TrialState
from research.training.trainer import train_trials
from tests.training.trials import STEPS, assert_equal, final_state, metrics_of, of, record_lines

pytestmark = pytest.mark.usefixtures("shared_programs")
PARTS = ("params", "average")
RNN = of(cell__name="rnn", probes__gradient_flow__every=0)


def train(directory: Path, config: Config) -> Path:
    (result,) = train_trials([("trial", config)], directory)
    return result.path


def result_of(path: Path) -> dict[str, Any]:
    result = RunDirectory(path).result()
    assert result is not None
    return result


def arrays(path: Path) -> dict[str, np.ndarray]:
    return checkpoint.read_arrays(path / "checkpoint")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("finished"), RNN)


@pytest.fixture
def run(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_that_is_gone_on_from_ends_as_one_of_more_steps(finished, tmp_path):
    straight = train(tmp_path / "straight", of(RNN, training__steps=12))
    config = of(RNN, training__steps=12, resume_from=str(finished))
    more = train(tmp_path / "more", config)
    assert_equal(final_state(more, config), final_state(straight, config))
    assert record_lines(more, "metrics") == [10, 12, 12]
    assert metrics_of(straight).endswith(metrics_of(more))
    result = result_of(more)
    source = {"option": "resume_from", "path": str(finished), "run": "trial", "seed": 0, "step": STEPS}
    assert (result["started_from"], result["steps"]) == (source, 12)
    summary = result["summary"]
    assert summary["train/steps_per_second"] == pytest.approx(4 / summary["train/seconds"])
    assert RunDirectory(more).options()["resume_from"] == str(finished)


def test_two_trials_go_on_together_with_other_learning_rates_and_resume_without_the_run(run, tmp_path, monkeypatch):
    configs = [of(RNN, training__steps=12, optimizer__learning_rate=rate, resume_from=str(run)) for rate in (1e-3, 0.1)]
    trials = list(zip("ab", configs, strict=True))
    train_trials(trials, tmp_path / "straight")
    real = checkpoint.save

    def save(directory: Path, step: int, *rest: Any) -> None:
        if step == 12:
            raise KeyboardInterrupt
        real(directory, step, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "save", save)
        train_trials(trials, tmp_path / "killed")
    shutil.rmtree(run)
    train_trials(trials, tmp_path / "killed")
    for name, config in trials:
        killed, straight = tmp_path / "killed" / name, tmp_path / "straight" / name
        assert metrics_of(killed) == metrics_of(straight)
        assert_equal(final_state(killed, config), final_state(straight, config))
        assert result_of(killed)["started_from"] == result_of(straight)["started_from"]


def test_weights_that_fit_are_the_initial_ones_and_a_line_names_each_other(finished, tmp_path, capsys):
    still = {"training__steps": 1, "optimizer__learning_rate": 1e-12}
    config = of(RNN, task__name="temporal_order", init_from=str(finished), **still)
    plain, run = (
        train(tmp_path / key, of(config, init_from=source)) for key, source in (("a", ""), ("b", str(finished)))
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("init_from: ")]
    shapes = {"encoder.stack.layers.0.0.w": ([2, 4], [8, 4]), "head.linear.bias": ([1], [4])}
    shapes["head.linear.kernel"] = ([4, 1], [4, 4])
    assert lines == [
        f"init_from: {name} has the shape {there} in {finished}, and {here} here; it stays as initialized"
        for name, (there, here) in shapes.items()
    ]
    there, here, initial = arrays(finished), arrays(run), arrays(plain)
    weights = [name for name in here if name.startswith(".params")]
    for name in weights:
        wanted = there[name] if there[name].shape == here[name].shape else initial[name]
        np.testing.assert_allclose(here[name], wanted, atol=1e-9)
    source = {"option": "init_from", "path": str(finished), "run": "trial", "seed": 0, "step": STEPS}
    assert result_of(run)["started_from"] == {**source, "weights": 2, "left_out": list(shapes)}
    assert result_of(run)["summary"]["train/steps_per_second"] > 0 and record_lines(run, "metrics")[0] == 1


def test_the_average_of_weights_is_taken_where_there_is_one_and_what_is_missing_or_too_much_is_named(capsys):
    saved = {f".{part}['{key}'].value": np.full(2, n, np.float32) for key in "ab" for n, part in enumerate(PARTS)}
    params = {key: nnx.Param(np.zeros(2, np.float32)) for key in "bc"}
    template = TrialState(params, None, np.int32(0), np.bool_(True))  # pyright: ignore[reportArgumentType]
    weights, left_out = origin._fitting(RunDirectory(Path("run")), saved, template)
    assert {name: array[0] for name, array in weights.items()} == {"['b'].value": 1} and left_out == ["c"]
    assert capsys.readouterr().err.splitlines() == [
        "init_from: c is missing in run, and [2] here; it stays as initialized",
        "init_from: a of run is not used: this model has no such weights",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"training__steps": STEPS}, f"training.steps={STEPS}: must be more than {STEPS}, the steps of RUN"),
        (
            {"model__hidden_size": 5, "cell__activation": "relu", "model__backend": "scan"},
            "RUN: that run has --model.hidden_size=4 --cell.activation=tanh, which must stay; --init-from=RUN",
        ),
        ({"task__name": "pixels"}, "resume_from=RUN: that run has --task.name=adding, which must stay"),
        ({"optimizer__name": "sgd"}, "resume_from=RUN: that run has --optimizer.name=adam, which must stay"),
        ({"init_from": "RUN"}, "resume_from=RUN: must be absent with init_from=RUN"),
        ({"training__ema_decay": 0.9}, "RUN/checkpoint/8: not of this model: .average"),
        ({"resume_from": "", "init_from": "RUN", "task__name": "copy", "model__hidden_size": 5}, "none of its weights"),
        ({"resume_from": "absent"}, "absent: no such directory"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, line, run, tmp_path):
    changes = {"training__steps": 12, "resume_from": "RUN", **changes}
    with pytest.raises(UserError) as raised:
        train(tmp_path / "new", of(RNN, **{k: str(run) if value == "RUN" else value for k, value in changes.items()}))
    text = str(raised.value).replace(str(run), "RUN")
    assert line in text and "\n" not in text
    late = "checkpoint" in line or "weights" in line
    assert (tmp_path / "new").exists() == late  # all else is known before the data are read


@pytest.mark.parametrize("option", ["resume_from", "init_from"])
@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda run: (run / "result.json").unlink(), "must be a finished run; the command that started this one"),
        (
            lambda run: RunDirectory(run).finish({"status": "diverged", "diverged_at": 3, "steps": 8, "summary": {}}),
            "the run has diverged in update 3: there is no trained model",
        ),
        (lambda run: (run / "config.json").unlink(), "config.json: cannot be read"),
        (lambda run: (run / "result.json").write_text("{"), "result.json:1: not JSON"),
        (lambda run: (run / "metrics.jsonl").write_text(""), "metrics.jsonl: has changed since"),
        (lambda run: shutil.rmtree(run / "checkpoint" / "8"), "checkpoint: holds no checkpoint of step 8"),
        (lambda run: shutil.rmtree(run / "checkpoint" / "8" / "default"), "checkpoint/8: damaged"),
    ],
)
def test_a_run_that_cannot_be_started_from_is_one_line(option, damage, line, run, tmp_path):
    damage(run)
    with pytest.raises(UserError) as raised:
        train(tmp_path / "new", of(RNN, training__steps=12, **{option: str(run)}))
    assert line in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "keep", "step"), [("finished", "both", 8), ("finished", "best", 6), ("diverged", "both", 6)]
)
def test_a_run_is_gone_on_from_at_its_last_state_unless_only_the_best_one_is_of_use(status, keep, step, run, tmp_path):
    config = of(RNN, training__eval_every=2, checkpoint__keep=keep)
    result = {"status": status, "steps": 8, "weights": {"kept": "best", "step": 6}, "summary": {}}
    RunDirectory.create(tmp_path / "best", config).finish(result)
    assert origin.find(of(config, training__steps=12, resume_from=str(tmp_path / "best")))[1] == step
    assert origin.find(of(config, init_from=str(tmp_path / "best")))[1] == 6
