"""The pages that people read: README.md, CONTRIBUTING.md and docs/, and what is in them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""The text of each page by its path."""
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
"""Targets of make."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.(?:py|yaml))\n")
SPAN = re.compile(r"`([^`]+)`")
ASSIGNMENT = re.compile(r"[A-Z_]+=")
SEPARATORS = ("&&", "||", "|", "&", ";")


class Block(NamedTuple):
    """A block of code."""

    page: str
    kind: str
    """python, sh, yaml, ..."""
    text: str
    file: str
    """What the first line says that the block is the content of, such as "research/cells/forget_lstm.py"."""


class Table(NamedTuple):
    """A table: the words of its head and of its rows."""

    page: str
    head: list[str]
    rows: list[list[str]]


def blocks(kind: str = "") -> list[Block]:
    """Return all blocks of code of a kind, by default of all."""
    found = []
    for page, content in PAGES.items():
        for language, text in BLOCK.findall(content):
            file = FILE.match(text)
            found.append(Block(page, language, text[file.end() :] if file else text, file[1] if file else ""))
    return [block for block in found if kind in ("", block.kind)]


class Entry(NamedTuple):
    """A line that a recipe adds to a registry, and what is registered."""

    package: str
    """That of the registry, such as "research.cells"."""
    registry: str
    """Such as "CELLS"."""
    name: str
    kind: str
    """The class."""
    file: str
    """The file of the class, such as "research/cells/forget_lstm.py"."""


def entries() -> list[Entry]:
    """Return what the recipes add to registries."""
    found = []
    for block in blocks("diff"):
        (registry,) = re.findall(r"^ (\w+): dict", block.text, re.MULTILINE)
        files = {
            kind: module.replace(".", "/") + ".py"
            for module, kind in re.findall(r"\+from (\S+) import (\w+)", block.text)
        }
        for name, kind in re.findall(r'^\+ +"(\w+)": (\w+),$', block.text, re.MULTILINE):
            found.append(Entry(block.file.rpartition("/")[0].replace("/", "."), registry, name, kind, files[kind]))
    return found


def prose(page: str) -> str:
    """Return a page without its blocks of code."""
    return BLOCK.sub("", PAGES[page])


def spans(page: str) -> list[str]:
    """Return what stands in backticks."""
    return [span.replace("\n", " ") for span in SPAN.findall(prose(page))]


def tables() -> list[Table]:
    """Return all tables."""
    found = []
    for page in PAGES:
        for text in re.findall(r"^(?:\|.*\|\n)+", prose(page), re.MULTILINE):
            head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
            found.append(Table(page, head, rows))
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Return the words of each command with its page, from blocks for the shell and from prose."""
    lines = [(block.page, line) for block in blocks("sh") for line in block.text.splitlines()]
    lines += [(block.page, line) for block in blocks("console") for line in re.findall(r"^\$ (.*)", block.text, re.M)]
    lines += [
        (page, span) for page in PAGES for span in spans(page) if re.match(r"(research|make|python|pip) \S", span)
    ]
    lines += [
        (page, f"research {span}")
        for page in PAGES
        for span in spans(page)
        if re.match("train --?\\w|train [a-z]", span)
    ]
    return [(page, words) for page, line in lines for words in _simple_commands(line)]


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in SEPARATORS:
            if command := _without_environment(words):
                yield command
            words = []
        else:
            words.append(word)


def _without_environment(words: Sequence[str]) -> list[str]:
    """Return a command without the variables before it and without what it reads from."""
    start = next((index for index, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
    command = list(words[start:])
    return command[: command.index("<")] if "<" in command else command


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
