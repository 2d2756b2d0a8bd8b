"""The help of `train`: what an experiment can be trained with, in short, by section, or all of it."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from research.cli.list import describe_choice, table
from research.config import CHOICES, Config, experiment
from research.config.config import section_of
from research.config.flags import base_config, summary
from research.config.flat import draft
from research.config.help import print_options
from research.errors import UserError, program, shorten, suggest

USAGE = """\
usage: {program} train EXPERIMENT [--KEY=VALUE ...] [--resume-from RUN | --init-from RUN]
           [--runs-dir DIR] [--rerun] [--restart] [--import MODULE]

Train one trial of an experiment: a name, or the path of a Python file that sets EXPERIMENT.
The same command again resumes the trial, or shows its result.

  --KEY=VALUE        an option of the trial, which EXPERIMENT --help and --help SECTION show
  --setting NAME, --variant NAME, --seed N
                     named options of the experiment, which `{program} list EXPERIMENT` shows; the random seed
  --resume-from RUN  go on from the state of a finished run: more steps, another learning rate or batch size
  --init-from RUN    start with the weights of a finished run, where name and shape fit
  --runs-dir DIR     where run directories go (default: runs)
  --rerun            train anew if the trial is finished
  --restart          start anew if the trial is unfinished, instead of at its last checkpoint
  --import MODULE    import a module of your own first, which may register cells, tasks, probes, ...
"""
OVERALL = """\
--help SECTION     the options and choices of a section; --help all: of all sections
--seed N           decides the initial weights and all random draws
--resume-from RUN  go on from the state of a finished run
--init-from RUN    start with the weights of a finished run
--runs-dir DIR     where run directories go (default: runs)
--rerun            train anew if the trial is finished
--restart          start anew if the trial is unfinished, instead of at its last checkpoint"""


def usage() -> str:
    """Return how `train` is called, and the experiments of the project."""
    return f"{USAGE.format(program=program())}\n{table('experiments', experiment.summaries())}"


def print_help(name: str, flags: Mapping[str, str], topic: str = "") -> None:
    """Print the options of an experiment, with their values in it and by the other flags.

    `topic` is a section, such as "cell", for its choices and options; "all" for all of them; "" for an overview.

    Raises:
        SystemExit: with code 0, after the options of a section or all.
    """
    base = base_config(experiment.recorded_name(name), flags.get("setting", ""), flags.get("variant", ""))
    config = draft(base, {key: text for key, text in flags.items() if key != "experiment"})
    sections = {key: value for key, value in vars(config).items() if is_dataclass(value)}
    if topic == "all":
        text = _choices(config, *(section for section in CHOICES if section_of(config, section)))
        print_options(config, f"train {name}", text)
    if topic and is_dataclass(options := section_of(config, topic)):
        inside = [section for section in CHOICES if section.startswith(f"{topic}.") and section_of(config, section)]
        try:
            hidden = [section.rpartition(".")[2] for section in inside]
            print_options(options, f"train {name}", section=topic, hidden=hidden)
        finally:  # it leaves the program
            _print_choices(name, topic, config, inside)
    if topic:
        allowed = [*sections, *(section for section in CHOICES if "." in section and section_of(config, section))]
        raise UserError(f"train: --help {shorten(topic)}: no such section; {suggest(topic, ['all', *allowed])}")
    _print_overview(name, config, sections)


def _print_choices(name: str, topic: str, config: Config, inside: Sequence[str]) -> None:
    """Print what else can be chosen in a section, and how the options of that are shown."""
    for section in inside:
        print(
            f"--{section}.name={section_of(config, section).name} has options of its own: --help {section} shows them"
        )
    if topic in CHOICES:
        hint = f"`{program()} train {name} --{topic}.name=NAME --help {topic}` shows the options of another"
        lines = {choice: summary(kind) for choice, kind in CHOICES[topic].items()}
        print(table(f"choices of --{topic}.name; {hint}:", lines))


def _print_overview(name: str, config: Config, sections: Mapping[str, Any]) -> None:
    declared = experiment.load(name)
    print(f"usage: {program()} train {name} [--KEY=VALUE ...]\n\n{experiment.describe(name)}\n")
    for key, named in (("setting", declared.settings), ("variant", declared.variants)):
        if named:
            names = [f'"{label}"' if " " in label else label for label in named]
            text = ", ".join(label.replace(" ", "\0") for label in names)  # no break within a name
            print(textwrap.fill(f"--{key}: {text}", 100, subsequent_indent="  ").replace("\0", " "))
    if declared.settings or declared.variants:
        print(f"`{program()} list {name}` shows what they stand for.\n")
    lines = {}
    for section, options in sections.items():
        inside = [f"{section}.{item.name}" for item in fields(options) if f"{section}.{item.name}" in CHOICES]
        for key, value in [(section, options), *((key, section_of(config, key)) for key in inside)]:
            lines[key] = f"{value.name}: {summary(type(value))}" if key in CHOICES else summary(type(value))
    print(table("sections of options, with what is chosen now; a flag is --SECTION.OPTION=VALUE:", lines))
    print(f"\n{OVERALL}")


def _choices(config: Config, *sections: str) -> str:
    """Return what can be chosen in these sections, as text."""
    tables = []
    for section in sections:
        lines = {name: describe_choice(kind, section) for name, kind in CHOICES[section].items()}
        chosen = section_of(config, section).name
        tables.append(table(f"Choices of --{section}.name (now {chosen}; its options follow):", lines))
    return "\n\n".join(tables)
