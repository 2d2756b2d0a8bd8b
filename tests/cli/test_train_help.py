"""The help of `train` is short, and shows a section or all options where it is asked to."""

import pytest

from research.cli.train_help import print_help, usage
from research.config import CHOICES, Config, experiment
from research.config.flags import config_of, summary
from research.errors import UserError
from research.options import flatten


@pytest.fixture
def shown(capsys):
    def show(name: str, flags: dict[str, str], topic: str = "") -> str:
        try:
            print_help(name, flags, topic)
        except SystemExit as left:
            assert not left.code
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    return show


def test_the_usage_names_the_experiments():
    for name in experiment.names():
        assert f"  {name} " in usage() and experiment.describe(name) in usage()


def test_the_help_of_an_experiment_fits_a_screen_and_names_every_section(capsys):
    print_help("gradient_norms", {"cell.name": "gru"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert '--variant: "rnn gain 0.9", "rnn gain 1", "rnn gain 1.2", "lstm bias 0", "lstm bias 1",' in lines
    for section in {key.partition(".")[0] for key in flatten(Config()) if "." in key}:
        assert any(line.startswith(f"  {section} ") for line in lines), section
    assert f"gru: {summary(CHOICES['cell']['gru'])}" in "\n".join(lines)


@pytest.mark.parametrize("section", CHOICES)
def test_a_section_shows_the_options_of_its_choice_alone_and_then_its_choices(section, shown):
    flags = {"task.name": "dataset"} if section.startswith("task") else {}
    text = shown("attention", flags, section)
    options, choices = text.split(f"choices of --{section}.name")
    for name, kind in CHOICES[section].items():
        assert f" {name} {summary(kind)}" in choices
    for key in flatten(config_of("attention", flags)):
        assert (f"--{key} " in options) == (key.rpartition(".")[0] == section)
    for inside in ("task.input", "task.target") if section == "task" else ():
        assert f"--help {inside} shows them" in options


def test_a_section_without_choices_shows_its_options_with_their_values(shown):
    text = shown("gradient_norms", {"variant": "rnn gain 1.2"}, "init")
    assert "--init.gain FLOAT" in text and "(default: 1.2)" in text
    assert "--cell.name" not in text


def test_all_shows_every_option_with_the_values_of_the_experiment_and_of_the_other_flags(shown):
    changes = {"task.name": "adding", "variant": "rnn gain 1.2"}
    text = shown("gradient_norms", changes, "all")
    assert "--task.length INT" in text and "(default: 100)" in text
    assert "--task.permuted" not in text
    assert "(default: 1.2)" in text  # init.gain
    for key in flatten(config_of("gradient_norms", changes)):
        assert f"--{key} " in text
    assert "(default: '')" not in text and "None" not in text
    assert "Numbers: mse" in shown("dataset", {}, "task")  # a line of the source is no line of the help
    for line in ("gru Gated recurrent unit", "--cell.name (now rnn; its options follow)", "dyck Well nested"):
        assert line in text


def test_help_shows_options_that_contradict_one_another():
    """The experiment has an attention, which the task cannot use: help is how one finds out what to change."""
    print_help("attention", {"task.name": "adding"})


def test_help_with_an_unknown_flag_or_section_is_refused():
    with pytest.raises(UserError, match=r"^bogus=1: no such option"):
        print_help("attention", {"bogus": "1"})
    with pytest.raises(
        UserError, match="^train: --help lstm: no such section; must be one of all, model, cell, .*task.input"
    ):
        print_help("attention", {}, "lstm")


def test_the_help_of_a_section_has_nothing_but_its_options(capsys):
    with pytest.raises(SystemExit):
        print_help("gradient_norms", {}, "init")
    first, _, box, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("train gradient_norms [OPTIONS]") and "init options" in box
