"""The best evaluation and the early stop of each trial: the same alone, in a pack, and after a kill at any save."""

import contextlib
import itertools
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from research.config.config import Config
from research.errors import UserError
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, loop
from research.training.loader import Loader
from research.training.monitor import Monitor
from research.training.trainer import train_trials
from tests.training.trials import assert_same_run, of, record_lines

pytestmark = pytest.mark.usefixtures("shared_programs")
PATIENT = {"training__eval_every": 3, "training__early_stopping_patience": 2}
BOTH = of(
    cell__name="rnn",
    seed=1,
    training__steps=24,
    training__checkpoint_seconds=1e9,
    checkpoint__keep="both",
    optimizer__learning_rate=1.0,
    **PATIENT,
)
PACK = {
    "stops": BOTH,
    "goes on": of(BOTH, seed=3, optimizer__learning_rate=0.01),
    "diverges": of(BOTH, training__divergence_loss=9.0),
    "diverges at once": of(BOTH, training__divergence_loss=1e-6),
}
STOP, BEST = 18, 12
LOSSES = [3.0, math.nan, 2.0, math.inf, 2.0, 1.0, 5.0, -math.inf, 4.0, 0.5]


def monitor_of(losses: list[float], name: str = "loss", **changes: Any) -> Monitor:
    config = of(**{"training__eval_every": 1, "checkpoint__keep": "best", **changes})
    return Monitor(config, [{"step": step, f"validation/{name}": loss} for step, loss in enumerate(losses, start=1)])


@pytest.mark.parametrize(
    ("changes", "best", "stopped"),
    [
        ({}, 10, None),
        ({"training__early_stopping_patience": 3}, 6, 9),
        ({"training__early_stopping_patience": 2}, 3, 5),
        ({"checkpoint__mode": "max"}, 7, None),
        ({"checkpoint__keep": "last", "training__early_stopping_patience": 1}, 1, 2),
    ],
)
def test_the_best_value_is_a_finite_one_and_patience_counts_the_evaluations_since(changes, best, stopped):
    monitor = monitor_of(LOSSES[:stopped], **changes)
    assert monitor.best and (monitor.best.step, monitor.stopped) == (best, stopped)
    assert monitor.summary()["best/step"] == best
    assert monitor.outcome(10)["weights"]["kept"] == ("last" if "checkpoint__keep" in changes else "best")


def test_where_no_value_is_finite_the_last_weights_are_kept():
    monitor = monitor_of([math.nan] * 3, training__early_stopping_patience=3)
    wanted = {"weights": {"kept": "last", "step": 3}, "stopped_early": {"step": 3, "metric": "validation/loss"}}
    assert (monitor.outcome(3), monitor.summary()) == (wanted, {"best/stopped_at": 3})


def test_the_last_evaluation_can_be_the_best_but_does_not_stop_a_training_that_ends_anyway():
    for loss, best in ((2.0, 1), (0.5, 2)):
        records = [{"step": 1, "validation/loss": 1.0}, {"step": 2, "validation/loss": loss, "test/loss": 1.0}]
        monitor = Monitor(of(training__early_stopping_patience=1, training__eval_every=1), records)
        assert monitor.best and (monitor.best.step, monitor.stopped) == (best, None)


@pytest.mark.parametrize(
    ("options", "names", "found"),
    [
        ({}, "baseline/mean/loss teacher_forced/loss accuracy", "teacher_forced/loss -1"),
        ({"metric": "validation/loss"}, "a/loss loss", "loss -1"),
        ({"metric": "free_running/bleu"}, "loss free_running/bleu", "free_running/bleu 1"),
        ({"metric": "word_error_rate"}, "loss free_running/word_error_rate", "free_running/word_error_rate -1"),
        ({"metric": "macro_f1"}, "macro_f1", "macro_f1 1"),
        ({"metric": "macro_f1", "mode": "min"}, "macro_f1", "macro_f1 -1"),
        ({"metric": "bleu"}, "loss baseline/x/bleu", "checkpoint.metric=bleu: must be one of loss"),
        ({"metric": "wer"}, "loss a/wer b/wer", "checkpoint.metric=wer: must be one of a/wer, b/wer"),
        ({"metric": "test/loss"}, "loss", "checkpoint.metric=test/loss: must be one of loss"),
        ({"metric": "speed"}, "speed", "checkpoint.mode=auto: must be min or max, as the name speed does not say"),
    ],
)
def test_the_metric_is_found_by_its_name_which_says_what_is_better(options, names, found):
    monitor = monitor_of([], **{f"checkpoint__{key}": value for key, value in options.items()})
    try:
        monitor.resolve(names.split())
        assert f"{monitor.metric} {monitor._sign}" == found
    except UserError as error:
        assert str(error).startswith(found)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"training__early_stopping_patience": 3},
            "training.eval_every=0: must be greater than 0 with training.early_",
        ),
        ({"checkpoint__keep": "best"}, "training.eval_every=0: must be greater than 0 with checkpoint.keep=best"),
        ({"checkpoint__metric": "bleu"}, "checkpoint.metric=bleu: must be loss, as checkpoint.keep=last without early"),
        ({"checkpoint__mode": "max"}, "checkpoint.mode=max: must be auto, as checkpoint.keep=last without early"),
        ({"training__early_stopping_patience": -1}, "training.early_stopping_patience=-1: must be between 0 and"),
    ],
)
def test_options_that_do_nothing_are_refused(changes, line):
    with pytest.raises(UserError, match=line):
        of(**changes)


def test_a_wrong_metric_is_told_before_any_update(tmp_path, monkeypatch):
    monkeypatch.setattr(loop.Stopwatch, "time", lambda *_: pytest.fail("trains"))
    with pytest.raises(UserError, match=r"checkpoint\.metric=bleu: must be one of loss, accuracy"):
        train_trials([("trial", of(BOTH, checkpoint__metric="bleu"))], tmp_path)


def result_of(directory: Path) -> dict[str, Any]:
    result = RunDirectory(directory).result()
    assert result is not None
    return result


def saved(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "checkpoint").iterdir())


def assert_same(one: Path, other: Path, config: Config = BOTH) -> None:
    """Compare the records, the last states and the weights that are kept."""
    assert_same_run(one, other, config)
    step = result_of(one)["weights"]["step"]
    assert_same_arrays(one, other, step)


def assert_same_arrays(one: Path, other: Path, step: int, prefix: str = "") -> None:
    ours, theirs = (checkpoint.read_arrays(path / "checkpoint", step) for path in (one, other))
    for name in ours:
        if name.startswith(prefix):
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("pack")
    results = train_trials(list(PACK.items()), directory)
    assert results[0].remark.startswith(
        f"stopped early at step {STOP}; weights of step {BEST}, with the best validatio"
    )
    return directory


def test_each_trial_of_a_pack_has_its_own_best_and_its_own_end(pack):
    ends = {name: result_of(pack / name) for name in PACK}
    found = {
        name: (end["status"], end["steps"], end["weights"]["kept"], saved(pack / name)) for name, end in ends.items()
    }
    assert found == {
        "stops": ("finished", STOP, "best", [BEST, STOP]),
        "goes on": ("finished", 24, "best", [24]),
        "diverges": ("diverged", 3, "best", [3, 24]),
        "diverges at once": ("diverged", 0, "last", [24]),
    }
    stops = ends["stops"]
    best = stops["weights"]["value"]
    assert stops["weights"] == {"kept": "best", "step": BEST, "metric": "validation/loss", "value": best}
    stop = {"step": STOP, "metric": "validation/loss", "best_step": BEST, "best_value": best}
    assert stops["stopped_early"] == stop and "stopped_early" not in ends["goes on"]
    summary = stops["summary"]
    assert (summary["best/step"], summary["best/value"], summary["best/stopped_at"]) == (BEST, best, STOP)
    assert summary["validation/loss"] == best  # of the weights that test is scored with
    assert int(checkpoint.read_arrays(pack / "stops" / "checkpoint")[".step"]) == STOP


def test_the_curves_are_complete_up_to_the_stop(pack):
    steps = [2, 3, 3, 4, 6, 6, 8, 9, 9, 10, 12, 12, 14, 15, 15, 16, STOP, STOP, STOP]  # with evaluations, and the test
    assert record_lines(pack / "stops", "metrics") == steps
    updates = [r.get("train/updates_averaged", 0) for r in RunDirectory(pack / "stops").records("metrics")]
    assert sum(updates) == STOP


def test_test_is_scored_with_the_best_weights(pack, tmp_path):
    plain = {"training__eval_every": 0, "training__early_stopping_patience": 0, "checkpoint__keep": "last"}
    train_trials([("trial", of(BOTH, training__steps=BEST, **plain))], tmp_path)
    assert_same_arrays(tmp_path / "trial", pack / "stops", BEST, ".params")
    ours, theirs = (result_of(path)["summary"] for path in (tmp_path / "trial", pack / "stops"))
    for name in ("test/loss", "test/accuracy", "validation/loss"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize("name", ["stops", "diverges"])
def test_a_trial_alone_ends_as_in_a_pack(name, pack, tmp_path, monkeypatch):
    real, calls = Loader.run, []
    monkeypatch.setattr(Loader, "run", lambda loader, state, *steps: calls.append(steps) or real(loader, state, *steps))
    train_trials([(name, PACK[name])], tmp_path)
    assert_same(tmp_path / name, pack / name)
    assert calls[-1][1] == (STOP if name == "stops" else 24)


@pytest.mark.parametrize(
    "kills",
    [
        [("stops", 14), ("goes on", 24)],  # between its best state and its last one; at the end
        [("stops", BEST), ("goes on", 21)],  # before its best state; when it has stopped, and the pack goes on
    ],
)
def test_a_pack_that_is_killed_at_a_save_ends_as_one_that_is_not(kills, pack, tmp_path, monkeypatch):
    real, saves = checkpoint.save, []

    def save(directory: Path, step: int, *rest: Any) -> None:
        saves.append((directory.parent.name, step))
        if (directory.parent.name, step) in kills:
            kills.remove((directory.parent.name, step))
            raise KeyboardInterrupt
        real(directory, step, *rest)

    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    monkeypatch.setattr(checkpoint, "save", save)
    trials = [(name, of(PACK[name], training__checkpoint_seconds=2.5)) for name in ("stops", "goes on")]  # 3 records
    results = []
    while not results:
        with contextlib.suppress(KeyboardInterrupt):
            results = train_trials(trials, tmp_path)
    assert kills == [] and saves.count(("stops", STOP)) == 1  # also where its pack goes on
    for result in results:
        assert_same(result.path, pack / result.name, PACK[result.name])


def test_only_the_best_weights_are_left_where_only_they_are_kept(pack, tmp_path):
    config = of(BOTH, checkpoint__keep="best")
    trial = tmp_path / "trial"
    train_trials([("trial", config)], tmp_path)
    assert saved(trial) == [BEST]
    assert_same_arrays(trial, pack / "stops", BEST)
    assert result_of(trial)["summary"].keys() == result_of(pack / "stops")["summary"].keys()
    whole = Path(shutil.copytree(trial, tmp_path / "whole"))
    (trial / "result.json").unlink()  # as an error that the file is damaged says
    train_trials([("trial", config)], tmp_path)
    assert_same(trial, whole, config)
    assert saved(trial) == [BEST]
