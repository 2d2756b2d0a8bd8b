"""Speech by the libraries espeak-ng and flite, in a process of its own.

Their state is global and lasts from one utterance to the next, so `speak` starts a process for each call, which makes
the same sounds of the same utterances:

    python -m research.data.speech_synthesis.speak LIBRARY FOLDER < utterances > sounds

Utterances and sounds are pickled.
"""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int16

from research.data.speech_synthesis import espeak, flite
from research.errors import UserError

ROOT = Path(__file__).parents[3]
LIBRARIES = {"espeak-ng": espeak, "flite": flite}
MESSAGE = 2  # exit code: the last line on stderr says what is wrong


class LibraryDiedError(UserError):
    """The library has crashed."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
        """Number of the utterance, from 0."""


def speak(
    library: Literal["espeak-ng", "flite"],
    folder: Path,
    utterances: Sequence[espeak.Utterance] | Sequence[flite.Utterance],
) -> tuple[list[Int16[np.ndarray, "_"]], int]:
    """Return the samples of utterances of a library's own kind, and how many there are a second.

    Raises:
        UserError: if the library cannot be loaded here, or does not know a voice; `LibraryDiedError` if it crashes.
    """
    command = [sys.executable, "-m", "research.data.speech_synthesis.speak", library, str(folder.absolute())]
    done = subprocess.run(command, input=pickle.dumps(utterances), capture_output=True, cwd=ROOT, check=False)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0 and lines and lines[-1].isdecimal():
        number = int(lines[-1])
        deadly = utterances[number]
        message = f"{library}: died of signal {-done.returncode} saying {deadly.text!r} by {deadly.voice}"
        raise LibraryDiedError(message, number)
    if done.returncode:
        reason = lines[-1] if lines else f"its process ended with code {done.returncode}"
        raise UserError(f"{library}: {reason}")
    return pickle.loads(done.stdout)


def main(library: str, folder: str) -> None:
    """Say the utterances on standard input; write their samples, and how many there are a second.

    The number of each utterance is written to standard error before it is said.
    """
    sounds = []
    try:
        loaded = LIBRARIES[library].Library(Path(folder))
        for number, utterance in enumerate(pickle.load(sys.stdin.buffer)):
            print(number, file=sys.stderr, flush=True)
            sounds.append(loaded.say(utterance))
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(MESSAGE)
    sys.stdout.buffer.write(pickle.dumps((sounds, loaded.rate)))


if __name__ == "__main__":
    main(*sys.argv[1:])
