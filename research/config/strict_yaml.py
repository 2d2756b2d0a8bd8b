"""Read YAML files of a bounded size, in which no key is set twice."""

from pathlib import Path
from typing import Any

import yaml

from research.errors import UserError, shorten

MAX_VALUES = 100_000
"""Most values of a file, with those that aliases repeat: ten lists of ten aliases each would stand for 10^10."""


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
        line = f"line {node.start_mark.line + 1}"
        if is_alias:
            if id(node) not in self._sizes:
                raise UserError(f"{line}: an alias stands for what contains it")
            return node
        children = node.value
        if isinstance(node, yaml.ScalarNode):
            children = []
            node.value.encode()  # raises ValueError for half a surrogate pair
        elif isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        size = self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in children)
        if size > MAX_VALUES:
            raise UserError(f"{line}: aliases make it more than {MAX_VALUES} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise UserError(f"line {key.start_mark.line + 1}: {shorten(key.value)} is set twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    value = loader.construct_yaml_int(node)
    if value.bit_length() > 63:
        raise UserError(f"line {node.start_mark.line + 1}: {shorten(node.value)} is beyond 64 bits")
    return value


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def read(path: Path) -> Any:
    """Return the content of a file.

    Raises:
        UserError: if it cannot be read; without the name of the file.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{line}is not YAML: {shorten(error.problem)}") from error
    except (yaml.YAMLError, ValueError, AttributeError, TypeError, LookupError, RecursionError) as error:  # PyYAML's
        raise UserError(f"is not YAML: {shorten(' '.join(str(error).split()))}") from error
