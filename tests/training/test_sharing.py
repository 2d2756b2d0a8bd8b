"""Trials of a sweep in several calls: they pause and continue, share programs, and leave trials to other processes."""

import json
import shutil

import pytest

from research.reporting import load
from research.tracking.progress import ProgressBar
from research.tracking.run_directory import METRICS, RunDirectory
from research.training import ending, trainer
from research.training.ending import stop_early
from research.training.pack import Sharing
from research.training.signals import Signals
from research.training.trainer import train_trials
from research.training.trial import Trial
from tests.training.trials import TRIALS, assert_same_run, counting_compilations, of, record_lines

RNNS = {name: TRIALS[name] for name in ("rnn0", "rnn1", "rnn2", "huge")}
TRIALS_OF = list(RNNS.items())


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    directory = tmp_path_factory.mktemp("straight")
    with counting_compilations() as compilations:
        train_trials(TRIALS_OF, directory)
    assert len(compilations) == 3  # to initialize, to train and to predict
    return directory


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    """All pause at step 4; one is stopped there; the others continue in the slots of the same pack."""
    directory, sharing = tmp_path_factory.mktemp("paused"), Sharing(pause=dict.fromkeys(RNNS, 4))
    first = train_trials(TRIALS_OF, directory, sharing=sharing)
    again = train_trials(TRIALS_OF, directory, sharing=sharing)
    state = {path.parent.name: sorted(p.name for p in path.iterdir()) for path in directory.glob("*/checkpoint")}
    reason = {"step": 4, "metric": "train/loss", "value": 2.0, "threshold": 1.5}
    stopped = stop_early("rnn1", RNNS["rnn1"], RunDirectory(directory / "rnn1"), reason)
    with counting_compilations() as compilations:
        last = train_trials(TRIALS_OF, directory, sharing=Sharing(sharing.packs))
    return directory, first, again, state, stopped, last, len(compilations)


def test_paused_trials_stand_at_their_step_and_train_no_more(paused):
    _, first, again, state, *_ = paused
    assert [result.status for result in first] == [result.status for result in again] == ["paused"] * 4
    assert state == {key: ["2", "4"] for key in RNNS}


def test_those_that_continue_give_the_bits_of_a_straight_run_without_a_compilation(straight, paused):
    directory, *_, last, compilations = paused
    assert [result.status for result in last] == ["finished", "stopped", "finished", "diverged"]
    for name in ("rnn0", "rnn2", "huge"):
        assert_same_run(directory / name, straight / name, RNNS[name])
    assert compilations == 1  # of predictions, which a paused trial has not made


def test_a_stopped_trial_has_a_result_without_scores_on_test_data(paused):
    directory, _, _, _, stopped, last, _ = paused
    assert stopped.status == last[1].status == "stopped" and last[1].skipped
    assert stopped.remark == "stopped early at step 4; its train/loss was 2, the threshold 1.5"
    summary = json.loads((directory / "rnn1/result.json").read_text())["summary"]
    assert "train/loss" in summary and not any(key.startswith("test/") for key in summary)
    assert record_lines(directory / "rnn1", METRICS) == [2, 4]
    runs = load(directory).set_index("seed", drop=False)
    assert runs["status"].tolist().count("stopped") == 1


def test_a_trial_that_stops_is_sent_to_w_and_b_before_it_has_a_result(paused, tmp_path, monkeypatch):
    """Interrupted between the two, the same command stops it again; a trial with a result is not sent again."""
    run, sent = RunDirectory(tmp_path / "rnn0"), []
    shutil.copytree(paused[0] / "rnn0", run.path)
    run.result_file.unlink()
    monkeypatch.setattr(ending, "finish_wandb", lambda *_: sent.append(run.result_file.exists()))
    stop_early("rnn0", RNNS["rnn0"], run, {"step": 4, "metric": "train/loss", "value": 2.0, "threshold": 1.5})
    assert sent == [False] and run.result_file.exists()


def test_packs_of_a_few_trials_share_a_program_and_give_the_same_bits(straight, tmp_path):
    with counting_compilations() as compilations:
        train_trials(TRIALS_OF, tmp_path, sharing=Sharing(pack_size=2))
    assert len(compilations) == 3
    for name in RNNS:
        assert_same_run(tmp_path / name, straight / name, RNNS[name])


def test_trials_of_another_process_are_left_to_it(tmp_path, monkeypatch):
    trials = [("a", of()), ("b", of(seed=1)), ("c", of(seed=2))]
    trained = []
    monkeypatch.setattr(trainer, "_train_group", lambda group, *_: trained.extend(trial.name for trial in group) or [])
    for name, config in trials:
        RunDirectory.create(tmp_path / name, config)
    with RunDirectory(tmp_path / "b").claimed():
        (found,) = train_trials([trials[1]], tmp_path, sharing=Sharing(leave_busy=True))
        assert (found.name, found.status) == ("b", "busy")
    real = trainer._claim

    def claim(group, claims, sharing):
        with RunDirectory(tmp_path / "c").claimed():  # another process is faster
            return real(group, claims, sharing)

    monkeypatch.setattr(trainer, "_claim", claim)
    with pytest.raises(KeyError):  # the trials that nobody trains here have no result
        train_trials(trials, tmp_path, sharing=Sharing(leave_busy=True))
    assert trained == ["a", "b"]


def test_no_pack_is_started_once_there_is_enough(tmp_path):
    results = train_trials(TRIALS_OF, tmp_path, sharing=Sharing(pack_size=2, enough=lambda: True))
    assert [result.status for result in results] == ["waiting"] * 4
    assert not list(tmp_path.glob("*/metrics.jsonl"))


def test_the_bar_tells_which_pack_trains_and_how_the_sweep_stands(tmp_path, monkeypatch):
    parts: list[tuple[str, ...]] = []
    monkeypatch.setattr(ProgressBar, "part", lambda _, *texts: parts.append(texts))
    monkeypatch.setattr(trainer, "_train_group", lambda *_: [])
    trials = [
        Trial.resolve(name, config, RunDirectory.create(tmp_path / name, config)) for name, config in TRIALS_OF[:2]
    ]
    for standing in ("3 of 8 done", ""):
        trainer._train_all(trials, Sharing(standing=lambda text=standing: text), Signals(), ProgressBar(shown=False))
    told, nothing = parts[0], parts[2]
    assert told == ("1/1 · ", f"{nothing[1]} · 3 of 8 done") and nothing[1].startswith(" · 2 × rnn on ")
