"""What a user passes to `predict`: texts, the lines of the standard input, files, and the files of folders."""

import io
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Kind = Literal["text", "audio", "image", "array"]
"""What an input is: a text, or a file of one of the other kinds."""
SUFFIXES = {
    "audio": (".wav", ".flac", ".ogg"),
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    "array": (".npy", ".npz", ".json"),
}
"""Suffixes of the files that are taken out of a folder; a file that is named itself may have any."""


@dataclass(frozen=True)
class Input:
    """One input."""

    name: str
    """The input as the user knows it: the text, or the path."""
    source: str
    """What a processor encodes: the text, or the path of a file."""
    line: str = ""
    """Start of a complaint about a line of the standard input: "line 3: "."""
    fault: str = ""
    """Why there is nothing to be read."""

    def complaint(self, reason: str) -> str:
        """Return one line that names the input as the user knows it."""
        renamed = self.source and self.name != self.source
        return self.line + (reason.replace(self.source, self.name) if renamed else reason)


def are_named(words: Sequence[str], kind: Kind) -> bool:
    """Return whether outputs need the names of their inputs: there may be more than one."""
    return len(words) > 1 or (words[0] == "-" if kind == "text" else os.path.isdir(words[0]))


def read(words: Sequence[str], kind: Kind, folder: Path) -> Iterator[Input]:
    """Yield all inputs, in the order of the words; files of a folder are sorted by path.

    The bytes of a file that comes on the standard input go into `folder`.
    """
    for word in words:
        if kind == "text":
            yield from _lines() if word == "-" else [Input(word, word)]
        elif word == "-":
            path = folder / "standard_input"
            if path.write_bytes(_standard_input().read()):
                yield Input("-", str(path))
            else:
                yield Input("-", "-", fault="nothing came on the standard input; must be the bytes of a file")
        elif os.path.isdir(word):
            yield from _files(word, SUFFIXES[kind])
        elif not word:
            yield Input("''", word, fault="is no name; must be a file or a folder")
        else:
            yield _file(word)


def in_chunks(inputs: Iterable[Input], size: int) -> Iterator[list[Input]]:
    """Yield at most `size` inputs at a time; fewer where the next line of the standard input has not come yet."""
    chunk: list[Input] = []
    for item in inputs:
        chunk.append(item)
        if len(chunk) == size or (item.line and _must_wait()):
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _must_wait() -> bool:
    try:
        return not select.select([_standard_input()], [], [], 0)[0]
    except (OSError, ValueError):  # no file of the operating system
        return False


def _file(path: str) -> Input:
    special = os.path.exists(path) and not os.path.isfile(path)
    return Input(path, path, fault="is no regular file; - takes one from the standard input" if special else "")


def _lines() -> Iterator[Input]:
    number = 0
    for number, line in enumerate(_standard_input(), start=1):
        place = f"line {number}: "
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            name = line.rstrip(b"\r\n").decode(errors="backslashreplace")
            yield Input(name, name, place, fault="is not UTF-8 text")
        else:
            yield Input(text, text, place)
    if not number:
        yield Input("-", "-", fault="nothing came on the standard input; must be lines of text")


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer if sys.stdin else io.BytesIO()  # there is none if it was closed


def _files(top: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    """Yield the files of a folder and of those in it; hidden ones are ignored."""
    paths: list[str] = []
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = [name for name in names if not name.startswith(".") and name.lower().endswith(suffixes)]
        paths += [os.path.join(folder, name) for name in files]
    paths.sort()
    if not paths:
        yield Input(top, top, fault=f"has no file in it that ends in one of {', '.join(suffixes)}")
    yield from map(_file, paths)
