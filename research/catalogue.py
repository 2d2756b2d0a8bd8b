"""What there is to choose from, read from the syntax trees of the source: nothing is imported, it takes milliseconds.

A cell is a class in a file of `research/recurrent/` that sets `name = "..."`; dropping in a file adds a cell.
Experiments are the files of `experiments/`, sweeps those of `sweeps/`, corpora the last heirs of `Corpus` in the files
of `research/tasks/corpora/`.
"""

import ast
import functools
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent
FOLDERS = {"cells": "recurrent", "tasks": "tasks", "attentions": "seq2seq"}
BASES = {
    "cells": {"Cell", "LinearCell"},
    "tasks": {"Task", "Resident", "Streamed", "Drawn", "Speech", "StockSpeech", "StockTranslation"},
    "attentions": {"Attention"},
}
"""A class with one of these bases, which is none of them itself, is an entry."""


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen by name."""

    name: str
    module: str
    symbol: str
    summary: str
    options: tuple[str, ...] = ()
    """Cells, attentions: the options of `CellConfig` or `AttentionConfig` that it reads."""
    carries_more: bool = False
    """Cells: whether the carry has, or with some option may have, parts beside h that zoneout can hold."""
    weighs: bool = True
    """Attentions: whether there are weights."""


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus that can be fetched by name."""

    name: str
    module: str
    symbol: str
    summary: str
    licence: str
    megabytes: int
    """The size of what is fetched."""
    version: str


@functools.cache
def entries(kind: str) -> dict[str, Entry]:
    """The cells, tasks or attentions by name, in the order of their files and lines."""
    folder = PACKAGE / FOLDERS[kind]
    bases = BASES[kind]
    found: dict[str, Entry] = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}
    classes = [(path, node) for path, tree in trees.items() for node in tree.body if isinstance(node, ast.ClassDef)]
    inherited = {node.name: _assigned(node, "options") for _, node in classes if node.name in bases}
    for path, node in classes:
        if node.name not in bases and bases & _parents(node):
            name = _assigned(node, "name") or node.name.lower()
            module = f"research.{FOLDERS[kind]}.{path.stem}"
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            options = _assigned(node, "options")
            if options is None:
                options = next(inherited.get(base) or () for base in bases & _parents(node))
            more = "parts" in _names(node) and _assigned(node, "averages") is not False
            weighs = _assigned(node, "weighs") is not False
            found[name] = Entry(name, module, node.name, summary, options, more, weighs)
    return found


def names(kind: str) -> tuple[str, ...]:
    return tuple(entries(kind))


def load(kind: str, name: str) -> type:
    """Import and return the class of that name."""
    entry = entries(kind)[name]
    return getattr(importlib.import_module(entry.module), entry.symbol)


@functools.cache
def experiments() -> dict[str, str]:
    """The first line of each experiment's docstring, by name."""
    paths = sorted((ROOT / "experiments").glob("*.py"))
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in paths if path.stem != "__init__"}
    return {
        name: (ast.get_docstring(tree) or "").partition("\n")[0]
        for name, tree in trees.items()
        if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPERIMENT" for node in tree.body)
    }


def sweeps() -> tuple[str, ...]:
    return tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "sweeps").glob("*.yaml")))


@functools.cache
def corpora() -> dict[str, CorpusEntry]:
    """The corpora by name, in the order of their files and lines; what a class does not say its base does."""
    paths = sorted((PACKAGE / "tasks" / "corpora").glob("*.py"))
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    nodes = {
        node.name: (stem, node) for stem, tree in trees.items() for node in tree.body if isinstance(node, ast.ClassDef)
    }
    lines = {name: _line(name, nodes) for name in nodes}
    bases = {base.name for line in lines.values() for base in line[1:]}
    found: dict[str, CorpusEntry] = {}
    for name, line in lines.items():
        if line[-1].name == "Corpus" and name not in bases:

            def said(attribute: str, line: list[ast.ClassDef] = line) -> Any:
                return next((value for node in line if (value := _assigned(node, attribute)) is not None), "")

            called = said("name") or _snake_case(name)
            summary = next((text for node in line if (text := ast.get_docstring(node))), "").partition("\n")[0]
            module = f"research.tasks.corpora.{nodes[name][0]}"
            details = said("licence"), said("megabytes"), said("VERSION")
            found[called] = CorpusEntry(called, module, name, summary, *details)
    return found


def load_corpus(name: str) -> Any:
    """Import and return the class of the corpus of that name."""
    entry = corpora()[name]
    return getattr(importlib.import_module(entry.module), entry.symbol)


def _line(name: str, nodes: dict[str, tuple[str, ast.ClassDef]]) -> list[ast.ClassDef]:
    """The class and what it inherits from, up to the last that is among these; of several bases, the first."""
    line: list[ast.ClassDef] = []
    while name in nodes:
        line.append(nodes[name][1])
        name = ast.unparse(line[-1].bases[0]) if line[-1].bases else ""
    return line


def _snake_case(name: str) -> str:
    """The name that TFDS gives to a class."""
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()


def _parents(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(parent).split("[")[0] for parent in node.bases}


def _names(node: ast.ClassDef) -> set[str]:
    """What the class body defines."""
    named: set[str] = set()
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            named |= {ast.unparse(target) for target in targets}
        elif isinstance(statement, ast.FunctionDef):
            named.add(statement.name)
    return named


def _assigned(node: ast.ClassDef, attribute: str) -> Any:
    """What the class body sets the attribute to; None if it does not."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == attribute:
            return _literal(statement.value)
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == attribute and statement.value:
            return _literal(statement.value)
    return None


def _literal(value: ast.expr) -> Any:
    """What is written; of a call, such as `Version("1.0.0")`, its first argument."""
    return ast.literal_eval(value.args[0] if isinstance(value, ast.Call) else value)
