"""Records are averages over their interval; what is pending is written once, at its own step."""

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from research.errors import UserError
from research.probes.gradient_flow import summarize
from research.tasks.task import Evaluation
from research.tracking.run_directory import RunDirectory
from research.training.budget import Stopwatch
from research.training.journal import Journal, Trial
from research.training.step import Record, TrialState
from tests.training.trials import of

CONFIG = of(cell__name="lstm", training__steps=8, training__log_every=4)
PROFILE = np.array([[0.0, 1.0], [0.5, 2.0], [np.inf, 3.0]] * 2, np.float32)


def record(steps: float, ok: bool = True, good: int = 0, **sums: float) -> Record:
    """One trial's record, as `Program.run` gives it."""
    zeros = dict.fromkeys(("loss", "error", "gradient_norm", "clipped", "gradient_regularizer"), 0.0)
    values = {**zeros, "learning_rate": 0.1, "teacher_forcing": 1.0, **sums}
    arrays = {key: np.float32(value) for key, value in values.items()}
    return Record(ok=np.bool_(ok), good=np.int32(good), steps=np.float32(steps), profile=PROFILE, **arrays)  # pyright: ignore[reportArgumentType]


def state(ok: bool, step: int) -> TrialState:
    return TrialState({"w": np.zeros((2, 3)), "b": np.zeros(3)}, {}, np.int32(step), np.bool_(ok))  # pyright: ignore[reportArgumentType]


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    names = ("first", "second")
    return [Trial(name, CONFIG, RunDirectory.create(tmp_path / name, CONFIG)) for name in names]


def write(journal: Journal, start: int, stop: int, *records: Record) -> int:
    journal.pend(start, stop, jax.tree.map(lambda *each: np.stack(each), *records), last=stop == 8)
    return journal.collect()


def records(trial: Trial, stem: Any = "metrics") -> list[dict[str, Any]]:
    return trial.run.records(stem)


def test_a_record_averages_over_the_updates_since_the_one_before(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    still = record(1)
    write(journal, 0, 1, record(1, loss=5, error=1, gradient_norm=3, clipped=1), still)
    assert records(trials[0]) == []
    write(journal, 1, 4, record(3, loss=3, error=1, gradient_norm=1, clipped=0), still)
    write(journal, 4, 8, record(4, loss=4), still)
    first, second = records(trials[0])
    assert (first["step"], second["step"]) == (4, 8)
    assert (first["train/loss"], first["train/error"], first["gradient/global_norm"]) == (2.0, 0.5, 1.0)
    assert (first["gradient/clip_fraction"], first["train/learning_rate"]) == (0.25, pytest.approx(0.1))
    assert second["train/loss"] == 1.0


def test_collecting_counts_the_updates_of_all_trials_once(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    assert write(journal, 0, 3, record(3), record(3)) == 6
    assert journal.collect() == 0


def test_a_profile_is_recorded_where_it_is_due_whatever_it_holds(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    for start, stop in ((0, 2), (2, 4), (4, 7), (7, 8)):
        write(journal, start, stop, record(stop - start), record(stop - start))
    flow = records(trials[0], "gradient_flow")
    assert [line["step"] for line in flow] == [0, 4, 7]  # every 4, and the last update's
    assert flow[0]["h"] == PROFILE[:, 0].tolist() and flow[0]["c"] == PROFILE[:, 1].tolist()
    assert math.inf in flow[0]["h"] and 0.0 in flow[0]["h"]
    metrics = records(trials[0])
    assert [line["gradient/profile_step"] for line in metrics] == [0, 7]
    expected = {f"gradient/{key}": value for key, value in summarize(PROFILE[:, 0]).items()}
    assert str({key: metrics[0][key] for key in expected}) == str(expected)  # nan is equal to nan as text
    assert metrics[0]["gradient/overflow_fraction"] == pytest.approx(1 / 3)


def test_the_update_that_fails_is_recorded_at_once_and_at_its_own_step(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    write(journal, 0, 4, record(4), record(4))
    write(journal, 4, 6, record(1, ok=False, good=4, loss=math.inf), record(2))
    write(journal, 6, 8, record(0, ok=False, good=4), record(2, loss=4))
    diverged, sound = records(trials[0]), records(trials[1])
    assert [line["step"] for line in diverged] == [4, 5]
    assert diverged[1]["train/loss"] == math.inf
    assert [line["step"] for line in sound] == [4, 8]
    assert sound[1]["train/loss"] == 1.0


def test_the_result_tells_how_a_trial_ended(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    write(journal, 0, 8, record(1, ok=False, good=0), record(8))
    by_length = {"length": [1.0], "count": [2.0], "teacher_forced": [0.5], "free_running": [1.0]}
    by_position = {"position": [1.0], "references": [2.0], **{k: v for k, v in by_length.items() if k != "length"}}
    evaluations = [Evaluation({"eval/loss": n}, by_length, by_position, {"x": "v:1"}) for n in (1.0, 2.0)]
    journal.log_evaluations(8, evaluations)
    journal.finish(
        8, [state(False, 0), state(True, 8)], evaluations, seconds=4.0, shares={"padding": 0.25, "input_wait": None}
    )
    diverged, sound = (trial.run.result() for trial in trials)
    assert diverged is not None and sound is not None
    assert (diverged["status"], diverged["diverged_at"]) == ("diverged", 1)
    assert (sound["status"], sound["diverged_at"], sound["seconds"]) == ("finished", None, 4.0)
    assert (sound["by_length"], sound["by_position"]) == (by_length, by_position)
    assert sound["signatures"] == {"x": "v:1"} and sound["padding"] == 0.25 and "input_wait" not in sound
    assert sound["summary"]["eval/loss"] == 2.0
    assert sound["summary"]["steps_per_second"] == 8 * 2 / 4.0
    assert (sound["features"], sound["parameters"], sound["summary"]["model/parameters"]) == (4, 9, 9)
    assert sound["summary"]["gradient/initial/overflow_fraction"] == pytest.approx(1 / 3)
    assert "step" not in sound["summary"]


def test_the_last_record_is_where_the_training_ends_with_the_seconds_that_it_took(trials):
    watch = Stopwatch(9.0)
    journal = Journal(trials, CONFIG, 0, watch)
    both = jax.tree.map(lambda *each: np.stack(each), record(1), record(1))
    for start, stop, last in ((0, 3, False), (3, 4, False), (4, 5, False), (5, 6, True)):
        watch.seconds = float(stop)
        journal.pend(start, stop, both, last)
        watch.seconds = 100.0  # of updates that follow
        journal.collect()
    assert [(line["step"], line["train/seconds"]) for line in records(trials[0])] == [(4, 2.0), (6, 3.0)]
    assert [line["step"] for line in records(trials[0], "gradient_flow")] == [0, 4, 5]
    journal.finish(6, [state(True, 6)] * 2, [Evaluation({}, {})] * 2, seconds=1.0)
    result = trials[0].run.result()
    assert (
        result is not None
        and "padding" not in result
        and (result["steps"], result["summary"]["train/seconds"]) == (6, 3.0)
    )


def test_seconds_are_shared_among_the_trials_of_a_pack(trials):
    watch = Stopwatch(0.0)
    journal = Journal(trials, CONFIG, 0, watch)
    both = jax.tree.map(lambda *each: np.stack(each), record(4), record(4))
    journal.pend(0, 4, both)
    watch.seconds = 3.0  # when the record is there
    journal.collect()
    watch.seconds = 5.0
    journal.log_evaluations(4, [Evaluation({"eval/loss": 1.0}, {})] * 2)
    assert [line["train/seconds"] for line in records(trials[1])] == [1.5, 2.5]


@pytest.mark.parametrize("stem", ["metrics", "gradient_flow"])
def test_records_of_another_shape_are_found_before_the_training(trials, stem):
    trials[0].check_records()
    (trials[0].run.path / f"{stem}.jsonl").write_text('{"step": 0, "h": "x"}\n')
    with pytest.raises(UserError, match=rf"{stem}\.jsonl:1: h: must be"):
        trials[0].check_records()


def test_a_continuation_drops_what_it_will_record_again(trials):
    journal = Journal(trials, CONFIG, 0, Stopwatch(0.0))
    for start, stop in ((0, 4), (4, 7), (7, 8)):
        write(journal, start, stop, record(stop - start), record(stop - start))
    Journal(trials, CONFIG, 4, Stopwatch(0.0))
    assert [line["step"] for line in records(trials[0])] == [4]
    assert [line["step"] for line in records(trials[0], "gradient_flow")] == [0]
    Journal(trials, CONFIG, 0, Stopwatch(0.0))
    assert records(trials[0]) == records(trials[0], "gradient_flow") == []


def test_omega_and_the_forcing_are_recorded_where_there_are_any(tmp_path):
    changes = {"task__name": "pronunciation", "probes__gradient_flow__every": 0, "training__gradient_regularizer": 0.1}
    config = of(CONFIG, **changes)
    both, neither = (
        Trial(name, own, RunDirectory.create(tmp_path / name, own)) for name, own in (("both", config), ("", CONFIG))
    )
    for trial in (both, neither):
        journal = Journal([trial], trial.config, 0, Stopwatch(0.0))
        for start, share in ((0, 0.75), (2, 0.25)):
            write(journal, start, start + 2, record(2, gradient_regularizer=3.0, teacher_forcing=share))
    (line,), (other,) = records(both), records(neither)
    assert (line["train/gradient_regularizer"], line["train/teacher_forcing"]) == (1.5, 0.25)
    assert not {"train/gradient_regularizer", "train/teacher_forcing"} & set(other)
