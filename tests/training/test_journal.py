"""Records are averages over their interval; what is pending is written once, at its own step."""

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from research.probes.gradient_flow import summarize
from research.tasks.task import Evaluation
from research.tracking.wandb import WandbRun
from research.training import checkpoint
from research.training.journal import Journal
from research.training.result import PackResult
from research.training.state import TrialState
from research.training.step import Record, Sums
from research.training.stopwatch import Stopwatch
from research.training.trial import Start, Trial, TrialResult, record_stems
from tests.training.trials import WORDS, of, trial_of

CONFIG = of(cell__name="sru", training__steps=8, training__log_every=4)
PROFILE = np.array([[0.0, 1.0], [0.5, 2.0], [np.inf, 3.0]] * 2, np.float32)
FINITE, NOT_FINITE = [1.0, 1.0], [math.nan, math.nan]
H, C = "encoder/layer_1/forward/h", "encoder/layer_1/forward/c"


def record(
    updates: float,
    ok: bool = True,
    num_updates: int = 0,
    forcing: float = 1.0,
    norms: Any = (FINITE, FINITE),
    **sums: float,
) -> Record:
    """Return one trial's record, as `Program.run` gives it."""
    names = ("loss", "objective", "error", "grad_norm", "clipped", "gradient_regularizer", "good_loss")
    zeros = dict.fromkeys(names, 0.0)
    values: Any = {key: np.float32(value) for key, value in {**zeros, "updates": updates, **sums}.items()}
    others: Any = (np.bool_(ok), np.int32(num_updates), Sums(**values), np.float32(0.1), np.float32(forcing))
    others += (np.float32(sums.get("objective", 0.0)), *map(np.array, norms))
    return Record(*others, probes={"gradient_flow": {H: PROFILE[:, 0], C: PROFILE[:, 1]}})  # pyright: ignore


def state(ok: bool, step: int) -> TrialState:
    return TrialState({"w": np.zeros((2, 3)), "b": np.zeros(3)}, {}, np.int32(step), np.bool_(ok))  # pyright: ignore[reportArgumentType]


def pack_result(step: int, states: list[TrialState], test: list[Evaluation], waited: float | None = None) -> PackResult:
    return PackResult(step, states, test, seconds=10.0, waited=waited, batch_shards=1, backend="scan")


def opened(config: Any, directory: Path) -> Trial:
    trial = trial_of(config, directory)
    trial.run.create(directory, config)
    return trial


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    return [opened(CONFIG, tmp_path / name) for name in ("first", "second")]


def write(journal: Journal, start: int, stop: int, *records: Record) -> None:
    journal.hold(start, stop, jax.tree.map(lambda *rows: np.stack(rows), *records), last=stop == 8)
    journal.collect()


def records(trial: Trial, stem: Any = "metrics") -> list[dict[str, Any]]:
    return trial.run.records(stem)


def test_a_record_averages_over_the_updates_since_the_one_before(trials):
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), Stopwatch(0.0))
    still = record(1)
    write(journal, 0, 1, record(1, loss=5, error=1, grad_norm=3, clipped=1), still)
    assert records(trials[0]) == []
    write(journal, 1, 4, record(3, loss=3, error=1, grad_norm=1, clipped=0), still)
    write(journal, 4, 8, record(4, loss=4), still)
    first, second = records(trials[0])
    assert (first["step"], second["step"]) == (4, 8)
    assert (first["train/loss"], first["train/absolute_error"], first["gradient/global_norm"]) == (2.0, 0.5, 1.0)
    assert (first["train/updates_averaged"], second["train/updates_averaged"]) == (4, 4)
    assert "train/objective" not in first
    assert (first["gradient/clip_fraction"], first["train/learning_rate"]) == (0.25, pytest.approx(0.1))
    assert second["train/loss"] == 1.0


def test_a_profile_is_recorded_where_it_is_due_whatever_it_holds(trials):
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), Stopwatch(0.0))
    for start, stop in ((0, 2), (2, 4), (4, 7), (7, 8)):
        write(journal, start, stop, record(stop - start), record(stop - start))
    flow = records(trials[0], "gradient_flow")
    assert [line["step"] for line in flow] == [0, 4, 7]  # every 4, and the last update's
    assert flow[0][H] == PROFILE[:, 0].tolist() and flow[0][C] == PROFILE[:, 1].tolist()
    assert math.inf in flow[0][H] and 0.0 in flow[0][H]
    metrics = records(trials[0])
    assert [line["gradient/profile_step"] for line in metrics] == [0, 7]
    expected = {f"gradient/{C}/{key}": value for key, value in summarize(PROFILE[:, 1]).items()}
    assert str({key: metrics[0][key] for key in expected}) == str(expected)  # nan is equal to nan as text
    assert [expected[f"gradient/{C}/{key}"] for key in ("overflow_fraction", "first_last_ratio")] == [0, 1 / 3]


def test_the_update_that_fails_is_recorded_at_once_and_at_its_own_step(trials):
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), Stopwatch(0.0))
    write(journal, 0, 4, record(4), record(4))
    write(journal, 4, 6, record(1, ok=False, num_updates=4, loss=math.inf), record(2))
    write(journal, 6, 8, record(0, ok=False, num_updates=4), record(2, loss=4))
    diverged, sound = records(trials[0]), records(trials[1])
    assert [line["step"] for line in diverged] == [4, 5]
    assert diverged[1]["train/loss"] == math.inf
    assert [line["step"] for line in sound] == [4, 8]
    assert sound[1]["train/loss"] == 1.0


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"objective": math.nan, "norms": (NOT_FINITE, NOT_FINITE)}, "the loss is nan"),
        ({"objective": 2e6, "norms": (FINITE, NOT_FINITE)}, "the loss is 2e+06, above training.divergence_loss=1e+06"),
        ({"norms": ([1, math.inf], NOT_FINITE)}, "the gradient of w is not finite"),
        ({"norms": (FINITE, NOT_FINITE)}, "the new value of b and of 1 more weights is not finite"),
    ],
)
def test_a_diverged_result_says_what_was_not_finite_first_and_the_loss_before(trials, values, line):
    test = [Evaluation({"loss": 1.0})] * 2
    for before, updates in ((0.5, 3), (2.0, 1)):  # of the updates since the record, or of the record before
        start = Start(0, None, 1, trials[0].run.snapshot([]))
        journal = Journal(trials, [start, start], Stopwatch(0.0))
        write(journal, 0, 4, record(4, loss=8), record(4))
        failed = record(updates, ok=False, num_updates=3 + updates, good_loss=0.5 * (updates - 1), **values)
        write(journal, 4, 8, failed, record(4))
        if updates == 1:  # as a resumed run has it
            journal.save(8, [state(False, 4), state(True, 8)])
            saved = checkpoint.newest_details(trials[0].run.checkpoints)
            journal = Journal(
                trials,
                [Start(8, None, 1, saved), Start(8, None, 1, trials[1].run.snapshot(["metrics"]))],
                Stopwatch(0.0),
            )
        result, _ = journal.finish(pack_result(8, [state(False, 3 + updates), state(True, 8)], test))
        assert result.divergence == f"diverged in update {4 + updates}: {line}; the loss before was {before:g}"
        found = trials[0].run.result()
        assert found is not None and (found["diverged_because"], found["loss_before"]) == (line, before)


def test_the_result_tells_how_a_trial_ended(trials):
    watch = Stopwatch(0.0)
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), watch)
    watch.seconds = 4.0
    write(journal, 0, 8, record(1, ok=False, num_updates=0), record(8))
    by_length = {"length": [1.0], "count": [2.0], "teacher_forced": [0.5], "free_running": [1.0]}
    by_position = {"position": [1.0], "references": [2.0], **{k: v for k, v in by_length.items() if k != "length"}}
    test = [Evaluation({"loss": n}, by_length, by_position, {"x": "v:1"}, num_examples=9) for n in (1.0, 2.0)]
    journal.log_evaluations(8, {"validation": [Evaluation({"loss": 3.0})] * 2, "test": test})
    results = journal.finish(pack_result(8, [state(False, 0), state(True, 8)], test, waited=1.0))
    diverged, sound = (trial.run.result() for trial in trials)
    assert diverged is not None and sound is not None
    assert results[1] == TrialResult(
        "second", trials[1].run.path, "finished", sound["summary"], signatures={"x": "v:1"}
    )
    assert (diverged["status"], diverged["diverged_at"]) == ("diverged", 1)
    assert (sound["status"], sound["diverged_at"], sound["seconds"]) == ("finished", None, 10.0)
    assert (sound["by_length"], sound["by_position"], sound["num_examples"]) == (by_length, by_position, 9)
    assert sound["signatures"] == {"x": "v:1"} and sound["input_wait"] == 0.1 and "padding" not in sound
    summary = sound["summary"]
    assert (summary["validation/loss"], summary["test/loss"]) == (3.0, 2.0)
    assert (summary["train/seconds"], summary["train/steps_per_second"]) == (2.0, 8 / 2.0)  # not 10 with evaluation
    assert (sound["hidden_size"], sound["parameters"], summary["model/parameters"]) == (4, 9, 9)
    assert summary["model/carry_size"] == 8  # h and c
    assert sound["profiles"] == {"gradient_flow": C}  # the cell's state, and not its output
    assert summary[f"gradient/initial/{C}/first_last_ratio"] == summary[f"gradient/final/{C}/first_last_ratio"] == 1 / 3
    assert "step" not in summary
    assert {"git_commit", "source"} <= set(sound["environment"]) and sound["environment"]["backend"] == "scan"


def test_the_last_record_is_where_the_training_ends_with_the_seconds_that_it_took(trials):
    watch = Stopwatch(9.0)
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), watch)
    both = jax.tree.map(lambda *each: np.stack(each), record(1), record(1))
    for start, stop, last in ((0, 3, False), (3, 4, False), (4, 5, False), (5, 6, True)):
        watch.seconds = float(stop)
        journal.hold(start, stop, both, last)
        watch.seconds = 100.0  # of updates that follow
        journal.collect()
    assert [(line["step"], line["train/seconds"]) for line in records(trials[0])] == [(4, 2.0), (6, 3.0)]
    assert [line["step"] for line in records(trials[0], "gradient_flow")] == [0, 4, 5]
    journal.finish(pack_result(6, [state(True, 6)] * 2, [Evaluation({})] * 2))
    result = trials[0].run.result()
    assert (
        result is not None
        and "padding" not in result
        and (result["steps"], result["summary"]["train/seconds"]) == (6, 3.0)
    )


def test_seconds_are_shared_among_the_trials_of_a_pack(trials):
    watch = Stopwatch(0.0)
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), watch)
    both = jax.tree.map(lambda *each: np.stack(each), record(4), record(4))
    journal.hold(0, 4, both)
    watch.seconds = 3.0  # when the record is there
    journal.collect()
    watch.seconds = 5.0
    journal.log_evaluations(4, {"validation": [Evaluation({"loss": 1.0})] * 2})
    assert [line["train/seconds"] for line in records(trials[1])] == [1.5, 2.5]
    write(journal, 4, 8, record(1, ok=False, num_updates=4), record(4))  # the first diverges
    for seconds in (9.0, 10.0):
        watch.seconds = seconds
        journal.log_evaluations(8, {"validation": [Evaluation({"loss": 1.0})] * 2})
    assert [[line["train/seconds"] for line in records(trial)][2:] for trial in trials] == [[2.5] * 3, [2.5, 6.5, 7.5]]


def test_a_resumed_run_drops_what_it_will_record_again_and_counts_on_from_the_seconds_of_its_checkpoint(trials):
    watch = Stopwatch(0.0)
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), watch)
    snapshots = []
    for start, stop in ((0, 4), (4, 7), (7, 8)):
        watch.seconds += 3.0
        write(journal, start, stop, record(stop - start), record(stop - start))
        snapshots.append([trial.run.snapshot(record_stems(trial.options)) for trial in trials])
    watch = Stopwatch(0.0)
    Journal(trials, [Start(4, None, 1, snapshot) for snapshot in snapshots[0]], watch)
    assert watch.seconds == 3.0  # and not 9
    assert [line["step"] for line in records(trials[0])] == [4]
    assert [line["step"] for line in records(trials[0], "gradient_flow")] == [0]
    Journal(trials, [Start(0, None, 1)] * len(trials), Stopwatch(0.0))
    assert records(trials[0]) == records(trials[0], "gradient_flow") == []


def test_a_resumed_journal_sums_up_what_it_reads_once_and_what_it_writes(trials, monkeypatch):
    journal = Journal(trials, [Start(0, None, 1)] * len(trials), Stopwatch(0.0))
    write(journal, 0, 4, record(4, loss=4), record(4, loss=8))
    starts = [Start(4, None, 1, trial.run.snapshot(record_stems(trial.options))) for trial in trials]
    reads = []
    real = type(trials[0].run).records
    monkeypatch.setattr(type(trials[0].run), "records", lambda run, stem: reads.append(stem) or real(run, stem))
    resumed = Journal(trials, starts, Stopwatch(0.0))
    assert sorted(reads) == ["gradient_flow", "gradient_flow", "metrics", "metrics"]  # once for each trial
    monkeypatch.setattr(type(trials[0].run), "records", lambda *_: pytest.fail("reads what it has written"))
    write(resumed, 4, 8, record(4), record(4))
    resumed.finish(pack_result(8, [state(True, 8)] * 2, [Evaluation({})] * 2))
    result = trials[1].run.result()
    assert result is not None and result["summary"]["train/loss"] == 0.0
    assert {f"gradient/{when}/{C}/half_life" for when in ("initial", "final")} <= set(result["summary"])


def test_what_an_option_adds_is_recorded_where_it_is_on(tmp_path):
    config = of(WORDS, training__log_every=4, training__gradient_regularizer=0.1, training__label_smoothing=0.1)
    both, neither = opened(config, tmp_path / "both"), opened(CONFIG, tmp_path / "neither")
    for trial in (both, neither):
        journal = Journal([trial], [Start(0, None, 1)], Stopwatch(0.0))
        for start, ratio in ((0, 0.75), (2, 0.25)):
            sums = record(2, forcing=ratio, gradient_regularizer=3.0, loss=2.0, objective=4.0, error=1.0)
            write(journal, start, start + 2, sums)
    (line,), (other,) = records(both), records(neither)
    assert (line["train/gradient_regularizer"], line["train/teacher_forcing"]) == (1.5, 0.25)
    assert (line["train/loss"], line["train/objective"], line["train/token_error_rate"]) == (1.0, 2.0, 0.5)
    names = {"train/gradient_regularizer", "train/teacher_forcing", "train/objective", "train/token_error_rate"}
    assert not names & set(other)


def test_w_and_b_gets_backend_weights_origin_profile_samples_and_the_step_of_the_checkpoint(trials, monkeypatch):
    calls: dict[str, Any] = {}

    class Recorder(WandbRun):
        def __init__(self, *args: Any) -> None:
            calls["config"] = args[3]

        def log(self, step: int, metrics: Any, profiles: Any = None, samples: Any = None) -> None:
            calls.setdefault("drawn", []).append(profiles)
            calls.setdefault("samples", []).append(samples)

        def finish(self, status: str, summary: Any, profiles: Any = None, tables: Any = None, checkpoint: Any = None):
            calls.update(summary=summary, profile=profiles.name, checkpoint=checkpoint)

    monkeypatch.setattr("research.training.ending.WandbRun", Recorder)
    journal = Journal(trials[:1], [Start(0, None, 1, origin={"run": "old", "step": 8})], Stopwatch(0))
    write(journal, 0, 8, record(8, num_updates=8))
    journal.log_evaluations(8, {"validation": [Evaluation({"loss": 1.0}, samples="samples")]})
    journal.finish(pack_result(8, [state(True, 8)], [Evaluation({})]))
    assert (calls["profile"], calls["samples"], calls["checkpoint"]) == (C, [None, "samples"], 8)
    assert [profiles and (profiles.name, len(profiles.records)) for profiles in calls["drawn"]] == [(C, 1), None]
    assert (calls["summary"]["environment/backend"], calls["summary"]["weights"]) == ("scan", "last")
    assert (calls["config"]["started_from/run"], calls["config"]["started_from/step"]) == ("old", 8)
