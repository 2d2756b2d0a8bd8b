"""`data`: the corpora that tasks train on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from research.cli.parser import Positional, parse_command
from research.data import catalog
from research.errors import UserError


@dataclass(frozen=True)
class Data:
    """List corpora, prepare some, or describe some."""

    action: Literal["list", "fetch", "info"]
    """list: all corpora, and which are prepared; fetch: download and prepare some (training does so, too);
    info: what a corpus holds, and where it is from"""
    names: Positional[tuple[str, ...]] = ()
    """for fetch and info: names of `data list`; NAME/CONFIG for another config of a TFDS corpus than the first"""

    def __post_init__(self) -> None:
        if bool(self.names) == (self.action == "list"):
            allowed = "take no name" if self.names else "be followed by names of `data list`"
            raise UserError(f"{self.action}: must {allowed}")


def run(args: Sequence[str]) -> None:
    """Run the action."""
    options = parse_command(Data, args, "data")
    if options.action == "list":
        catalog.print_list()
    elif options.action == "fetch":
        catalog.fetch(options.names)
    else:
        for name in options.names:
            catalog.print_info(name)
