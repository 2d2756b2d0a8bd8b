"""Other values of the options of a class: each option must change something, whatever class is added."""

import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from research.errors import UserError

VALUES: dict[str, Any] = {"jacobian.lags": "1,2"}
"""Values by class and option, where the type tells none that must change something."""


def own_options(kind: Any, base: Any) -> list[str]:
    """Return the names of the options that a class adds to those of a base class."""
    known = {item.name for item in fields(base)}
    return [item.name for item in fields(kind) if item.name not in known]


def other_values(kind: Any, option: str) -> list[Any]:
    """Return values of an option other than its default; some of them may be refused."""
    if (name := f"{kind.name}.{option}") in VALUES:
        return [VALUES[name]]
    default: Any = next(item.default for item in fields(kind) if item.name == option)
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, str):
        return [value for value in typing.get_args(typing.get_type_hints(kind)[option]) if value != default]
    values = (2, 1, 3) if isinstance(default, int) else (default / 2 or 0.5, 2 * default or 2.0)
    return [value for value in values if value != default]


def assert_option_matters(
    kind: Any, option: str, differ: Callable[[Any, Any], bool], create: Callable[..., Any] | None = None
) -> None:
    """Assert that another value of an option changes something, alone or next to another value of another option.

    Args:
        kind: the class of the option.
        option: name of the field.
        differ: whether what two objects of the class compute differs. A UserError refuses one of them.
        create: makes an object of options; by default the class.
    """

    def changes(**partner: Any) -> Iterator[bool]:
        for value in other_values(kind, option):
            try:
                yield differ((create or kind)(**partner), (create or kind)(**partner, **{option: value}))
            except UserError:
                continue

    names = [item.name for item in fields(kind) if item.name not in ("name", option)]
    others = [{name: value} for name in names for value in other_values(kind, name)[:1]]
    assert any(change for partner in ({}, *others) for change in changes(**partner)), (
        f"{kind.__name__}.{option} changes nothing, alone or with one other option. If it needs a value that its type "
        'does not tell, add one to VALUES in tests/options.py: "name.option": value'
    )
