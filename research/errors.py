"""How a command ends before its time: a mistake of the user, shown as one line, exit code 2; or a signal."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What is wrong, where, and what is allowed, in one line."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; the name of its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shorten(value: object, most: int = 80) -> str:
    """Return the text of a value, cut after `most` letters, for an error."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return which known word is probably meant, or else all of them, to follow "no such ..."."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}?" if close else f"must be one of {', '.join(words)}"


class Stopped(KeyboardInterrupt):
    """A signal has ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number
        """As shells report it: 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP."""
