"""`list`: what can be chosen, or what an experiment consists of."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from research.cli.parser import Positional, parse_command
from research.config import CHOICES, experiment
from research.config.flags import summary
from research.probes import PROBES
from research.sweep import spec


@dataclass(frozen=True)
class List:
    """List what can be chosen, or what an experiment consists of."""

    experiment: Positional[str] = ""
    """The experiment whose claim, settings and variants are shown."""


def run(args: Sequence[str]) -> None:
    """Print experiments, the choices of each registry with their options, and sweeps; or one experiment."""
    options = parse_command(List, args, "list")
    if options.experiment:
        _print_experiment(options.experiment)
        return
    print(table("experiments", experiment.summaries()))
    for section, registry in CHOICES.items():
        print(table(f"{section}.name", {name: describe_choice(kind, section) for name, kind in registry.items()}))
    print(table("probes", {name: describe_choice(kind, f"probes.{name}") for name, kind in PROBES.items()}))
    print(table("sweeps", {name: spec.describe(path) for name, path in spec.files().items()}))


def describe_choice(kind: type, section: str) -> str:
    """Return the summary of a choice and, in other lines, the names of its options."""
    names = [item.name for item in fields(kind) if item.name != "name"]
    options = textwrap.fill(f"{section}.*: {', '.join(names)}", 100, break_on_hyphens=False)
    return summary(kind) + (f"\n{options}" if names else "")


def table(title: str, lines: Mapping[str, str]) -> str:
    """Return a title and, under it, texts next to their names."""
    width = max((len(name) for name in lines), default=0)
    rows = [f"  {name:<{width}}  {text}".rstrip() for name, text in lines.items()]
    return "\n".join([title, *(row.replace("\n", "\n" + " " * (width + 4)) for row in rows)])


def _print_experiment(name: str) -> None:
    declared = experiment.load(name)
    print(f"{name}: {experiment.describe(name)}\n\n{textwrap.fill(declared.claim, 100)}")
    for kind, named in (("settings", declared.settings), ("variants", declared.variants)):
        options = {
            label: " ".join(f"--{key}={value}" for key, value in changes.items()) for label, changes in named.items()
        }
        if options:
            print(f"\n{table(kind, options)}")
