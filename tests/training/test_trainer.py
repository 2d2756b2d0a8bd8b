"""Trials to run directories: what is compiled, what is recorded, and that a resumed run equals a straight one."""

import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import jax
import numpy as np
import pytest
import wandb

from drills.wandb_server import Server
from research.config.config import Config
from research.errors import Stopped, UserError
from research.recurrence.kernels import cudnn
from research.tracking import strict_json, uploads
from research.tracking import wandb_session as session
from research.tracking.progress import ProgressBar
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, devices, loop, trainer
from research.training.pack import Pack
from research.training.trainer import train_trials
from research.training.trial import Trial, TrialResult
from tests.training.trials import (
    STEPS,
    TINY,
    TRIALS,
    assert_same_run,
    counting_compilations,
    final_state,
    finished,
    of,
    record_lines,
)

pytestmark = pytest.mark.usefixtures("shared_programs")

JOURNAL = "research.training.journal.Journal"
PROGRAMS = 2  # gru and rnn; all else is dynamic
compile_anew = Pack._compile
GOLDEN = {
    "train/loss": 1.3643102645874023,
    "train/absolute_error": 1.1000802516937256,
    "gradient/global_norm": 3.605377197265625,
}


@dataclass(frozen=True)
class Sweep:
    directory: Path
    results: dict[str, TrialResult]
    compilations: int
    reads: list[str]
    """Files that were read and hold one object."""
    shown: list[str]
    """Activities that the progress bar has shown."""


def train(directory: Path, names: list[str]) -> Sweep:
    reads, shown = [], []
    real = strict_json.read
    with counting_compilations() as compilations, pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "read", lambda path, *args, **kw: reads.append(path.name) or real(path, *args, **kw))
        patch.setattr(ProgressBar, "doing", lambda _, what: shown.append(what))
        patch.setattr(Pack, "_compile", compile_anew)
        results = train_trials([(name, TRIALS[name]) for name in names], directory)
    return Sweep(directory, {result.name: result for result in results}, len(compilations), reads, shown)


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Sweep:
    return train(tmp_path_factory.mktemp("straight"), list(TRIALS))


@pytest.fixture(scope="module")
def resumed(tmp_path_factory) -> tuple[Sweep, Sweep]:
    """A sweep that dies while it saves: one trial is at step 4, one at step 2; then it resumes, with one more trial."""
    directory = tmp_path_factory.mktemp("resumed")

    def save(place: Path, step: int, *rest) -> None:
        if (place.parent.name, step) == ("rnn1", 4):
            raise KeyboardInterrupt
        real_save(place, step, *rest)

    real_save = checkpoint.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            train(directory, ["rnn0", "rnn1"])
    before = {path.parent.name: sorted(p.name for p in path.iterdir()) for path in directory.glob("*/checkpoint")}
    assert before == {"rnn0": ["2", "4"], "rnn1": ["2"]}
    assert record_lines(directory / "rnn1", "metrics") == [2, 4]  # beyond its checkpoint: to be written again
    return train(directory, ["rnn0", "rnn1", "rnn2"]), train(directory, ["rnn0", "rnn1", "rnn2"])


def test_what_w_and_b_lacks_of_a_finished_trial_is_sent_by_the_same_command(tmp_path, monkeypatch):
    def train_with(mode):
        return train_trials([("t", of(wandb__mode=mode))], tmp_path)[0]

    for name in [name for name in os.environ if name.startswith("WANDB_")]:  # the service of an earlier test
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    for cached in (session.logged_in, session._ask):  # what an earlier test of the process has found
        cached.cache_clear()
    assert not train_with("offline").skipped
    with Server() as server:
        wandb.teardown()
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert train_with("online").skipped
        (served,) = server.runs.values()
        assert [row["_step"] for row in served.rows] == [2, 4, 6, 8]
        assert (served.state, served.summary["status"]) == ("finished", "finished")
        assert served.config["cell"]["value"]["name"] == "gru"
        num_requests = len(server.requests)
        train_with("online")
        assert len(server.requests) == num_requests
        wandb.teardown()
        monkeypatch.setenv("WANDB_SWEEP_ID", "sweepid1")  # an agent has started another run for the same trial
        monkeypatch.setenv("WANDB_RUN_ID", "agentrun")
        train_with("online")
        assert [row["_step"] for row in server.runs["agentrun"].rows] == [2, 4, 6, 8]
        wandb.teardown()
    for cached in (session.logged_in, session._ask):
        cached.cache_clear()


def test_a_program_is_compiled_once_to_initialize_once_to_train_and_once_to_predict(straight):
    assert straight.compilations == PROGRAMS * len(["init", "run", "predict"])


def test_a_compilation_is_shown_before_the_first_step(straight):
    start = straight.shown.index("preparing")
    shown = ["compiling", f"step 0/{STEPS}", f"step 0/{STEPS}, compiling", f"step 0/{STEPS}"]
    assert straight.shown[start + 1 : start + 5] == shown


def test_records_stand_at_their_steps(straight):
    assert record_lines(straight.directory / "gru0", "metrics") == [2, 4, 6, 8, 8]  # the last is the evaluation
    assert record_lines(straight.directory / "gru0", "gradient_flow") == [0, 4, 7]


def test_the_result_sums_up_the_records(straight):
    result = json.loads((straight.directory / "gru0" / "result.json").read_text())
    assert (result["status"], result["steps"], result["diverged_at"]) == ("finished", STEPS, None)
    assert result["seconds"] > 0 and result["environment"]["devices"] == 2
    summary = result["summary"]
    last = [json.loads(line) for line in (straight.directory / "gru0/metrics.jsonl").read_text().splitlines()]
    assert summary["train/loss"] == last[-2]["train/loss"]
    assert summary["train/updates_averaged"] == 2
    assert summary["test/loss"] == last[-1]["test/loss"] != last[-1]["validation/loss"]
    assert not any(key.startswith("test/") for record in last[:-1] for key in record)
    profile = "encoder/layer_1/forward/h"
    wanted = {f"gradient/initial/{profile}/decay_per_step", f"gradient/final/{profile}/first_last_ratio"}
    assert wanted | {"train/steps_per_second"} <= set(summary)
    assert result["profiles"] == {"gradient_flow": profile}
    assert result["environment"]["backend"] == "scan" and result["environment"]["source"]
    assert straight.results["gru0"].summary == summary
    by_example = RunDirectory(straight.directory / "gru0").test_examples()
    assert {"loss", "accuracy"} <= {*by_example}
    for name, (errors, count) in by_example.items():
        assert len(errors) == len(count) == result["num_examples"]
        assert summary[f"test/{name}"] == pytest.approx(errors.sum() / count.sum(), rel=1e-12)


def test_a_resumed_run_equals_a_straight_one(straight, resumed):
    for name in ("rnn0", "rnn1", "rnn2"):
        assert_same_run(resumed[0].directory / name, straight.directory / name, TRIALS[name])


def test_trials_at_different_steps_share_their_programs(resumed):
    assert resumed[0].compilations == 3  # one trial starts; those at steps 2 and 4 take its slots


def test_finished_trials_are_skipped(resumed):
    first, second = resumed
    assert not any(result.skipped for result in first.results.values())
    assert all(result.skipped for result in second.results.values())
    assert second.compilations == 0
    assert first.reads.count("result.json") == 0 and second.reads.count("result.json") == len(second.results)
    assert [result.summary for result in second.results.values()] == [r.summary for r in first.results.values()]


def test_other_intervals_of_the_records_change_no_weights(straight, tmp_path):
    config = of(cell__name="rnn", training__log_every=3, training__eval_every=5)
    train_trials([("rnn0", config)], tmp_path)
    assert record_lines(tmp_path / "rnn0", "metrics") == [3, 5, 6, 8, 8]
    saved = sorted(path.name for path in (tmp_path / "rnn0" / "checkpoint").iterdir())
    assert saved == ["6", "8"]  # not 7, though a call ends there: half a record would be lost
    ours, theirs = final_state(tmp_path / "rnn0", config), final_state(straight.directory / "rnn0", config)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_crash_after_the_last_checkpoint_repeats_no_record(straight, tmp_path, monkeypatch):
    def crash(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"{JOURNAL}.finish", crash)
        with pytest.raises(KeyboardInterrupt):
            train_trials([("huge", TRIALS["huge"])], tmp_path)
    train_trials([("huge", TRIALS["huge"])], tmp_path)
    assert_same_run(tmp_path / "huge", straight.directory / "huge", TRIALS["huge"])


@pytest.fixture
def interrupted(straight, tmp_path) -> Path:
    """A run as a kill after its last checkpoint leaves it."""
    shutil.copytree(straight.directory / "rnn0", tmp_path / "rnn0")
    (tmp_path / "rnn0" / "result.json").unlink()
    return tmp_path / "rnn0"


def test_records_without_a_checkpoint_are_told_before_they_are_dropped(straight, interrupted, capsys):
    shutil.rmtree(interrupted / "checkpoint")
    train_trials([("rnn0", TRIALS["rnn0"])], interrupted.parent)
    assert "warning: rnn0: has records, but no checkpoint; starts anew at step 0\n" in capsys.readouterr().err
    assert_same_run(interrupted, straight.directory / "rnn0", TRIALS["rnn0"])


def test_a_run_that_resumes_with_other_code_says_so_then_and_ever_after(interrupted, monkeypatch, capsys):
    trials = [("rnn0", TRIALS["rnn0"])]
    own = devices.source_fingerprint(TRIALS["rnn0"])
    monkeypatch.setattr(devices, "source_fingerprint", lambda options: "other")
    train_trials(trials, interrupted.parent)
    assert "warning: rnn0: resumes with other code than it started with; --restart" in capsys.readouterr().err
    result = RunDirectory(interrupted).result()
    assert result and result["environment"]["source"] == f"{own}+other"
    (result,) = train_trials(trials, interrupted.parent)
    assert result.skipped and result.outdated == "by other code than today's"


def test_where_the_last_records_are_lost_the_checkpoint_before_them_is_taken(straight, interrupted, capsys):
    lines = (interrupted / "metrics.jsonl").read_text().splitlines(keepends=True)
    (interrupted / "metrics.jsonl").write_text("".join(lines[:-1]))
    train_trials([("rnn0", TRIALS["rnn0"])], interrupted.parent)
    assert "records are missing: metrics.jsonl" in capsys.readouterr().err
    assert_same_run(interrupted, straight.directory / "rnn0", TRIALS["rnn0"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("", r"records are missing: gradient_flow\.jsonl.*--restart"),
        ("[]\n", r"gradient_flow\.jsonl:1: not a record"),
    ],
)
def test_where_the_first_records_are_lost_nothing_is_trained_until_a_restart_is_asked_for(
    damage, message, straight, interrupted
):
    (interrupted / "gradient_flow.jsonl").write_text(damage)
    before = (interrupted / "metrics.jsonl").read_text()
    trials = [("rnn0", TRIALS["rnn0"])]
    with pytest.raises(UserError, match=message):
        train_trials(trials, interrupted.parent)
    assert (interrupted / "metrics.jsonl").read_text() == before
    train_trials(trials, interrupted.parent, restart=True)
    assert_same_run(interrupted, straight.directory / "rnn0", TRIALS["rnn0"])


def test_what_another_launcher_finishes_meanwhile_is_kept(straight, interrupted, monkeypatch):
    result, resolve = (straight.directory / "rnn0" / "result.json").read_text(), trainer.resolve

    def finish_and_resolve(*args):
        (interrupted / "result.json").write_text(result)
        return resolve(*args)

    monkeypatch.setattr(trainer, "resolve", finish_and_resolve)
    (outcome,) = train_trials([("rnn0", TRIALS["rnn0"])], interrupted.parent, restart=True)
    assert outcome.skipped and (interrupted / "result.json").read_text() == result


def test_a_finished_trial_is_trained_anew_where_that_is_asked_for(straight, tmp_path):
    shutil.copytree(straight.directory / "rnn0", tmp_path / "rnn0")
    (result,) = train_trials([("rnn0", TRIALS["rnn0"])], tmp_path, rerun=True)
    assert not result.skipped
    assert_same_run(tmp_path / "rnn0", straight.directory / "rnn0", TRIALS["rnn0"])


@pytest.mark.parametrize("name", ["huge", "ceiling"])
def test_a_diverged_trial_says_so_and_keeps_its_last_finite_state(name, straight):
    result = json.loads((straight.directory / name / "result.json").read_text())
    state = final_state(straight.directory / name, TRIALS[name])
    assert (straight.results[name].status, result["status"]) == ("diverged", "diverged")
    assert result["diverged_at"] == int(state.step) + 1 <= STEPS
    assert result["diverged_because"] in straight.results[name].divergence
    assert (result["loss_before"] or 0) <= TRIALS[name].training.divergence_loss  # None: the first update diverged
    assert not state.ok and all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))
    steps = record_lines(straight.directory / name, "metrics")
    assert steps == sorted(steps) and result["diverged_at"] in steps
    assert math.isfinite(result["summary"]["test/loss"])


def test_the_metrics_of_the_first_two_steps_are_what_they_were(straight):
    first = json.loads((straight.directory / "gru0" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] == 2
    found = {key: first[key] for key in GOLDEN}
    assert found == pytest.approx(GOLDEN, rel=1e-5), (
        "The first two steps of a tiny training give other numbers. If that is meant (another initialization, order of "
        f"random draws, loss or update rule), put these into GOLDEN and say so in the commit: {found}"
    )


def test_uploads_are_waited_for_once_all_trials_are_done(tmp_path, monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr(trainer, "_train_group", lambda trials, *_: calls.append(trials[0].name) or finished(trials))
    monkeypatch.setattr(uploads, "wait_for_uploads", lambda *_: calls.append("uploads"))
    train_trials([("gru0", of()), ("rnn0", of(cell__name="rnn"))], tmp_path)
    assert calls == ["gru0", "rnn0", "uploads"]


def test_two_trials_of_one_name_are_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="twin: 2 trials of this name"):
        train_trials([("twin", of(seed=0)), ("twin", of(seed=1))], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "config.json:1: not JSON"),
        ("result.json", "{", "result.json:1: not JSON"),
        ("result.json", '{"status": 3}', "result.json: must hold a status"),
        ("metrics.jsonl", '{"step": 1}\nnothing\n', "metrics.jsonl:2: not a record"),
        ("metrics.jsonl", '{"loss": 1}\n', "metrics.jsonl:1: not a record"),
        ("gradient_flow.jsonl", "[]\n", "gradient_flow.jsonl:1: not a record"),
    ],
)
def test_a_damaged_record_is_one_line_before_anything_is_trained(file, content, message, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_train_all", lambda trials, *_: finished(trials))
    trials = [("new", of(seed=1)), ("started", of())]
    train_trials(trials, tmp_path)  # creates the directories
    (tmp_path / "started" / file).write_text(content)
    with pytest.raises(UserError, match=message) as raised:
        train_trials(trials, tmp_path)
    assert "\n" not in str(raised.value)


def test_trouble_with_the_disk_is_one_line(tmp_path, monkeypatch):
    def full(*_) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "trial"))

    monkeypatch.setattr(trainer, "_train_all", full)
    with pytest.raises(UserError, match="trial: No space left on device; the same command resumes"):
        train_trials([("trial", of())], tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "out of memory: Unable to allocate"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GiB"), "out of memory: RESOURCE_EXHAUSTED"),
        (ValueError("RESOURCE_EXHAUSTED: Disk quota exceeded"), "cannot be written .*Disk quota.*; the same command"),
        (ValueError("NOT_FOUND: no folder"), "cannot be written .*no folder.*; the same command"),
    ],
)
def test_trouble_that_libraries_report_in_their_ways_is_one_line(error, message, tmp_path, monkeypatch):
    def fail(*_) -> None:
        raise error

    monkeypatch.setattr(trainer, "_train_all", fail)
    with pytest.raises(UserError, match=message):
        train_trials([("trial", of())], tmp_path)


def test_an_error_is_noted_in_the_run_directory_until_the_trial_is_trained_again(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "a")

    def train(outcome: BaseException | list[TrialResult]) -> None:
        monkeypatch.setattr(trainer, "_train_group", Mock(side_effect=[outcome]))
        train_trials([("a", TINY)], tmp_path)

    for error, line in ((ValueError("no gate\nmore"), "ValueError: no gate"), (UserError("gate=x: no"), "gate=x: no")):
        with pytest.raises(type(error)):
            train(error)
        assert run.failure() == line
    train([TrialResult.unfinished("a", run, "paused")])
    assert run.failure() == ""
    with pytest.raises(Stopped):  # by a signal: no error
        train(Stopped(15))
    assert run.failure() == ""


def test_other_trials_are_trained_where_one_fails(tmp_path, monkeypatch, capsys):
    def train(trials, *_):
        if trials[0].name == "a":
            raise ValueError("no gate")
        return [TrialResult.unfinished(trial.name, trial.run, "paused") for trial in trials]

    trained = Mock(side_effect=train)
    monkeypatch.setattr(trainer, "_train_group", trained)
    trials = [("a", of(cell__name="gru")), ("b", of(cell__name="lstm")), ("c", of(cell__name="rnn"))]
    with pytest.raises(ValueError, match="no gate"):
        train_trials(trials, tmp_path)
    assert [call.args[0][0].name for call in trained.call_args_list] == ["a", "b", "c"]
    assert "failed: a: no gate; other trials go on\n" in capsys.readouterr().err
    assert [RunDirectory(tmp_path / name).failure() for name in "abc"] == ["ValueError: no gate", "", ""]
    full = OSError(28, "No space left on device")
    trained.reset_mock(side_effect=True)
    trained.side_effect = full
    with pytest.raises(UserError, match="No space left"):
        train_trials(trials, tmp_path)
    assert trained.call_count == 1


def test_a_file_in_the_place_of_the_sweep_is_one_line(tmp_path):
    (tmp_path / "sweep").write_text("")
    with pytest.raises(UserError, match="trial: cannot be a run directory: Not a directory"):
        train_trials([("trial", of())], tmp_path / "sweep")


@pytest.mark.parametrize(
    ("options", "stops"),
    [
        ({"steps": 10, "log_every": 4}, [4, 8, 10]),
        ({"steps": 10, "log_every": 4, "eval_every": 3}, [3, 4, 6, 8, 9, 10]),
        ({"steps": 10, "log_every": 50, "flow": 6}, [6, 9, 10]),
        ({"steps": 1, "log_every": 50, "flow": 6}, [1]),
        ({"steps": 10, "log_every": 4, "max_seconds": 1.0}, [4, 8, 10]),
        (
            {"steps": 10, "log_every": 4, "max_seconds": 1.0, "flow": 6},
            [3, 4, 6, 7, 8, 9, 10],
        ),  # each record may be the last
        ({"steps": 3, "log_every": 1, "max_seconds": 1.0, "flow": 6}, [1, 2, 3]),
    ],
)
def test_calls_end_where_something_is_due_and_resumed_at_the_same_steps(options, stops):
    flow = options.pop("flow", 0)
    config = of(**{f"training__{key}": value for key, value in options.items()}, probes__gradient_flow__every=flow)
    assert list(loop._stops(config, 0)) == stops
    assert list(loop._stops(config, stops[0])) == stops[1:]
    assert not stops[1:] or list(loop._stops(config, stops[1])) == stops[2:]


def test_a_budget_of_weights_trains_the_model_of_that_width(straight, tmp_path):
    config = of(cell__name="rnn", model__parameter_budget=33)
    train_trials([("trial", config)], tmp_path)
    assert_same_run(tmp_path / "trial", straight.directory / "rnn0", config)
    result = RunDirectory(tmp_path / "trial").result()
    assert result is not None and (result["hidden_size"], result["parameters"]) == (4, 33)
    assert result["summary"]["model/parameters"] == 33
    options = RunDirectory(tmp_path / "trial").options()
    assert (options["model.parameter_budget"], options["model.hidden_size"]) == (33, Config().model.hidden_size)


def test_a_budget_that_no_width_meets_is_one_line_before_any_trial_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_train_group", lambda *_: pytest.fail("trained"))
    sweep = [("good", of(cell__name="rnn", model__parameter_budget=33))]
    sweep.append(("bad", of(cell__name="rnn", model__parameter_budget=40, training__max_seconds=60.0)))
    with pytest.raises(UserError, match=r"^model\.parameter_budget=40: must be .* 46 weights with 5") as raised:
        train_trials(sweep, tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"decoding__min_length": 999}, "decoding.min_length=999: must be less than decoding.max_length="),
        ({"model__parameter_budget": 40}, "model.parameter_budget=40: must be within 5%"),
    ],
)
def test_a_trial_that_cannot_be_trained_is_refused_before_others_are_and_leaves_nothing_nor_removes_what_others_make(
    changes, line, tmp_path, monkeypatch
):
    sound = of(task__name="reverse", probes__gradient_flow__every=0)
    started = RunDirectory.create(tmp_path / "started", sound)
    started.append("metrics", {"step": 2})
    RunDirectory.create(tmp_path / "waiting", of(sound, seed=2))  # perhaps for another process
    trials = [("started", sound), ("new", of(sound, seed=1)), ("waiting", of(sound, seed=2))]
    trials.append(("impossible", of(sound, **changes)))
    resolve = trainer.Trial.resolve

    def resolve_late(name: str, *rest) -> Trial:
        RunDirectory.create(tmp_path / "new", of(sound, seed=1))  # by another launcher of the same trials
        return resolve(name, *rest)

    monkeypatch.setattr(trainer.Trial, "resolve", resolve_late)
    with counting_compilations() as seconds, pytest.raises(UserError) as refused:
        train_trials(trials, tmp_path)
    assert str(refused.value).startswith(line)
    assert not seconds and {path.name for path in tmp_path.iterdir()} == {"started", "waiting", "new"}
    assert (tmp_path / "new" / "config.json").exists()


def test_a_split_that_cannot_be_used_is_refused_before_anything_is_compiled_and_leaves_nothing(tmp_path):
    for split, label in (("train", "a"), ("validation", "a"), ("test", "b")):
        (tmp_path / f"{split}.tsv").write_text(f"text\tlabel\nx\t{label}\n" + "y\ta\n" * (split == "train"))
    config = of(
        task__name="dataset", task__source=str(tmp_path), task__target__name="label", probes__gradient_flow__every=0
    )
    with counting_compilations() as seconds, pytest.raises(UserError, match=r"test.tsv:2: column label is 'b', which"):
        train_trials([("trial", config)], tmp_path / "runs")
    assert not seconds and not (tmp_path / "runs").exists()


def test_online_without_a_login_is_refused_before_anything_is_read_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "logged_in", lambda: False)
    config = of(wandb__mode="online")
    with pytest.raises(UserError, match="^wandb.mode=online: not logged in; run `wandb login`"):
        train_trials([("trial", config)], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(cudnn.obstacle() is None, reason="needs a machine without an NVIDIA GPU")
def test_cudnn_where_there_is_none_is_refused_before_anything_is_compiled(tmp_path):
    config = of(cell__name="lstm", model__backend="cudnn", probes__gradient_flow__every=0)
    with counting_compilations() as seconds, pytest.raises(UserError, match=r"model\.backend=cudnn.* NVIDIA GPU"):
        train_trials([("trial", config)], tmp_path)
    assert not seconds
