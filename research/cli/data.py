"""`data`: the corpora that tasks train on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from research.cli.parser import Positional, parse_command
from research.data import catalog
from research.errors import UserError


@dataclass(frozen=True)
class Data:
    """Show what there is of corpora, or prepare some."""

    action: Literal["list", "fetch", "info"]
    """list: what there is, and what of it is prepared; fetch: get and prepare corpora (tasks do so themselves);
    info: what is in a corpus, and where it is from"""
    names: Positional[tuple[str, ...]] = ()
    """for fetch and info: names of `data list`; of those of TFDS, NAME/CONFIG takes another config than the first"""

    def __post_init__(self) -> None:
        if bool(self.names) == (self.action == "list"):
            allowed = "alone" if self.names else "followed by names of `data list`"
            raise UserError(f"{self.action}: must stand {allowed}")


def run(args: Sequence[str]) -> None:
    """Print what there is of corpora, or prepare some."""
    options = parse_command(Data, args, "data")
    if options.action == "list":
        catalog.print_list()
    elif options.action == "fetch":
        catalog.fetch(options.names)
    else:
        for name in options.names:
            catalog.print_info(name)
