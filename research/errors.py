"""How a command ends before its time: a mistake of the user, shown as one line, exit code 2; or a signal."""

import difflib
import signal
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class UserError(Exception):
    """What is wrong, where, and what is allowed, in one line."""


def program() -> str:
    """Return how the program was started, for commands that a message shows: `research`, where that is installed."""
    return "research" if Path(sys.argv[0]).stem == "research" else "python -m research"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; the name of its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shorten(value: object, most: int = 80) -> str:
    """Return the text of a value, cut after `most` letters, for an error."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escape(text: str) -> str:
    r"""Return text that a terminal can be given: control characters as \x1b, bytes that are no UTF-8 as \xff."""
    text = "".join(repr(x)[1:-1] if unicodedata.category(x) == "Cc" else x for x in text)
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def visible(text: str) -> str:
    """Return an error's text on one line, with invisible characters as <U+200B>, so that a reader sees them."""
    line = escape(" ".join(text.split("\n")))
    return "".join(x if x.isprintable() else f"<U+{ord(x):04X}>" for x in line)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return which known word is probably meant, or else all of them, to follow "no such ..."."""
    words = list(known)
    return nearest(word, words).removeprefix("; ") or f"must be one of {', '.join(words)}"


def nearest(word: object, known: Iterable[object]) -> str:
    """Return which known word is probably meant, to follow what is allowed; "" if none is like it."""
    close = difflib.get_close_matches(str(word), [*map(str, known)], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def require_returned(fits: bool, what: str, value: Any, wanted: str) -> None:
    """Reject what a method of the user's own class has returned, in a line of what it is and what it must be."""
    if not fits:
        raise UserError(f"{what} {kind_of(value)}; must be {wanted}")


def kind_of(value: Any) -> str:
    """Return what a value is, in words: of an array its shape and type."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array {list(value.shape)} of {value.dtype}"
    if isinstance(value, tuple | list) and len(value) <= 8:
        return f"{type(value).__name__} ({', '.join(map(kind_of, value))})"
    return type(value).__name__


DISK_CODES = ("RESOURCE_EXHAUSTED", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION")
"""In the messages of tensorstore, which writes for orbax."""


def system_fault(error: BaseException, place: object) -> str | None:
    """Return in one line what the operating system refused; None if the error is of another kind.

    NumPy and Python raise MemoryError, JAX JaxRuntimeError, threads RuntimeError, orbax ValueError, and a library that
    finds no room as it is loaded ImportError.

    Args:
        error: what was raised.
        place: what was read or written, if the error does not say it.
    """
    text = shorten(first_line(error), 120)
    if isinstance(error, OSError):
        return f"{shorten(error.filename or place, 300)}: {error.strerror or text}"
    if isinstance(error, ValueError):
        return f"{place}: cannot be written ({text})" if any(code in text for code in DISK_CODES) else None
    signs = {
        RuntimeError: ("RESOURCE_EXHAUSTED", "Out of memory", "can't start new thread"),
        ImportError: ("failed to map segment", "annot allocate memory"),
    }
    words = first_line(error)  # whole: the path of a library comes before its fault
    out = any(isinstance(error, kind) and any(sign in words for sign in some) for kind, some in signs.items())
    if out or isinstance(error, MemoryError):
        return f"out of memory: {text}"
    return None


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command in an orderly way."""


class Stopped(KeyboardInterrupt):
    """A signal has ended the command."""

    def __init__(self, number: int, kept: str = "") -> None:
        super().__init__()
        self.number = number
        self.kept = kept
        """What follows "interrupted"; "" if trials are to be resumed."""
        self.exit_code = 128 + number
        """As shells report it: 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP."""
