"""What a user gives, one by one: texts, the lines of the standard input, files, and the files of folders."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from research.tasks.reader import Kind

SUFFIXES = {
    "sound": (".wav", ".flac", ".ogg"),
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
}
"""Of the files that are taken out of a folder; a file that is given by name may have any."""


@dataclass(frozen=True)
class Given:
    """One input."""

    name: str
    """As the user knows it: the text, or the path."""
    content: str
    """What a reader reads: the text, or the path of a file."""
    place: str = ""
    """Of a line: what to put in front of a complaint."""
    fault: str = ""
    """Why there is nothing to be read here."""

    def complaint(self, reason: str) -> str:
        """One line that names the input."""
        renamed = self.content and self.name != self.content
        return self.place + (reason.replace(self.content, self.name) if renamed else reason)


def several(inputs: Sequence[str], kind: Kind) -> bool:
    """Whether outputs need the names of their inputs: there may be more than one."""
    return len(inputs) > 1 or (inputs[0] == "-" if kind == "text" else os.path.isdir(inputs[0]))


def given(inputs: Sequence[str], kind: Kind, folder: Path) -> Iterator[Given]:
    """All inputs, in the order given; files of a folder are sorted by path.

    Args:
        folder: where what comes as bytes may be put.
    """
    for word in inputs:
        if kind == "text":
            yield from _lines() if word == "-" else [Given(word, word)]
        elif word == "-":
            yield _file(folder)
        elif os.path.isdir(word):
            yield from _within(word, SUFFIXES[kind])
        elif not word:
            yield Given("''", word, fault="is no name; must be a file or a folder")
        else:
            yield _named(word)


def _named(path: str) -> Given:
    special = os.path.exists(path) and not os.path.isfile(path)
    return Given(path, path, fault="is no regular file; - takes one from the standard input" if special else "")


def _lines() -> Iterator[Given]:
    number = 0
    for number, line in enumerate(_standard_input(), start=1):
        place = f"line {number}: "
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            name = line.rstrip(b"\r\n").decode(errors="backslashreplace")
            yield Given(name, name, place, fault="is not UTF-8 text")
        else:
            yield Given(text, text, place)
    if not number:
        yield Given("-", "-", fault="nothing came on the standard input; must be lines of text")


def _file(folder: Path) -> Given:
    content = _standard_input().read()
    if not content:
        return Given("-", "-", fault="nothing came on the standard input; must be the bytes of a file")
    path = folder / "standard_input"
    path.write_bytes(content)
    return Given("-", str(path))


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer if sys.stdin else io.BytesIO()  # there is none if it was closed


def _within(word: str, suffixes: tuple[str, ...]) -> Iterator[Given]:
    """The files of a folder and of those in it; what is hidden is passed over."""
    found = []
    for folder, folders, files in os.walk(word):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in files if not name.startswith(".")]
    paths = sorted(path for path in found if path.lower().endswith(suffixes))
    if not paths:
        yield Given(word, word, fault=f"has no file in it that ends in one of {', '.join(suffixes)}")
    yield from map(_named, paths)
