"""A mistake in a sweep file is reported in one line, with the file, the line and the key, before anything starts."""

import math
import re
from typing import Any

import pytest

from research.errors import UserError
from research.sweep import spec
from tests.sweep.conftest import COMMAND, content


def one_of(*probabilities: float) -> dict[str, Any]:
    return {"seed": {"values": [0, 1], "probabilities": [*probabilities]}}


def bayes(parameters: dict[str, Any]) -> dict[str, Any]:
    return content(parameters, method="bayes", run_cap=3, metric={"name": "validation/loss"})


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
        ("method: [grid", "some.yaml:1: is not YAML"),
        ("a: \x07", "is not YAML"),
        ("", "must be a mapping"),
        ("- 1", "must be a mapping"),
        ("method: grid\nmethod: random", "some.yaml:2: method is set twice"),
        ("seed:\n  values: [2001-13-45]", "some.yaml:2: is not YAML: month must be in 1..12"),
        *((f"a: [!!{tag} foo]", "is not YAML: ") for tag in ("int", "bool", "timestamp")),
        ("a: !!map 3", "is not YAML: "),
        ("a: 1\n? [a, b]\n: 2", "is not YAML: "),
        ("? {a: b}\n: 2", "is not YAML: "),
        ("a: " + "[" * 5000 + "]" * 5000, "is not YAML: maximum recursion depth"),
        (laughs("[{}]"), "some.yaml:6: aliases make it more than 100000 values"),
        (laughs("{{<<: [{}]}}"), "some.yaml:6: aliases make it more than 100000 values"),
        ("a: &a [*a]", "some.yaml:1: an alias stands for what contains it"),
        ('name: "\\ud800"', "is not YAML: 'utf-8' codec can't encode character '\\ud800'"),
        ("run_cap: -9223372036854775809", "some.yaml:1: -9223372036854775809 is beyond 64 bits"),
        (f"run_cap: 0x{'f' * 9000}", "some.yaml:1: 0xfff"),
        (f"run_cap: {'9' * 9000}", "is not YAML: Exceeds the limit"),
        (one({"value": ["x" * 90] * 2}), f"init.gain=['{'x' * 77}…: must be a number"),
        (content({"x" * 9000: {"value": "y" * 9000}}), f"{'x' * 79}…={'y' * 79}…: no such option"),
        (content(parameter={}), "parameter: no such key; did you mean parameters?"),
        (content(zzz=1), "zzz: no such key; must be one of apiVersion, command"),
        (content(early_terminate={"type": "hyperband"}), "early_terminate: must hold min_iter, or max_iter and s"),
        (content(metric={"goal": "minimize"}), "metric.name: must be set"),
        *((content(**{key: {}}), f"{key}: is for W&B Launch; use `wandb launch-sweep`") for key in spec.LAUNCH),
        (content(kind="swep"), "kind=swep: must be sweep"),
        (content(controller={"type": "server"}), "controller.type=server: must be local or cloud"),
        (content(description=3), "description=3: must be text"),
        (content(method=...), "method: must be set"),
        (content(command=...), "experiment: must be named by --experiment, by a parameter, or by `program: PATH.py`"),
        ({"method": "grid", "command": COMMAND}, "parameters: must be set"),
        (content(method="bayes"), "run_cap: must be set, as the method is bayes"),
        (content(method="bayes", run_cap=3), "metric: must be set, as the method is bayes"),
        (bayes({"seed": {"value": 3}}), "parameters: must hold one that varies, as the method is bayes"),
        (bayes(one_of(0.5, 0.5)), "parameters.seed.probabilities: must be absent, as the method is bayes"),
        (bayes({"seed": {"values": [0, "x"]}}), "seed=x: must be a whole number"),
        (bayes({"init.gain": {"min": 0, "max": 10000000}}), "some.yaml:11: init.gain=10000000.0: must be between 0"),
        (content(method="custom"), "method=custom: must be one of grid, random, bayes"),
        (content(method="gird"), "method=gird: must be one of grid, random, bayes"),
        (content(method=["grid"]), "method=['grid']: must be one of grid, random, bayes"),
        (content([{"seed": 1}]), "parameters: must map config keys"),
        (content(name=3), "name=3: must be text"),
        (content(project=[]), "project=[]: must be text"),
        (content(run_cap=0), "run_cap=0: must be a whole number, at least 1"),
        (content(run_cap=True), "run_cap=True: must be a whole number"),
        (content(run_cap="1e1"), "run_cap=1e1: must be a whole number, at least 1; write 10"),
        (content(method="random"), "run_cap: must be set, as the method is random"),
        (content(method="random", run_cap=10001), "run_cap=10001: must be at most 10000"),
        (content(command="python -m research train x"), "command=python -m research train x: must be ["),
        (content(command=COMMAND[:-1]), "command: must be ["),
        (content(command=["research", "train", "${args}"]), "experiment: must be named"),
        (content(program=3), "program=3: must be text"),
        (content(program="absent.py", command=...), "absent.py': no such file"),
        (content({"experiment": {"value": "attention"}}), "experiment=attention: must be gradient_norms"),
        (content(command=[*COMMAND[:-1], "${args_no_hyphens}", "${args}"]), "command: must be ["),
        (content(command=[*COMMAND, "${args_json}"]), "command: ${args_json} is not known"),
        (content(command=[*COMMAND, "--seed=${envvar:NOT_SET}"]), "the environment variable NOT_SET must be set"),
        (content(command=[*COMMAND, "--import=.absent"]), "--import=.absent: must be a module"),
        (content(command=[*COMMAND, "--runs-dir=x"]), "command: --runs-dir must be absent"),
        (content(command=[*COMMAND, "--seed=1"]), "--seed: given twice"),
        (content(command=[*COMMAND[:-2], "xxxx", "${args}"]), "experiment 'xxxx': no such experiment; must be"),
        (content({"sed": {"value": 1}}), "sed=1: no such option; did you mean seed?"),
        (content({3: {"value": 1}}), "3=1: no such option"),
        (content({"seed": {"values": [0, "x"]}}), "seed=x: must be a whole number"),
        (content({"variant": {"values": ["nobody"]}}), "variant=nobody: must be one of"),
        (content({"variant": {"values": ["rnn gian 1"]}}), "; did you mean rnn gain 1?"),
        (content({"seed": {"values": [True]}}), "seed=True: must be a whole number"),
        (content({"seed": {"values": [0, "00"]}}), "parameters: two trials are the same, seed0-"),
        (content({"wandb.mode": {"values": ["auto", "disabled"]}}), "parameters: two trials are the same, default-"),
        (
            content({key: {"values": list(range(101))} for key in ("seed", "training.eval_every")}),
            "parameters: make 10201 trials; must be at most 10000",
        ),
        (one(None), "parameters.init.gain: must hold value, values, min and max, distribution, or parameters"),
        (one({"q": 1}), "parameters.init.gain: must hold value"),
        (one(3), "parameters.init.gain: must hold value"),
        (one({}), "parameters.init.gain: must hold value"),
        (one({"vales": [1]}), "distribution, or parameters; did you mean values?"),
        (one({"values": 3}), "parameters.init.gain.values=3: must be a list"),
        (one({"values": []}), "parameters.init.gain.values=[]: must be a list of values, at least one"),
        (one({"values": None}), "parameters.init.gain.values=None: must be a list of values"),
        (
            one({"distribution": "categorical"}),
            "parameters.init.gain.values: must be set for the distribution categorical",
        ),
        (one({"values": [None]}), "init.gain=None: must be a number"),
        (one({"values": [[1]]}), "init.gain=[1]: must be a number"),
        (one({"value": 1, "values": [1]}), "parameters.init.gain.values: must be absent; constant takes value"),
        (one({"values": [1], "min": 0}), "parameters.init.gain.min: must be absent; categorical takes values"),
        (one({"values": [1, 2], "probabilities": [1]}), "parameters.init.gain.probabilities=[1]: must be 2 numbers"),
        (one({"values": [1, 2], "probabilities": [1, 1]}), "must be 2 numbers that add up to 1"),
        (one({"value": float("nan")}), "init.gain=nan: must be between 0 and 1000000"),
        (
            one({"min": 0.0, "max": 1}),
            "init.gain: must hold value, values, whole min and max, or q_uniform, as the method",
        ),
        (content(one_of(0.5, 0.5)), "parameters.seed: must hold value, values, whole min and max, or q_uniform, as"),
        (one({"distribution": "beta"}), "parameters.init.gain: must hold value, values, whole min and max, or q_unif"),
        (one({"min": 0, "max": 10000}), "parameters.init.gain: makes 10001 values in a grid; must be at most 10000"),
        (one({"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-9}), "makes 1000000000 values in a grid"),
        (one({"min": 0}), "parameters.init.gain.max: must be set"),
        (one({"min": 1.0, "max": 0}), "parameters.init.gain.max=0: must be greater than min=1.0"),
        (
            one({"min": "1e-3", "max": 1}),
            "parameters.init.gain.min=1e-3: must be a finite number; write 0.001",
        ),
        (one({"min": "low", "max": 1}), "parameters.init.gain.min=low: must be a finite number"),
        (one({"min": "2e-5", "max": 1}), "parameters.init.gain.min=2e-5: must be a finite number; write 2.0e-05"),
        (one({"distribution": "int_uniform", "min": 1, "max": "1e3"}), "max=1e3: must be a whole number; write 1000"),
        (one({"min": 0, "max": math.inf}), "parameters.init.gain.max=inf: must be a finite number"),
        (one({"distribution": "int_uniform", "min": 0.5, "max": 1}), "min=0.5: must be a whole number, such as 10"),
        (one({"distribution": "log_uniform_values", "min": 0, "max": 1}), "min=0: must be greater than 0"),
        (one({"min": 1, "max": 1}), "parameters.init.gain.max=1: must be greater than min=1"),
        (one({"distribution": "int_uniform", "min": 1.0, "max": 3}), "min=1.0: must be written 1"),
        (
            one({"distribution": "log_uniform", "min": 1, "max": 1000}),
            "max=1000: must be an exponent of e, from -700 to",
        ),
        (one({"distribution": "normal", "sigma": -1}), "parameters.init.gain.sigma=-1: must be at least 0"),
        (
            one({"distribution": "normal", "mean": 0}),
            "parameters.init.gain.mean: must be absent; normal takes mu, sigma",
        ),
        (one({"distribution": "q_normal", "q": 0}), "parameters.init.gain.q=0: must be greater than 0"),
        (one({"distribution": "beta", "a": 0}), "parameters.init.gain.a=0: must be greater than 0"),
        (one({"distribution": "beta", "a": None}), "parameters.init.gain.a=None: must be a finite number"),
        (
            one({"distribution": "gamma"}),
            "parameters.init.gain.distribution=gamma: must be one of constant, categorical",
        ),
        (one({"distribution": ["normal"]}), "parameters.init.gain.distribution=['normal']: must be one of"),
        (
            content({"init": {"parameters": {"gain": {"value": "x"}}}}),
            "some.yaml:13: init.gain=x: must be a number",
        ),
        (
            content({"init": {"parameters": {"gain": 3}}}),
            "some.yaml:13: parameters.init.parameters.gain: must hold value",
        ),
        (content({"init": {"parameters": {}}}), "parameters.init.parameters: must map config keys"),
        (content({"init": {"parameters": {}, "value": 3}}), "parameters.init.value: no such key; must be one of param"),
        (
            content({"init.gain": {"value": 1}, "init": {"parameters": {"gain": {"value": 1}}}}),
            "parameters.init.parameters.gain: init.gain is set twice",
        ),
    ],
)
def test_a_mistake_in_a_sweep_file_is_one_line_with_the_file_and_the_key(read, tmp_path, text, line):
    with pytest.raises(UserError) as caught:
        read(text)
    message = str(caught.value)
    assert re.match(re.escape(str(tmp_path / "some.yaml")) + r":(\d+:)? ", message)
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


LINES = """\
# a comment
name: some

method: grid
program: experiments/gradient_norms.py
run_cap: 3
parameters:
  cell.name: {value: gru}
  seed:
    values:
      - 0
      - one
  init:
    parameters:
      gain:
        distribution: q_uniform
        min: 0.5
        max: 1.5
        q: 0.5
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("one", "one", "12: seed=one: must be a whole number"),
        ("seed:", "sed:", "9: sed=0: no such option"),
        (
            "0.5\n        max",
            "2\n        max",
            "18: parameters.init.parameters.gain.max=1.5: must be greater than min=2",
        ),
        ("        q: 0.5", "        p: 0.5", "19: parameters.init.parameters.gain.p: must be absent"),
        ("gru", "gruu", "8: cell.name=gruu: must be one of"),
        ("run_cap: 3", "run_cap: -3", "6: run_cap=-3: must be a whole number"),
        ("gradient_norms.py", "absent.py", "5: experiment "),
        ("# a", "a", "2: is not YAML: mapping values are not allowed here"),
        ("name: some", "nam: some", "2: nam: no such key; did you mean name?"),
        ("method: grid", "", "1: method: must be set"),
        ("one", "0\n  seed: {value: 1}", "13: seed is set twice"),
        ("one", "0\n  <<: {seed: {value: x}, init.bias: {value: y}}", "13: init.bias=y: must be one of"),
    ],
)
def test_a_mistake_is_in_the_line_that_the_message_names(read, tmp_path, old, new, line):
    assert LINES.count(old) == 1
    with pytest.raises(UserError) as caught:
        read(LINES.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'some.yaml'}:{line}")
