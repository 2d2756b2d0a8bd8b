"""What a user types becomes the config that it says, or one line that tells what is wrong."""

import pytest

from research import command_line
from research.config import AddingConfig, Config, PixelsConfig
from research.dotted import flatten, override
from research.errors import UserError


def parse(*args: str) -> Config:
    return command_line.parse(Config(), args)


def complaint(*args: str) -> str:
    with pytest.raises(UserError) as caught:
        command_line.config_of("gradient_norms", args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("args", [("--training.steps=7",), ("--training.steps", "7"), ("--training.steps=007",)])
def test_a_value_may_follow_an_equals_sign_or_a_space(args):
    assert parse(*args) == override(Config(), {"training.steps": 7})


def test_every_option_is_a_flag_and_its_printed_value_is_read_back():
    changed = {
        "seed": 5,
        "setting": "a b",
        "task.permuted": True,
        "model.cell": "gru",
        "init.gain": 1.2345678901234567,
        "training.clip_norm": float("inf"),
        "tracking.wandb": "disabled",
    }
    config = override(Config(), changed)
    assert parse(*(f"--{key}={value}" for key, value in flatten(config).items())) == config


def test_a_budget_of_weights_takes_the_place_of_the_bases_width_and_the_other_way_round():
    wide, budgeted = (override(Config(), {f"model.{key}": 100}) for key in ("features", "parameter_budget"))
    assert command_line.parse(wide, ["--model.parameter_budget=100"]) == budgeted
    assert command_line.parse(budgeted, ["--model.features=100"]) == wide
    assert command_line.parse(wide, ["--model.parameter_budget=0"]) == wide
    with pytest.raises(UserError, match=r"model\.features=3: must be absent, as model\.parameter_budget=100"):
        command_line.parse(wide, ["--model.parameter_budget=100", "--model.features=3"])


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", ".001"])
def test_numbers_are_read_in_any_notation(text):
    assert parse(f"--training.learning_rate={text}").training.learning_rate == 0.001


def test_a_negative_value_may_follow_a_space():
    assert parse("--init.forget_bias", "-1e-3").init.forget_bias == -0.001


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("false", False)])
def test_booleans_are_read_as_wandb_and_as_yaml_write_them(text, value):
    assert command_line.parse(
        override(Config(), {"task.permuted": not value}), [f"--task.permuted={text}"]
    ) == override(Config(), {"task.permuted": value})


def test_hyphens_in_a_key_count_as_underscores():
    assert parse("--training.batch-size=3").training.batch_size == 3


def test_the_name_of_a_task_switches_the_options_wherever_it_stands():
    expected = AddingConfig(length=7)
    assert parse("--task.name=adding", "--task.length=7").task == expected
    assert parse("--task.length=7", "--task.name", "adding").task == expected
    assert isinstance(parse("--task.name=pixels").task, PixelsConfig)


@pytest.mark.parametrize("last", [True, False])
def test_another_task_may_come_with_what_it_needs_of_other_sections(last, capsys):
    """The experiment's own options may contradict the new task, as long as the flags together do not."""
    flags = ["--model.attention=none", "--training.steps=7"]
    args = [*flags, "--task.name=adding"] if last else ["--task.name=adding", *flags]
    config = command_line.config_of("attention", args)
    assert (config.task, config.model.attention, config.training.steps) == (AddingConfig(), "none", 7)
    every = ["--task.name=pronunciation", "--probes.gradient_flow_every=0"]
    assert command_line.config_of("gradient_norms", every).probes.gradient_flow_every == 0
    with pytest.raises(UserError, match=r"^model\.attention=additive: must be none, as the task adding has no decoder"):
        command_line.config_of("attention", ["--task.name=adding"])
    command_line.print_help("attention", ["--task.name=adding"])
    assert "--task.definition" in capsys.readouterr().out


def test_flags_override_the_arm_which_overrides_the_setting_which_overrides_the_base():
    args = ["--arm=rnn gain 1.2", "--setting=adding_200", "--init.gain=3"]
    config = command_line.config_of("gradient_norms", args)
    assert (config.experiment, config.setting, config.arm) == ("gradient_norms", "adding_200", "rnn gain 1.2")
    assert (config.task, config.model.cell, config.init.gain) == (AddingConfig(length=200), "rnn", 3.0)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--sed=1", "--sed=1: no such option; did you mean seed?"),
        ("--cell=gru", "did you mean model.cell?"),
        ("--task.length=3", "--task.length=3: no such option"),  # of the present task
        ("--seed=1.5", "seed=1.5: must be a whole number"),
        ("--seed=", "seed=: must be a whole number"),
        ("--seed=-1", "seed=-1: must be between 0 and 2**31 - 1"),
        ("--init.gain=much", "init.gain=much: must be a number"),
        ("--task.permuted=yes", "task.permuted=yes: must be true or false"),
        ("--model.attention=some", "model.attention=some: must be one of none, context, input, dot, "),
        ("--model.cell=elman", "model.cell=elman: must be one of "),
        ("--task.name=chess", "task.name=chess: must be one of pixels, pronunciation, translation"),
        ("--setting=easy", "setting=easy: must be one of mnist_784"),
        ("--arm=mine", "arm=mine: must be one of rnn gain 0.9"),
        ("--experiment=other", "experiment=other: must be gradient_norms"),
        ("--model=gru", "--model=gru: no such option; did you mean model."),
        ("--seed", "--seed: needs a value"),
        ("seed=1", "'seed=1': not a flag"),
        ("--", "'--': not a flag"),
        ("-s=1", "'-s=1': not a flag"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_allowed(flag, said):
    assert said in complaint(flag)


@pytest.mark.parametrize(
    "key",
    [key for key, value in flatten(Config()).items() if isinstance(value, float)],
)
def test_no_option_takes_nan(key):
    assert f"{key}=nan: must be" in complaint(f"--{key}=nan")


def test_a_flag_given_twice_is_an_error_in_either_spelling():
    assert complaint("--init.gain=1", "--init.gain=2") == "--init.gain: given twice, '1' and '2'"
    assert "given twice" in complaint("--training.batch_size=1", "--training.batch-size=1")


def test_a_flag_does_not_swallow_the_next_one():
    assert "--seed: needs a value" in complaint("--seed", "--init.gain=1")


def test_help_with_a_flag_that_there_is_not_is_refused():
    with pytest.raises(UserError, match=r"^--bogus=1: no such option"):
        command_line.print_help("attention", ["--bogus=1"])


def test_help_shows_the_values_of_the_experiment_and_of_the_other_flags(capsys):
    command_line.print_help("gradient_norms", ["--task.name=adding", "--arm=rnn gain 1.2", "--runs-dir=there"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--task.length INT Time steps of a sequence. (default: 100)" in shown
    assert "--task.permuted" not in shown
    assert "their spectral radius (sparse). (default: 1.2)" in shown
    for key in flatten(command_line.config_of("gradient_norms", ["--task.name=adding"])):
        assert f"--{key} " in shown
