"""Read YAML files of a bounded size, in which no key is set twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from research.errors import UserError, shorten

MAX_VALUES = 100_000
"""Most values of a file, with those that aliases repeat: ten lists of ten aliases each would stand for 10^10."""


class LineError(UserError):
    """A mistake in a line of a file; the message does not name the file."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line = line
        self.text = text


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that is set twice (PyYAML keeps the last value), and aliases that multiply."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._sizes: dict[int, int] = {}
        """Number of values of each complete node by its id."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        assert node
        if is_alias:
            if id(node) not in self._sizes:
                raise LineError(_line(node), "an alias stands for what contains it")
            return node
        children = node.value
        if isinstance(node, yaml.ScalarNode):
            children = []
            node.value.encode()  # raises ValueError for half a surrogate pair
        elif isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        size = self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in children)
        if size > MAX_VALUES:
            raise LineError(_line(node), f"aliases make it more than {MAX_VALUES} values")
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (
            ValueError,
            AttributeError,
            TypeError,
            LookupError,
        ) as error:  # PyYAML's, for a value such as 2001-13-45
            raise LineError(_line(node), f"is not YAML: {shorten(error)}") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise LineError(_line(key), f"{shorten(key.value)} is set twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    value = loader.construct_yaml_int(node)
    if value.bit_length() > 63:
        raise LineError(_line(node), f"{shorten(node.value)} is beyond 64 bits")
    return value


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def read(path: Path) -> Any:
    """Return the content of a file.

    Raises:
        UserError: if it cannot be read; without the name of the file.
    """
    return read_with_lines(path)[0]


def read_with_lines(path: Path) -> tuple[Any, dict[tuple[str, ...], int]]:
    """Return the content of a file, and the line of each key and list item by the keys that lead to it.

    The keys of `seed: {values: [0, 1]}` are ("seed",), ("seed", "values"), ("seed", "values", "0") and so on.

    Raises:
        UserError: if it cannot be read; without the name of the file.
    """
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            root = loader.get_single_node()
            if root is None:
                return None, {}
            return loader.construct_document(root), dict(_lines(root, ()))  # after it, merge keys (<<) are merged
        finally:
            loader.dispose()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        text = f"is not YAML: {shorten(error.problem)}"
        raise (LineError(error.problem_mark.line + 1, text) if error.problem_mark else UserError(text)) from error
    except (yaml.YAMLError, ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:  # PyYAML's
        raise UserError(f"is not YAML: {shorten(' '.join(str(error).split()))}") from error


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _lines(node: yaml.Node, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    pairs: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        pairs = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(str(index), value, value) for index, value in enumerate(node.value)]
    for key, named, value in pairs:
        yield (*keys, key), _line(named)
        yield from _lines(value, (*keys, key))
