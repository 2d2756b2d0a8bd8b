"""A sweep file means the same here as for W&B's agent."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps import utils as agent

from research.config import experiment
from research.config.flags import read_flags
from research.config.naming import name_trial
from research.errors import UserError
from research.sweep import command, spec
from research.sweep.objective import Metric
from research.sweep.spec import Sweep
from tests.sweep.conftest import COMMAND, content

SWEEPS = [path for path in sorted((experiment.ROOT / "sweeps").glob("*.yaml")) if path.stem in experiment.names()]
"""Of the experiments of this repository; a user's own need neither `command` nor `metric`."""


def seeds(sweep: Sweep) -> list[int]:
    return [trial.config.seed for trial in sweep.trials]


@functools.cache
def shipped(path: Path) -> Sweep:
    return spec.read(path)


def agents_flags(path: Path) -> list[list[str]]:
    """Return what `wandb agent` hands to `train`: by W&B's own reading of the file, its own flags and command line."""
    loaded = agent.load_sweep_config(str(path))
    assert loaded
    grid: list[dict[str, Any]] = [{}]
    for key, entry in loaded["parameters"].items():
        values = entry["values"] if "values" in entry else [entry["value"]]
        grid = [{**point, key: {"value": value}} for point in grid for value in values]
    commands = []
    for point in grid:
        macros = agent.create_sweep_command_args({"args": point})
        macros |= {"env": ["/usr/bin/env"], "interpreter": ["python"]}
        words: list[str] = []
        for word in agent.create_sweep_command(list(loaded["command"])):
            words += macros[word[2:-1]] if word.startswith("${") else [str(word)]
        assert words[:5] == ["/usr/bin/env", "python", "-m", "research", "train"]
        commands.append(words[5:])
    return commands


@pytest.mark.filterwarnings("ignore:Exception ignored in.*yaml:pytest.PytestUnraisableExceptionWarning")  # W&B's file
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_agent_starts_the_same_trials_in_the_same_folders(path):
    sweep = shipped(path)
    commands = agents_flags(path)
    assert len(commands) == len(sweep.trials)
    some = slice(None, None, 5)  # shares no factor with the counts of the values, so that all values are met
    project = yaml.safe_load(path.read_text()).get("project")  # agents get it from W&B
    added = [f"--wandb.project={project}"] if project else []
    expected = [name_trial(name, read_flags([*added, *flags])) for name, *flags in commands[some]]
    assert list(sweep.trials[some]) == expected
    assert {trial.config.experiment for trial in sweep.trials} <= set(experiment.names())


@pytest.mark.filterwarnings("ignore:Exception ignored in.*yaml:pytest.PytestUnraisableExceptionWarning")  # W&B's file
def test_the_agent_starts_the_same_trials_for_every_kind_of_value(tmp_path):
    kinds = {
        "variant": {"value": "rnn gain 0.9"},
        "task.permuted": {"values": [True, False]},
        "optimizer.learning_rate": {"values": [1e-05, 0.1, 1]},
        "init.forget_bias": {"values": [-1.0, -1e-07]},
        "optimizer.clip_norm": {"value": float("inf")},
    }
    path = tmp_path / "kinds.yaml"
    path.write_text(yaml.safe_dump(content(kinds, command=[*COMMAND, "--model.hidden_size=8", "--seed", "3"])))
    sweep = spec.read(path)
    assert list(sweep.trials) == [name_trial(name, read_flags(flags)) for name, *flags in agents_flags(path)]
    assert len({trial.config for trial in sweep.trials}) == 12
    assert {(trial.config.model.hidden_size, trial.config.seed) for trial in sweep.trials} == {(8, 3)}


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"program": "research/__main__.py"}, "attention"),
        (
            {"program": "research/__main__.py", "command": ["${interpreter}", "${program}", "train", "${args}"]},
            "attention",
        ),
        ({"command": ["research", "train", "${args}"]}, "attention"),
        ({"program": "experiments/attention.py"}, ""),
        ({"program": "mine.py"}, ""),  # next to the sweep file
        ({"program": "research/__main__.py", "parameters": {"experiment": {"value": "attention"}}}, ""),
    ],
)
def test_the_experiment_is_named_by_the_program_a_parameter_or_the_caller(tmp_path, monkeypatch, changes, flag):
    monkeypatch.chdir(experiment.ROOT)
    text = (experiment.ROOT / "experiments/attention.py").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    path = tmp_path / "some.yaml"
    path.write_text(yaml.safe_dump(content(command=...) | changes))
    expected = str(tmp_path / "mine.py") if changes.get("program") == "mine.py" else "attention"
    assert {trial.config.experiment for trial in spec.read(path, flag).trials} == {expected}


def test_the_copy_next_to_the_runs_is_the_file_of_the_last_sweep(tmp_path):
    file, copy = tmp_path / "some.yaml", tmp_path / "runs" / "sweep.yaml"
    copy.parent.mkdir()
    times = []
    for text in ("a: 1", "a: 1", "a: 2"):
        file.write_text(text)
        spec.save_copy(file, copy.parent)
        times.append(copy.stat().st_ino)
        assert copy.read_text() == text
    assert times[0] == times[1] != times[2]  # replaced as a whole, and only if it differs
    assert list(copy.parent.iterdir()) == [copy]


def test_the_sweep_of_gradient_norms_is_every_setting_with_every_variant_and_three_seeds():
    declared = experiment.load("gradient_norms")
    configs = [trial.config for trial in shipped(experiment.ROOT / "sweeps/gradient_norms.yaml").trials]
    asked = [
        (setting, variant, seed) for setting in declared.settings for variant in declared.variants for seed in range(3)
    ]
    assert [(config.setting, config.variant, config.seed) for config in configs] == asked


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_names_the_first_score_of_its_table_as_the_metric_or_the_loss(path):
    metric = yaml.safe_load(path.read_text())["metric"]
    columns = experiment.load(path.stem).columns
    expected = next((column.key for column in columns if column.key.startswith("test/")), "test/loss")
    assert metric["name"].replace("validation/", "test/") == expected
    assert metric["goal"] == ("minimize" if {"error", "loss"} & set(re.split("[/_]", expected)) else "maximize")


def test_a_grid_is_all_combinations_the_last_parameter_changing_fastest(read):
    sweep = read(
        content({"init.gain": {"values": [2, 1]}, "seed": {"values": [1, 0]}, "variant": {"value": "lstm bias 1"}})
    )
    assert [(trial.config.init.gain, trial.config.seed) for trial in sweep.trials] == [(2, 1), (2, 0), (1, 1), (1, 0)]
    assert {trial.config.variant for trial in sweep.trials} == {"lstm bias 1"}


def test_a_run_cap_takes_the_first_trials_of_a_grid(read):
    assert seeds(read(content(run_cap=1))) == [0]


def test_a_limit_reads_the_first_trials_alone(tmp_path, monkeypatch):
    (tmp_path / "some.yaml").write_text(yaml.safe_dump(content({"seed": {"values": [*range(400), "x"]}})))
    names, name_trial = [], command.name_trial
    monkeypatch.setattr(command, "name_trial", lambda *args: names.append(args) or name_trial(*args))
    assert seeds(spec.read(tmp_path / "some.yaml", limit=2)) == [0, 1] and len(names) == 2


def test_the_name_of_the_file_stands_in_for_a_name_and_is_safe_in_a_path(read):
    assert read(content()).name == "some"
    assert read(content(name="два слова")).name.startswith("два_слова-")


def test_the_project_is_that_of_the_file(read):
    assert read(content(project="mine")).trials[0].config.wandb.project == "mine"


def random_content(count: int, **parameters: Any) -> dict[str, Any]:
    return content(parameters, method="random", run_cap=count)


def test_random_trials_lie_in_their_ranges_and_are_sampled_again_alike(read):
    asked = random_content(
        25,
        **{
            "init.gain": {"min": 0.5, "max": 1.5},
            "optimizer.learning_rate": {"distribution": "log_uniform_values", "min": 1.0e-5, "max": 1.0e-1},
            "training.batch_size": {"min": 3, "max": 5},
            "cell.name": {"values": ["rnn", "gru"], "probabilities": [0.9, 0.1]},
            "seed": {"value": 7},
        },
    )
    configs = [trial.config for trial in read(asked).trials]
    assert all(0.5 <= config.init.gain <= 1.5 for config in configs)
    rates = [config.optimizer.learning_rate for config in configs]
    assert all(1e-5 <= rate <= 1e-1 for rate in rates)
    assert sum(rate < 1e-3 for rate in rates) >= 6  # uniform over the logarithm, not over the values
    assert {config.training.batch_size for config in configs} == {3, 4, 5}
    assert 0 < sum(config.cell.name == "gru" for config in configs) < 10
    assert {config.seed for config in configs} == {7}
    assert configs == [trial.config for trial in read(asked).trials]
    assert configs[:5] == [trial.config for trial in read(asked | {"run_cap": 5}).trials]


def test_random_trials_differ_until_there_are_no_more(read):
    few = {"seed": {"min": 0, "max": 3}}
    assert sorted(seeds(read(random_content(4, **few)))) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="run_cap=5: must be at most 4"):
        read(random_content(5, **few))


def test_nested_parameters_are_options_of_a_section(read):
    nested = {"cell": {"parameters": {"name": {"values": ["rnn", "gru"]}}}, "seed": {"value": 3}}
    flat = {"cell.name": {"values": ["rnn", "gru"]}, "seed": {"value": 3}}
    assert read(content(nested)).trials == read(content(flat)).trials


def test_repeated_values_are_one_trial(read):
    assert seeds(read(content({"seed": {"values": [1, 0, 1]}}))) == [1, 0]


def test_whole_numbers_and_multiples_make_a_grid(read):
    ranges = {"seed": {"min": 0, "max": 1}, "init.gain": {"distribution": "q_uniform", "min": 1, "max": 2, "q": 0.5}}
    trials = read(content(ranges, run_cap=3.0)).trials
    assert [(trial.config.seed, trial.config.init.gain) for trial in trials] == [(0, 1.0), (0, 1.5), (1, 1.0)]


def test_a_blank_name_is_that_of_the_file(read):
    assert read(content(name="")).name == "some"
    assert read(content(name="..")).name not in ("", ".", "..")


def test_keys_that_only_wandb_reads_change_nothing(read):
    unused = {"kind": "sweep", "apiVersion": "1", "controller": {"type": "local"}, "description": "x"}
    assert read(content(**unused)).trials == read(content()).trials
    assert read(content(entity="lab")).trials[0].config.wandb.entity == "lab"


def test_bayes_has_no_trials_but_makes_those_of_given_values(read):
    parameters = {"seed": {"value": 3}, "init.gain": {"distribution": "log_uniform_values", "min": 0.5, "max": 2.0}}
    sweep = read(content(parameters, method="bayes", run_cap=9.0, metric={"name": "validation/loss"}))
    assert (sweep.method, sweep.trials, sweep.run_cap, sweep.varied) == ("bayes", (), 9, ("init.gain",))
    assert sweep.metric == Metric("validation/loss") and sweep.early_terminate is None
    assert [
        (parameter.key, parameter.quantile(0.0), parameter.quantile(1.0)) for parameter in sweep.parameters[1:]
    ] == [("init.gain", pytest.approx(0.5), pytest.approx(2.0))]
    (expected,) = read(content({"seed": {"value": 3}, "init.gain": {"value": 1.25}})).trials
    assert sweep.trial([3, 1.25]) == expected


def test_a_sweep_is_found_by_its_name_here_and_in_sweeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert spec.find(Path("gradient_norms")).name == "gradient_norms.yaml"
    (tmp_path / "mine.yaml").write_text("")
    assert spec.find(Path("mine")) == Path("mine.yaml")
    with pytest.raises(UserError, match="others: no such sweep"):
        spec.find(Path("others"))
