"""The trials of a claim: a sweep file that can be read, what is finished, and what tuning chose."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from research.config import claim
from research.sweep import claims, spec
from research.sweep.tuning import tuning_of
from research.tracking.run_directory import METRICS, RunDirectory
from tests.config.test_claim import WITH_TRIALS

FINISHED = {"status": "finished", "summary": {"test/loss": 0.5}}


@pytest.mark.parametrize("name", WITH_TRIALS)
def test_the_sweep_file_of_a_claim_has_a_trial_for_each_seed_of_each_row(name, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(claims.sweep_file(name))
    sweep, declared = spec.read(path), claim.load(name)
    assert sweep.name == name
    assert len({trial.name for trial in sweep.trials}) == declared.seeds * len([*declared.rows()])
    assert {config.experiment for _, config in sweep.trials} == {f"claims/{name}"}
    assert bool(tuning_of(sweep)) == bool(declared.tune)


def finished(name: str, runs_dir: Path) -> Iterator[str]:
    return (trial.name for trial, run in claims.find(name, runs_dir) if run)


def test_trials_are_found_once_they_are_finished(tmp_path):
    (first, _), (second, _), *_ = claims.find("critical_gain", tmp_path)
    folder = tmp_path / "claims" / "critical_gain"
    RunDirectory.create(folder / first.name, first.config).finish(FINISHED)
    RunDirectory.create(folder / second.name, second.config)
    assert [*finished("critical_gain", tmp_path)] == [first.name]


def test_a_run_with_other_options_than_the_claim_has_now_does_not_count(tmp_path):
    (first, _), *_ = claims.find("critical_gain", tmp_path)
    run = RunDirectory.create(tmp_path / "claims" / "critical_gain" / first.name, first.config)
    run.finish(FINISHED)
    run.config_file.write_text(run.config_file.read_text().replace('"training.steps": 10', '"training.steps": 11'))
    assert not [*finished("critical_gain", tmp_path)]


def test_a_claim_that_shares_trials_reads_those(tmp_path):
    (first, _), *_ = claims.find("mingru_depth", tmp_path)
    RunDirectory.create(tmp_path / "claims" / "mingru_depth" / first.name, first.config).finish(FINISHED)
    assert [*finished("selective_copying", tmp_path)] == [first.name]


def test_trials_have_the_options_that_validation_data_chose(tmp_path):
    trials = [trial for trial, _ in claims.find("dyck", tmp_path)]
    path = tmp_path / "sweep.yaml"
    path.write_text(claims.sweep_file("dyck"))
    tuning = tuning_of(spec.read(path))
    assert tuning
    for trial in tuning.trials().trials:
        assert not [*finished("dyck", tmp_path)]
        run = RunDirectory.create(tmp_path / "claims" / "dyck-tuning" / trial.name, trial.config)
        rate = trial.config.optimizer.learning_rate
        run.append(METRICS, {"step": 1, "validation/loss": rate if trial.config.model.hidden_size == 1 else -rate})
        run.finish(FINISHED)
    chosen = [trial for trial, _ in claims.find("dyck", tmp_path)]
    assert {trial.config.optimizer.learning_rate for trial in chosen if trial.config.model.hidden_size == 1} == {0.01}
    assert {trial.config.optimizer.learning_rate for trial in chosen if trial.config.model.hidden_size == 8} == {0.03}
    assert len(chosen) == len(trials)
    RunDirectory.create(tmp_path / "claims" / "dyck" / chosen[0].name, chosen[0].config).finish(FINISHED)
    assert [*finished("dyck", tmp_path)] == [chosen[0].name]
