"""`data`: the corpora that tasks train on."""

from collections.abc import Sequence
from dataclasses import dataclass

from research.cli.parser import parse_command
from research.config.flags import HELP
from research.data import catalog
from research.errors import UserError

USAGE = """\
usage: python -m research data list | fetch NAME ... | info NAME

  list            what there is, and what of it is prepared
  fetch NAME ...  get and prepare corpora; tasks do so themselves
  info NAME       what is in a corpus, and where it is from"""


@dataclass(frozen=True)
class List:
    """Show what there is, and what of it is prepared."""


@dataclass(frozen=True)
class Fetch:
    """Get and prepare corpora; tasks do so themselves."""

    names: tuple[str, ...]
    """names of `data list`; of those of TFDS, NAME/CONFIG takes another config than the first"""


@dataclass(frozen=True)
class Info:
    """Show what is in a corpus, and where it is from."""

    name: str
    """name of `data list`"""


def run(args: Sequence[str]) -> None:
    """Print what there is of corpora, or prepare some.

    Raises:
        UserError: for an unknown corpus, or one that cannot be prepared.
    """
    actions = {"list": List, "fetch": Fetch, "info": Info}
    if args and args[0] in HELP:
        print(USAGE)
        return
    if not args or args[0] not in actions:
        word = f"{args[0]}: no such action; " if args else ""
        raise UserError(f"data: {word}must be one of {', '.join(actions)}")
    options = parse_command(actions[args[0]], args[1:], f"data {args[0]}")
    if isinstance(options, List):
        catalog.print_list()
    elif isinstance(options, Fetch):
        catalog.fetch(options.names)
    elif isinstance(options, Info):
        catalog.print_info(options.name)
