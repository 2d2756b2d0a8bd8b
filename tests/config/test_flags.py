"""What a user types becomes the config that it says, or one line that tells what is wrong."""

from dataclasses import make_dataclass

import pytest

from research.cells import GRU
from research.config import Config, flags
from research.config.flat import override
from research.errors import UserError
from research.options import flatten
from research.probes import PROBES, Probe
from research.tasks import TASKS


def parse(*args: str) -> Config:
    return flags.parse(Config(), flags.read_flags(args))


def complaint(*args: str) -> str:
    with pytest.raises(UserError) as caught:
        flags.config_of("gradient_norms", flags.read_flags(args))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("args", [("--training.steps=7",), ("--training.steps", "7"), ("--training.steps=007",)])
def test_a_value_may_follow_an_equals_sign_or_a_space(args):
    assert parse(*args) == override(Config(), {"training.steps": 7})


def test_no_flags_change_nothing():
    assert parse() == Config()


def test_every_option_is_a_flag_and_its_printed_value_is_read_back():
    changed = {
        "seed": 5,
        "setting": "a b",
        "task.permuted": True,
        "cell.name": "gru",
        "init.gain": 1.2345678901234567,
        "optimizer.clip_norm": float("inf"),
        "wandb.mode": "disabled",
        "wandb.notes": "true",
        "probes.gradient_flow.every": 3,
    }
    config = override(Config(), changed)
    assert parse(*(f"--{key}={value}" for key, value in flatten(config).items())) == config


def test_a_budget_of_weights_takes_the_place_of_the_bases_width_and_the_other_way_round():
    wide, budgeted = (override(Config(), {f"model.{key}": 100}) for key in ("hidden_size", "parameter_budget"))
    assert flags.parse(wide, {"model.parameter_budget": "100"}) == budgeted
    assert flags.parse(budgeted, {"model.hidden_size": "100"}) == wide
    assert flags.parse(wide, {"model.parameter_budget": "0"}) == wide


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", ".001"])
def test_numbers_are_read_in_any_notation(text):
    assert parse(f"--optimizer.learning_rate={text}").optimizer.learning_rate == 0.001


def test_a_negative_value_may_follow_a_space():
    assert parse("--init.forget_bias", "-1e-3").init.forget_bias == -0.001


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("false", False)])
def test_booleans_are_read_as_wandb_and_as_yaml_write_them(text, value):
    base = override(Config(), {"task.permuted": not value})
    assert flags.parse(base, {"task.permuted": text}) == override(Config(), {"task.permuted": value})


def test_hyphens_in_a_key_count_as_underscores():
    assert parse("--training.batch-size=3").training.batch_size == 3


def test_the_name_of_a_choice_switches_the_options_wherever_it_stands():
    expected = TASKS["adding"](length=7)  # pyright: ignore[reportCallIssue]
    assert parse("--task.name=adding", "--task.length=7").task == expected
    assert parse("--task.length=7", "--task.name", "adding").task == expected
    assert parse("--cell.reset=before", "--cell.name=gru").cell == GRU(reset="before")
    assert flags.parse(parse("--cell.peephole=true"), {"cell.name": "gru"}).cell == GRU()


@pytest.mark.parametrize("last", [True, False])
def test_another_task_may_come_with_what_it_needs_of_other_sections(last):
    """The experiment's options may contradict the new task, as long as the flags together do not."""
    options = ["--attention.name=none", "--training.steps=7"]
    args = [*options, "--task.name=adding"] if last else ["--task.name=adding", *options]
    config = flags.config_of("attention", flags.read_flags(args))
    assert (config.task, config.attention.name, config.training.steps) == (TASKS["adding"](), "none", 7)
    every = {"task.name": "reverse", "probes.gradient_flow.every": "0"}
    assert flags.config_of("gradient_norms", every).task.name == "reverse"
    with pytest.raises(UserError, match=r"^attention\.name=additive: must be none"):
        flags.config_of("attention", {"task.name": "adding"})


def test_flags_override_the_variant_which_overrides_the_setting_which_overrides_the_base():
    args = ["--variant=rnn gain 1.2", "--setting=adding_200", "--init.gain=3"]
    config = flags.config_of("gradient_norms", flags.read_flags(args))
    assert (config.experiment, config.setting, config.variant) == ("gradient_norms", "adding_200", "rnn gain 1.2")
    assert (config.task.name, flatten(config)["task.length"]) == ("adding", 200)
    assert (config.cell.name, config.init.gain) == ("rnn", 3.0)


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--sed=1", "sed=1: no such option; did you mean seed?"),
        ("--cell=gru", "did you mean cell.name?"),
        ("--task.length=3", "task.length: pixels has no such option; adding, "),
        ("--cell.reset=before", "cell.reset: lstm has no such option; gru has it (--cell.name=gru)"),
        ("--seed=1.5", "seed=1.5: must be a whole number"),
        ("--seed=", "seed=: must be a whole number"),
        ("--seed=-1", "seed=-1: must be between 0 and 2147483647"),
        ("--training.steps=1e3", "training.steps=1e3: must be a whole number, such as 1000"),
        ("--optimizer.learning_rate=3.5e38", "optimizer.learning_rate=3.5e+38: must be a number that float32 holds"),
        ("--init.gain=1e-320", "init.gain=1e-320: must be a number that float32 holds"),
        ("--init.gain=much", "init.gain=much: must be a number"),
        ("--init.gain=1_0", "init.gain=1_0: must be a number of the digits 0 to 9, without _"),
        ("--seed=٣", "seed=٣: must be a number of the digits 0 to 9, without _"),
        ("--init.gain=nan", "init.gain=nan: must be between 0 and 1"),
        ("--init.bias=high", "init.bias=high: must be one of constant, chrono"),
        ("--task.permuted=yes", "task.permuted=yes: must be true or false"),
        ("--attention.name=some", "attention.name=some: must be one of none, context, input, dot, "),
        ("--cell.name=elman", "cell.name=elman: must be one of rnn, "),
        ("--probes.mine.every=1", "probes.mine.every=1: no such probe; must be one of gradient_flow"),
        ("--task.name=chess", "task.name=chess: must be one of "),
        ("--cell.name=lstn", "; did you mean lstm?"),
        ("--init.bias=chron", "init.bias=chron: must be one of constant, chrono; did you mean chrono?"),
        ("--probes.gradint_flow.every=1", "no such probe; did you mean gradient_flow?"),
        ("--setting=easy", "setting=easy: must be one of mnist_784"),
        ("--variant=mine", "variant=mine: must be one of rnn gain 0.9"),
        ("--experiment=other", "experiment=other: must be gradient_norms"),
        ("--model=gru", "model=gru: no such option; did you mean model."),
        ("--seed", "--seed: needs a value"),
        ("seed=1", "'seed=1': not a flag"),
        ("--wandb.notes=\udcff", "wandb.notes=\udcff: must be UTF-8"),
        ("--", "'--': not a flag"),
        ("-s=1", "'-s=1': not a flag"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(flag, line):
    assert line in complaint(flag)


def test_a_flag_that_stands_twice_is_an_error_in_either_spelling():
    assert complaint("--init.gain=1", "--init.gain=2") == "--init.gain: given twice, '1' and '2'"
    assert "given twice" in complaint("--training.batch_size=1", "--training.batch-size=1")


def test_a_flag_does_not_swallow_the_next_one():
    assert "--seed: needs a value" in complaint("--seed", "--init.gain=1")


def test_a_choice_without_a_docstring_has_no_summary():
    assert flags.summary(make_dataclass("Mine", [("size", int)])) == ""


def test_a_probe_that_is_registered_later_has_options(monkeypatch):
    assert "probes.late.every" not in flatten(flags.config_of("gradient_norms", {}))
    monkeypatch.setitem(PROBES, "late", type("Late", (Probe,), {"name": "late", "section": "late"}))
    assert flatten(flags.config_of("gradient_norms", {"probes.late.every": "5"}))["probes.late.every"] == 5
