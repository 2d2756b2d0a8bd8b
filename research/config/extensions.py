"""`--import MODULE`, on any command: import a module of the user, which may register cells, tasks, probes, ..."""

import importlib
import os
import sys
from collections.abc import Sequence

from research.errors import UserError


def import_modules(args: Sequence[str]) -> list[str]:
    """Import the modules that `--import` names, and return the other words.

    Modules are also searched in the working directory.
    """
    others: list[str] = []
    words = list(args)
    while words:
        word = words.pop(0)
        flag, equals, name = word.partition("=")
        if flag != "--import":
            others.append(word)
            continue
        if not equals:
            name = words.pop(0) if words else ""
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        fault = UserError(f"--import={name}: must be a module in the current directory or on PYTHONPATH")
        if not name or name.startswith("."):
            raise fault
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # another module, which this one imports
                raise
            raise fault from error
    return others
