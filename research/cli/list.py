"""`list`: what can be chosen, or what an experiment declares."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from research.cli.parser import Positional, parse_command
from research.config import CHOICES, experiment
from research.config.flags import summary
from research.probes import PROBES


@dataclass(frozen=True)
class List:
    """Show what can be chosen, or what an experiment declares."""

    experiment: Positional[str] = ""
    """show the claim, the settings and the variants of this one"""


def run(args: Sequence[str]) -> None:
    """Print experiments, the choices of each registry with their options, and sweeps; or one experiment."""
    options = parse_command(List, args, "list")
    if options.experiment:
        _print_experiment(options.experiment)
        return
    _print_section("experiments", {name: experiment.describe(name) for name in experiment.names()})
    for section, registry in {**CHOICES, "probes": PROBES}.items():
        title, prefix = ("probes", "probes.{}") if section == "probes" else (f"{section}.name", section)
        _print_section(title, {name: _describe(kind, prefix.format(name)) for name, kind in registry.items()})
    paths = sorted((experiment.ROOT / "sweeps").glob("*.yaml"))
    first_lines = [path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for path in paths]
    _print_section("sweeps", {f"sweeps/{path.name}": line for path, line in zip(paths, first_lines, strict=True)})


def _print_experiment(name: str) -> None:
    declared = experiment.load(name)
    print(f"{name}: {experiment.describe(name)}\n\n{textwrap.fill(declared.claim, 100)}")
    for kind, named in (("settings", declared.settings), ("variants", declared.variants)):
        options = {
            label: " ".join(f"--{key}={value}" for key, value in changes.items()) for label, changes in named.items()
        }
        if options:
            print()
            _print_section(kind, options)


def _describe(kind: type, section: str) -> str:
    names = [item.name for item in fields(kind) if item.name != "name"]
    options = textwrap.fill(f"{section}.*: {', '.join(names)}", 100, break_on_hyphens=False)
    return summary(kind) + (f"\n{options}" if names else "")


def _print_section(title: str, lines: Mapping[str, str]) -> None:
    print(title)
    width = max((len(name) for name in lines), default=0)
    for name, text in lines.items():
        print(f"  {name:<{width}}  {text}".rstrip().replace("\n", "\n" + " " * (width + 4)))
