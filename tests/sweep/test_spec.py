"""A sweep file means the same here as for W&B's agent, and a mistake in it is reported in one line."""

import functools
import math
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
from research.sweep import spec
from research.sweep.spec import Sweep

COMMAND = ["${env}", "${interpreter}", "-m", "research", "train", "gradient_norms", "${args}"]
SWEEPS = sorted((experiment.ROOT / "sweeps").glob("*.yaml"))


def content(parameters: Any = None, **changes: Any) -> dict[str, Any]:
    keys = {"command": COMMAND, "method": "grid", "parameters": parameters or {"seed": {"values": [0, 1]}}}
    return {key: value for key, value in (keys | changes).items() if value is not ...}


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str | dict[str, Any]) -> Sweep:
        path = tmp_path / "some.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
        return spec.read(path)

    return write_and_read


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
def test_a_sweep_names_the_first_score_of_its_table_as_the_metric(path):
    metric = yaml.safe_load(path.read_text())["metric"]
    columns = experiment.load(path.stem).columns
    expected = next(column.key for column in columns if column.key.startswith("test/"))
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
    names, name_trial = [], spec.name_trial
    monkeypatch.setattr(spec, "name_trial", lambda *args: names.append(args) or name_trial(*args))
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


def laughs(collection: str) -> str:
    """Ten lines that stand for 10^10 values."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n + 1}: &a{n + 1} {collection.format(', '.join([f'*a{n}'] * 10))}" for n in range(9)]
    return "\n".join(lines)


def one(entry: Any) -> dict[str, Any]:
    return content({"init.gain": entry})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("method: [grid", "line 1: is not YAML"),
        ("a: \x07", "is not YAML"),
        ("", "must be a mapping"),
        ("- 1", "must be a mapping"),
        ("method: grid\nmethod: random", "line 2: method is set twice"),
        ("seed:\n  values: [2001-13-45]", "is not YAML: month must be in 1..12"),
        *((f"a: [!!{tag} foo]", "is not YAML: ") for tag in ("int", "bool", "timestamp")),
        ("a: !!map 3", "is not YAML: "),
        ("a: 1\n? [a, b]\n: 2", "is not YAML: "),
        ("? {a: b}\n: 2", "is not YAML: "),
        ("a: " + "[" * 5000 + "]" * 5000, "is not YAML: maximum recursion depth"),
        (laughs("[{}]"), "line 6: aliases make it more than 100000 values"),
        (laughs("{{<<: [{}]}}"), "line 6: aliases make it more than 100000 values"),
        ("a: &a [*a]", "line 1: an alias stands for what contains it"),
        ('name: "\\ud800"', "is not YAML: 'utf-8' codec can't encode character '\\ud800'"),
        ("run_cap: -9223372036854775809", "line 1: -9223372036854775809 is beyond 64 bits"),
        (f"run_cap: 0x{'f' * 9000}", "line 1: 0xfff"),
        (f"run_cap: {'9' * 9000}", "is not YAML: Exceeds the limit"),
        (one({"values": ["x" * 90] * 2}), f"parameters.init.gain.values=['{'x' * 77}…: must differ"),
        (content({"x" * 9000: {"value": "y" * 9000}}), f"{'x' * 79}…={'y' * 79}…: no such option"),
        (content(parameter={}), "parameter: no such key; did you mean parameters?"),
        (content(zzz=1), "zzz: no such key; must be one of command, description"),
        (
            content(early_terminate={"type": "hyperband"}),
            "early_terminate and method=bayes: need W&B's server; use `wandb sweep`",
        ),
        (content(method=...), "method: must be set"),
        (content(command=...), "experiment: must be named by --experiment, by a parameter, or by `program: PATH.py`"),
        ({"method": "grid", "command": COMMAND}, "parameters: must be set"),
        (content(method="bayes"), "method=bayes: need W&B's server; use `wandb sweep`"),
        (content(method="gird"), "method=gird: must be one of grid, random"),
        (content(method=["grid"]), "method=['grid']: must be one of grid, random"),
        (content([{"seed": 1}]), "parameters: must map config keys"),
        (content(name=3), "name=3: must be a word"),
        (content(name=".."), "name=..: must be a word"),
        (content(project=[]), "project=[]: must be a word"),
        (content(run_cap=0), "run_cap=0: must be a whole number, at least 1"),
        (content(run_cap=True), "run_cap=True: must be a whole number"),
        (content(method="random"), "run_cap: must be set, as the method is random"),
        (content(command="python -m research train x"), "command: must be ["),
        (content(command=COMMAND[:-1]), "command: must be ["),
        (content(command=["research", "train", "${args}"]), "experiment: must be named"),
        (content(program=3), "program=3: must be a word"),
        (content(program="absent.py", command=...), "absent.py': no such file"),
        (content({"experiment": {"value": "attention"}}), "experiment=attention: must be gradient_norms"),
        (content(command=[*COMMAND[:-1], "${args_no_hyphens}", "${args}"]), "command: ${args_no_hyphens} is not known"),
        (content(command=[*COMMAND, "--runs-dir=x"]), "command: --runs-dir must be absent"),
        (content(command=[*COMMAND, "--seed=1"]), "--seed: given twice"),
        (content(command=[*COMMAND[:-2], "nothing", "${args}"]), "experiment 'nothing': must be the path"),
        (content({"sed": {"value": 1}}), "sed=1: no such option; did you mean seed?"),
        (content({3: {"value": 1}}), "3=1: no such option"),
        (content({"seed": {"values": [0, "x"]}}), "seed=x: must be a whole number"),
        (content({"variant": {"values": ["nobody"]}}), "variant=nobody: must be one of"),
        (content({"seed": {"values": [True]}}), "seed=True: must be a whole number"),
        (content({"seed": {"values": [0, "00"]}}), "parameters: two trials are the same, seed0-"),
        (content({"wandb.mode": {"values": ["auto", "disabled"]}}), "parameters: two trials are the same, default-"),
        (
            content({key: {"values": list(range(101))} for key in ("seed", "training.eval_every")}),
            "parameters: make 10201 trials; must be at most 10000",
        ),
        (one(None), "parameters.init.gain: must hold value, values, or a distribution"),
        (one(3), "parameters.init.gain: must hold value"),
        (one({}), "parameters.init.gain: must hold value"),
        (one({"vals": [1]}), "parameters.init.gain: must hold value, values"),
        (one({"values": 3}), "parameters.init.gain.values=3: must be a list"),
        (one({"values": []}), "parameters.init.gain.values=[]: must be a list of numbers"),
        (one({"values": None}), "parameters.init.gain.values: must be set"),
        (one({"values": [None]}), "parameters.init.gain.values=[None]: must be a list of numbers"),
        (one({"values": [[1]]}), "parameters.init.gain.values=[[1]]: must be a list of numbers"),
        (one({"values": [1, 2, 1]}), "parameters.init.gain.values=[1, 2, 1]: must differ from one another"),
        (one({"value": 1, "values": [1]}), "parameters.init.gain.values: must be absent; constant takes value"),
        (one({"values": [1], "min": 0}), "parameters.init.gain.min: must be absent; categorical takes values"),
        (one({"values": [1, 2], "probabilities": [1]}), "parameters.init.gain.probabilities=[1]: must be 2 numbers"),
        (one({"values": [1, 2], "probabilities": [1, 1]}), "must be 2 numbers that add up to 1"),
        (one({"value": float("nan")}), "init.gain=nan: must be between 0 and 1000000"),
        (one({"min": 0, "max": 1}), "parameters.init.gain: must hold value or values, as the method is grid"),
        (one({"min": 0}), "parameters.init.gain.max: must be set"),
        (one({"min": 1.0, "max": 0}), "parameters.init.gain.max=0: must be at least min=1.0"),
        (
            one({"min": "1e-3", "max": 1}),
            "parameters.init.gain.min=1e-3: must be a finite number; write 0.001",
        ),
        (one({"min": "low", "max": 1}), "parameters.init.gain.min=low: must be a finite number"),
        (one({"min": "2e-5", "max": 1}), "parameters.init.gain.min=2e-5: must be a finite number; write 2.0e-05"),
        (one({"distribution": "int_uniform", "min": 1, "max": "1e3"}), "max=1e3: must be a whole number; write 1000"),
        (one({"min": 0, "max": math.inf}), "parameters.init.gain.max=inf: must be a finite number"),
        (one({"distribution": "int_uniform", "min": 0.5, "max": 1}), "min=0.5: must be a whole number, such as 1000"),
        (one({"distribution": "log_uniform_values", "min": 0, "max": 1}), "min=0: must be greater than 0"),
        (one({"distribution": "normal", "mu": 0}), "parameters.init.gain.distribution=normal: must be one of constant"),
        (one({"distribution": ["normal"]}), "parameters.init.gain.distribution=['normal']: must be one of"),
        (content({"init": {"parameters": {"gain": {"value": 1}}}}), "parameters.init.parameters: nested parameters"),
    ],
)
def test_a_mistake_in_a_sweep_file_is_one_line_with_the_file_and_the_key(read, tmp_path, text, line):
    with pytest.raises(UserError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'some.yaml'}: ")
    assert line in message
    assert "\n" not in message and len(message) < 1000


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="absent.yaml: cannot be read: No such file"):
        spec.read(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        spec.read(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="binary.yaml: is not YAML: 'utf-8' codec"):
        spec.read(tmp_path / "binary.yaml")
