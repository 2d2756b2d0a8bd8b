"""A sweep in rounds and bands, with trials that are simulated: what is trained, stopped, and decided again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from research.config import experiment as experiments
from research.errors import UserError
from research.sweep import metric_names, runner, spec
from research.sweep.executors import Executor, Work
from research.sweep.runner import Runner
from research.sweep.spec import Sweep
from research.tracking.run_directory import METRICS, RunDirectory
from research.training.trial import TrialResult
from tests.sweep.conftest import content

EVERY, STEPS = 10, 90
FIXED = {"setting": {"value": "adding_50"}, "training.steps": {"value": STEPS}, "training.eval_every": {"value": EVERY}}
LOG = {"training.log_every": {"value": EVERY}}
LOSS = {"name": "validation/loss", "goal": "minimize"}


def final_loss(config: Any) -> float:
    return abs(math.log10(config.optimizer.learning_rate) + 2) + config.seed / 100


@dataclass(frozen=True)
class Simulated(Executor):
    """Writes the records that training would write; the loss of a trial falls to its `final_loss`."""

    updates: list[int] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    loss: Callable[[Any], float] = final_loss

    def train(self, work: Work) -> list[TrialResult]:
        return [self.train_one(*trial, work.directory, work.pause, work.enough) for trial in work.trials]

    def train_one(self, name: str, config: Any, directory: Path, pause: Any, enough: Any) -> TrialResult:
        run = RunDirectory.create(directory / name, config)
        if result := TrialResult.read(name, run, config):
            return result
        if name in self.busy:
            self.busy.remove(name)
            return TrialResult.unfinished(name, run, "busy")
        if enough():
            return TrialResult.unfinished(name, run, "waiting")
        records = run.records(METRICS)
        step, end = records[-1]["step"] if records else 0, pause.get(name, config.training.steps)
        for done in range(step + EVERY, end + 1, EVERY):
            run.append(METRICS, {"step": done, "validation/loss": self.loss(config) + 1 - done / STEPS})
        self.updates.append(max(0, end - step))
        if name in pause:
            return TrialResult.unfinished(name, run, "paused")
        result = {"status": "finished", "summary": {"test/loss": 0.5}, "environment": {}}
        run.finish(result)
        return TrialResult.of(name, run, result)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0)
    for name in ("wandb_run", "finish_wandb"):
        monkeypatch.setattr(f"research.training.ending.{name}", lambda *_: None)


def grid(rates: Sequence[float] = (0.0001, 0.001, 0.01), seeds: int = 3, **changes: Any) -> dict[str, Any]:
    values = {"optimizer.learning_rate": {"values": list(rates)}, "seed": {"values": list(range(seeds))}}
    return content({**FIXED, **LOG, **values}, metric=LOSS, **changes)


HYPERBAND = {"type": "hyperband", "min_iter": 1, "eta": 3}


def run_of(sweep: Sweep, directory: Path, **options: Any) -> tuple[Runner, list[TrialResult]]:
    options = {"executor": Simulated(), **options}
    made = Runner(sweep, directory, **options)
    return made, made.run()


def test_the_best_trial_of_a_grid_is_found_with_half_of_the_updates(read, tmp_path):
    said: list[str] = []
    made, results = run_of(read(grid(early_terminate=HYPERBAND)), tmp_path, say=said.append)
    status = [result.status for result in results]
    assert status.count("finished") == 2 and status.count("stopped") == 7
    assert status[6] == "finished"  # learning rate 0.01, seed 0: the best at the end
    assert isinstance(made.executor, Simulated) and sum(made.executor.updates) < 0.5 * 9 * STEPS
    assert said == [
        "band at 1 record: 5 of 9 trials stop, by validation/loss",
        "band at 3 records: 2 of 4 trials stop, by validation/loss",
    ]
    assert results[0].remark == "stopped early at step 10; its validation/loss was 2.889, the threshold 1.889"
    saved = RunDirectory(results[0].path).result()
    assert saved and saved["stopped_early"]["band"] == 1
    assert saved["summary"]["validation/loss"] == pytest.approx(26 / 9)


def test_the_same_command_decides_the_same_and_trains_nothing_twice(read, tmp_path):
    sweep = read(grid(early_terminate=HYPERBAND))
    straight = [(result.name, result.status) for result in run_of(sweep, tmp_path / "straight")[1]]

    class Killed(Simulated):
        def train_one(self, name: str, config: Any, directory: Path, pause: Any, enough: Any) -> TrialResult:
            if len(self.updates) == kill_at:
                raise KeyboardInterrupt
            return super().train_one(name, config, directory, pause, enough)

    for kill_at in (0, 3, 9, 10, 14):
        executor, folder = Killed(), tmp_path / str(kill_at)
        with pytest.raises(KeyboardInterrupt):
            run_of(sweep, folder, executor=executor)
        again = Simulated()
        results = run_of(sweep, folder, executor=again)[1]
        assert [(result.name, result.status) for result in results] == straight
        assert sum(executor.updates) + sum(again.updates) == 9 * 10 + 4 * 20 + 2 * 60


def test_more_of_a_metric_can_be_better(read, tmp_path):
    sweep = read(grid(early_terminate=HYPERBAND) | {"metric": {**LOSS, "goal": "maximize"}})
    _, results = run_of(sweep, tmp_path)
    assert [result.status for result in results[:3]] == ["stopped", "finished", "finished"]
    assert {result.status for result in results[3:]} == {"stopped"}
    assert "its validation/loss was 2.889, the threshold 2.899" in results[0].remark or results[0].remark


def test_what_other_processes_train_is_waited_for(read, tmp_path):
    sweep, said = read(grid(seeds=1)), list[str]()
    executor = Simulated(busy={sweep.trials[1].name})
    results = run_of(sweep, tmp_path, executor=executor, say=said.append)[1]
    assert [result.status for result in results] == ["finished"] * 3
    assert said == ["waiting for 1 trials that other processes train"]


def test_no_trial_starts_once_the_target_is_met(read, tmp_path):
    sweep = read(grid(rates=(0.01, 0.001), seeds=2) | {"metric": {**LOSS, "target": 0.5}})
    results = run_of(sweep, tmp_path)[1]
    assert [result.name for result in results] == [sweep.trials[0].name]


def test_what_has_started_when_the_target_is_met_still_ends(read, tmp_path):
    sweep = read(grid(rates=(0.01, 0.001), seeds=2, early_terminate=HYPERBAND) | {"metric": {**LOSS, "target": 0.9}})

    class Killed(Simulated):
        def train_one(self, name: str, config: Any, directory: Path, pause: Any, enough: Any) -> TrialResult:
            result = super().train_one(name, config, directory, pause, enough)
            if len(self.updates) == 1:
                raise KeyboardInterrupt
            return result

    with pytest.raises(KeyboardInterrupt):
        run_of(sweep, tmp_path, executor=Killed())
    said: list[str] = []
    results = run_of(sweep, tmp_path, say=said.append)[1]
    assert [(result.name, result.status) for result in results] == [(sweep.trials[0].name, "finished")]
    assert said == ["target met: a trial has validation/loss of 0.9 or better; 3 trials do not start"]
    assert [result.name for result in run_of(sweep, tmp_path)[1]] == [result.name for result in results]


def test_trials_that_end_before_a_band_are_never_compared_there(read, tmp_path):
    """Whether they have ended when the others are compared depends on what was killed before."""
    text = grid(seeds=2, early_terminate={**HYPERBAND, "min_iter": 3}, method="random", run_cap=12)
    text["parameters"]["training.steps"] = {"values": [30, 300]}
    sweep = read(text)

    def ends() -> list[tuple[str, str]]:
        executor = Simulated(loss=lambda config: final_loss(config) - 5 * (config.training.steps == 30))
        return [(result.name, result.status) for result in run_of(sweep, tmp_path, executor=executor)[1]]

    first = ends()
    assert {status for _, status in first} == {"finished", "stopped"}
    for run in (RunDirectory(path.parent) for path in tmp_path.glob("*/result.json")):
        if run.options()["training.steps"] == 300:
            run.result_file.unlink()  # as if it was killed before; the short ones have ended now
    assert ends() == first


def bayes(run_cap: int = 30, **changes: Any) -> dict[str, Any]:
    rate = {"distribution": "log_uniform_values", "min": 1e-6, "max": 1.0}
    values = {"optimizer.learning_rate": rate, "cell.name": {"values": ["gru", "lstm"]}}
    return content({**FIXED, **LOG, **values}, method="bayes", run_cap=run_cap, metric=LOSS, **changes)


def chosen(made: Runner) -> list[tuple[str, float]]:
    return [(config.cell.name, config.optimizer.learning_rate) for _, config in made._trials]


def test_bayes_learns_from_the_trials_before_and_repeats_none(read, tmp_path):
    made, results = run_of(read(bayes()), tmp_path)
    assert len({result.name for result in results}) == 30
    found = [final_loss(config) for _, config in made._trials]
    assert sum(found[20:]) < 0.5 * sum(found[:10])


def test_bayes_chooses_the_same_after_a_stop_and_goes_on_with_a_greater_cap(read, tmp_path):
    first, _ = run_of(read(bayes(run_cap=16)), tmp_path)
    again = Simulated()
    more, results = run_of(read(bayes(run_cap=20)), tmp_path, executor=again)
    assert chosen(more)[:16] == chosen(first) and len(results) == 20
    assert sum(again.updates) == 4 * STEPS
    other, _ = run_of(read(bayes(run_cap=20)), tmp_path / "other", executor=Simulated(loss=lambda config: config.seed))
    assert chosen(other)[:10] == chosen(more)[:10] and chosen(other) != chosen(more)


def test_bayes_takes_a_diverged_trial_for_the_worst_whatever_it_has_recorded(read, tmp_path):
    class Diverging(Simulated):
        def train_one(self, name: str, config: Any, directory: Path, pause: Any, enough: Any) -> TrialResult:
            result = super().train_one(name, config, directory, pause, enough)
            return replace(result, status="diverged") if config.cell.name == "gru" else result

    def loss(config: Any) -> float:
        return final_loss(config) if config.cell.name == "lstm" else -10.0

    made, _ = run_of(read(bayes()), tmp_path, executor=Diverging(loss=loss))
    assert [cell for cell, _ in chosen(made)][10:].count("lstm") > 15


def test_bayes_takes_a_trial_without_a_value_for_the_worst(read, tmp_path):
    def loss(config: Any) -> float:
        return math.nan if config.cell.name == "gru" else final_loss(config)

    made, _ = run_of(read(bayes()), tmp_path, executor=Simulated(loss=loss))
    cells = [cell for cell, _ in chosen(made)]
    assert cells[10:].count("lstm") > 15


def test_bayes_stops_when_all_trials_there_are_have_trained(read, tmp_path):
    few = content({**FIXED, "cell.name": {"values": ["gru", "lstm"]}}, method="bayes", run_cap=9, metric=LOSS)
    assert len(run_of(read(few), tmp_path)[1]) == 2


def test_bayes_stops_bad_trials_early_too(read, tmp_path):
    results = run_of(read(bayes(early_terminate=HYPERBAND)), tmp_path)[1]
    assert len(results) == 30 and sum(result.status == "stopped" for result in results) > 15


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"metric": {"name": "test/loss"}, "early_terminate": HYPERBAND},
            r"some.yaml:\d+: metric.name=test/loss: must be a metric of validation/, train/ or gradient/: test data",
        ),
        ({"metric": {"name": "validation/los"}, "early_terminate": HYPERBAND}, "did you mean validation/loss?"),
        (
            {"early_terminate": HYPERBAND, "parameters": {"setting": {"value": "adding_50"}}},
            "early_terminate: validation/loss is recorded at the end alone",
        ),
        (
            {"early_terminate": {**HYPERBAND, "min_iter": 9}},
            "the first band is at update 90 of 90; trials can pause every training.log_every=10 updates; lower it",
        ),
    ],
)
def test_a_metric_that_cannot_decide_is_one_line(read, tmp_path, changes, line):
    with pytest.raises(UserError, match=line):
        run_of(read(grid() | changes), tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("validation/los", "some.yaml:.*: metric.name=validation/los: did you mean validation/loss?"),
        ("validation/acuracy", "did you mean validation/accuracy?"),
        ("train/lerning_rate", "did you mean train/learning_rate?"),
        ("gradient/initial/half_life", ""),
        ("validation/accuracy", ""),
        ("validation/baseline/mean/loss", ""),
        ("train/absolute_error", ""),
    ],
)
@pytest.mark.parametrize("method", ["grid", "bayes"])
def test_a_misspelled_metric_is_refused_before_anything_trains(read, tmp_path, name, line, method):
    file = bayes() if method == "bayes" else grid()
    runner = Runner(read(file | {"metric": {"name": name}}), tmp_path, Simulated())
    if line:
        with pytest.raises(UserError, match=line):
            runner.check()
    else:
        runner.check()


TUNED = """
from research.config import Experiment, unflatten
EXPERIMENT = Experiment(
    claim="c",
    base=unflatten({"training.steps": 90, "training.log_every": 10, "training.eval_every": 10}),
    variants={"gru": {"cell.name": "gru"}, "lstm": {"cell.name": "lstm"}},
    tune={"optimizer.learning_rate": [0.0001, 0.01, 0.1], "init.gain": [0.5, 1.0]},
)
"""


def tuned(folder: Path, **changes: Any) -> dict[str, Any]:
    (folder / "mine.py").write_text(TUNED)
    values = {"variant": {"values": ["gru", "lstm"]}, "seed": {"values": [0, 1, 1000]}}
    return content(values, metric=LOSS, command=..., program="mine.py", **changes)


def test_options_are_tuned_for_each_variant_before_the_seeds_train(read, tmp_path):
    def loss(config: Any) -> float:
        best = 0.01 if config.cell.name == "gru" else 0.1
        early = 90 * (config.optimizer.learning_rate == 0.0001)  # best at first, and worse at the end
        return abs(config.optimizer.learning_rate - best) + abs(config.init.gain - 0.5) + early

    said: list[str] = []
    sweep, folder = read(tuned(tmp_path)), tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    made, results = run_of(sweep, folder, executor=Simulated(loss=loss), say=said.append)
    assert len(results) == 6 and {result.path.parent for result in results} == {folder}
    found = [(c.variant, c.seed, c.optimizer.learning_rate, c.init.gain) for _, c in made._trials]
    assert found == [(v, s, rate, 0.5) for v, rate in (("gru", 0.01), ("lstm", 0.1)) for s in (0, 1, 1000)]
    deciding = [path.name for path in (tmp_path / "runs" / "mine-tuning").iterdir()]
    assert len(deciding) == 2 * 3 * 2 and all("-seed1001-" in name for name in deciding)
    assert said == [f"optimizer.learning_rate, init.gain: chosen for each variant by 12 trials in {folder}-tuning"]
    again = Simulated(loss=loss)
    assert [result.name for result in run_of(sweep, folder, executor=again)[1]] == [result.name for result in results]
    assert not again.updates


def test_a_sweep_that_varies_an_option_does_not_tune_it(read, tmp_path):
    text = tuned(tmp_path)
    text["parameters"]["optimizer.learning_rate"] = {"value": 0.5}
    made, results = run_of(read(text), tmp_path / "runs")
    assert len(results) == 6 and {config.optimizer.learning_rate for _, config in made._trials} == {0.5}


def test_bayes_does_not_tune_what_the_experiment_declares(read, tmp_path):
    text = tuned(tmp_path) | {"method": "bayes", "run_cap": 3}
    line = "method: must be grid or random, as the experiment tunes optimizer.learning_rate, init.gain; or set them in"
    with pytest.raises(UserError, match=line):
        run_of(read(text), tmp_path)


def test_a_sweep_without_a_metric_cannot_tune(read, tmp_path):
    with pytest.raises(UserError, match="metric: must be set, as the experiment tunes optimizer.learning_rate, init.g"):
        run_of(read({key: value for key, value in tuned(tmp_path).items() if key != "metric"}), tmp_path)


def test_a_trial_with_a_time_limit_has_no_peers_in_its_program(read, tmp_path):
    """It trains alone, so that its batches are split over all devices."""
    text = grid(rates=(0.01,), seeds=3)
    for limit, peers in ((0, {3}), (9.0, {1})):
        text["parameters"] |= {"training.max_seconds": {"value": limit}, "schedule.name": {"value": "constant"}}
        made, _ = run_of(read(text), tmp_path / str(limit))
        assert {*made._peers.values()} == peers


def test_the_usual_metrics_are_known_without_the_data(tmp_path, monkeypatch):
    monkeypatch.setattr(metric_names, "_evaluated", lambda config: pytest.fail("reads data"))
    monkeypatch.chdir(experiments.ROOT)
    for path in (*Path("sweeps").glob("stock_*.yaml"), Path("sweeps/speech_digits.yaml")):
        Runner(spec.read(path, limit=1), tmp_path, Simulated())._check_name()
