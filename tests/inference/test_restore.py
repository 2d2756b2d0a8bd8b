"""A run directory gives its model back, or says in one line why not; nothing in it is touched."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from research.config.flat import unflatten
from research.errors import UserError
from research.inference.restore import restore
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint
from tests.inference import runs


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "attention" / "trial").path


@pytest.fixture
def run(original, tmp_path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(original, tmp_path / "runs" / "attention" / "trial")))


def refused(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        restore(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_run_gives_its_config_spec_processor_and_weights(run):
    model = restore(run.path)
    assert (model.config, model.spec) == (unflatten(run.options()), runs.TEXT)
    assert model.processor and model.processor.to_dict() == runs.SPELLING.to_dict()
    assert (model.step, model.finished) == (5, True)
    assert model.params["encoder"]["embed"]["embedding"][...].shape == (7, 6)


def test_nothing_in_the_directory_is_touched(run):
    def facts() -> list:
        paths = sorted(run.path.rglob("*"))
        return [(path, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None) for path in paths]

    before = facts()
    restore(run.path)
    assert facts() == before


def test_the_moving_average_of_the_weights_is_taken_where_there_is_one(tmp_path):
    run = runs.write(tmp_path / "run", training__ema_decay=0.9)
    state = runs.state(unflatten(run.options()), runs.TEXT)
    average = jax.tree.map(lambda x: np.full_like(x, 2), state.params)
    runs.save(run, replace(state, average=average))
    assert {value for leaf in jax.tree.leaves(restore(run.path).params) for value in np.ravel(leaf)} == {2.0}


def test_a_parameter_budget_is_resolved_as_in_training(tmp_path):
    run = runs.write(tmp_path / "run", model__parameter_budget=2800)
    config = restore(run.path).config
    assert (config.model.parameter_budget, config.model.hidden_size > 6) == (0, True)


def test_a_run_of_cudnn_is_run_by_what_there_is(tmp_path):
    run = runs.write(tmp_path / "run", cell__name="lstm")
    config = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps(config | {"model.backend": "cudnn"}))
    assert restore(run.path).config.model.backend == "auto"


def test_an_unfinished_run_has_its_last_checkpoint(tmp_path):
    model = restore(runs.write(tmp_path / "run", finished=False).path)
    assert (model.step, model.finished) == (5, False)


def test_what_is_no_run_is_said_with_the_runs_in_it(run, tmp_path):
    assert refused(tmp_path / "absent").startswith(f"{tmp_path}/absent: no such directory; `research train`")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").startswith(f"{tmp_path}/empty: no runs in it; `research train`")
    assert refused(tmp_path / "runs").endswith(f"is no run directory; runs in it: {run.path}")


def test_a_task_without_a_processor_tells_its_sizes_itself(tmp_path):
    run = runs.write_synthetic(tmp_path / "run", "adding", model__hidden_size=3, task__length=9)
    model = restore(run.path)
    assert (model.spec, model.processor) == (model.config.task.spec, None)


def test_a_run_of_an_older_version_is_said(run):
    run.config_file.write_text('{"task.name": "speech_digits", "model.cell": "gru"}')
    assert "written by an older version" in refused(run.path)


def test_a_choice_that_is_no_more_is_named_with_the_file(run):
    run.config_file.write_text(json.dumps({**json.loads(run.config_file.read_text()), "cell.name": "gone"}))
    message = refused(run.path)
    assert message.startswith(f"{run.config_file}: cell.name=gone: must be one of ") and message.count("--import") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "processor.json"),
        ("{", "processor.json:1: not JSON"),
        ("{}", "is no processor of the task speech_digits (KeyError: 'spec')"),
        ('{"spec": {"inputs": "tokens"}, "processor": {}}', "is no processor of the task speech_digits (TypeError: "),
    ],
)
def test_a_broken_processor_file_is_said(content, message, run):
    run.processor_file.unlink()
    if content is not None:
        run.processor_file.write_text(content)
    assert message in refused(run.path)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        [],
        {"input": {"name": "no_field"}, "target": {}},
        {"input": {"name": "symbols", "vocabulary": 3}, "target": {}},
        {"input": {"name": "symbols", "vocabulary": "aa"}, "target": {}},
    ],
)
def test_what_is_no_processor_is_said(saved, run):
    run.processor_file.write_text(json.dumps(run.processor() | {"processor": saved}))
    assert "processor.json: is no processor of the task speech_digits" in refused(run.path)


def test_a_processor_with_fewer_symbols_than_the_model_predicts_is_said(run):
    saved = run.processor()
    saved["processor"]["target"]["vocabulary"].pop()
    run.processor_file.write_text(json.dumps(saved))
    assert "processor.json: is no processor of the task speech_digits (IndexError" in refused(run.path)


def test_a_spec_of_another_model_is_said(run):
    saved = run.processor()
    run.processor_file.write_text(json.dumps(saved | {"spec": saved["spec"] | {"input_size": 99}}))
    assert "checkpoint/5: not of this model: " in refused(run.path)


def test_a_run_without_a_checkpoint_is_said(run):
    shutil.rmtree(run.path / "checkpoint")
    assert refused(run.path).endswith("checkpoint: holds no checkpoint of step 5")


def test_a_damaged_checkpoint_is_said(run):
    largest = max((run.path / "checkpoint").rglob("*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    assert "checkpoint/5: damaged: " in refused(run.path)


def test_a_finished_run_without_its_last_checkpoint_is_said(run):
    shutil.move(run.path / "checkpoint" / "5", run.path / "checkpoint" / "4")
    assert refused(run.path).endswith("checkpoint: holds no checkpoint of step 5")


def test_the_weights_that_a_run_keeps_are_taken(run):
    """Those of the best evaluation, whether the run is finished, has diverged since, or trains on."""
    best = checkpoint.read_arrays(run.checkpoints)
    states = [
        jax.tree.map(lambda x, n=n: np.full_like(x, n), runs.state(unflatten(run.options()), runs.TEXT)) for n in (1, 2)
    ]
    for step, state in zip((6, 7), states, strict=True):
        checkpoint.save(run.checkpoints, step, state, {"best": 5})
    result = {"weights": {"kept": "best", "step": 5}, "steps": 7, "diverged_at": 8, "summary": {}}
    for status in ("finished", "diverged", ""):
        run.finish({"status": status, **result})
        if not status:
            run.result_file.unlink()
        model = restore(run.path)
        assert (model.step, model.finished) == (5, bool(status))
        (embedding,) = (value for name, value in best.items() if "params['encoder']['embed']" in name)
        np.testing.assert_array_equal(model.params["encoder"]["embed"]["embedding"][...], embedding)


def test_a_diverged_run_is_said_finished_or_not(run):
    run.finish({"status": "diverged", "diverged_at": 3, "steps": 5, "summary": {}})
    assert "the run has diverged in update 3" in refused(run.path)
    run.result_file.unlink()
    runs.save(run, replace(runs.state(unflatten(run.options()), runs.TEXT), ok=np.bool_(False), step=np.int32(2)))
    assert "the run has diverged in update 3" in refused(run.path)
