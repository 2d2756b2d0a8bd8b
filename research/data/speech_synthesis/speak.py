"""Speech by the libraries espeak-ng and flite, in a process of its own.

Their state is global and lasts from one utterance to the next, so `speak` starts a process for each call, which makes
the same sounds of the same utterances:

    python -m research.data.speech_synthesis.speak LIBRARY FOLDER PARENT < utterances > sounds

PARENT is the process that waits for the sounds: the new process ends with it, however it ends.
"""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
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
    """Return the samples of each utterance, and how many there are a second.

    Args:
        library: name of the library.
        folder: folder of its files, as its `Library` takes it.
        utterances: utterances of the library's own kind.

    Raises:
        UserError: if the library cannot be loaded here, or does not know a voice; `LibraryDiedError` if it crashes.
    """
    arguments = [library, str(folder.absolute()), str(os.getpid())]
    command = [sys.executable, "-m", "research.data.speech_synthesis.speak", *arguments]
    request = json.dumps([asdict(utterance) for utterance in utterances])
    done = subprocess.run(command, input=request.encode(), capture_output=True, cwd=ROOT, check=False)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0 and lines and lines[-1].isdecimal():
        number = int(lines[-1])
        deadly = utterances[number]
        message = f"{library}: died of signal {-done.returncode} saying {deadly.text!r} by {deadly.voice}"
        raise LibraryDiedError(message, number)
    if done.returncode:
        reason = lines[-1] if lines else f"its process ended with code {done.returncode}"
        raise UserError(f"{library}: {reason}")
    answer = io.BytesIO(done.stdout)
    rate, lengths, sound = int(np.load(answer)), np.load(answer), np.load(answer)
    return np.split(sound, np.cumsum(lengths)[:-1]), rate


def main(library: str, folder: str, parent: str) -> None:
    """Say the utterances on standard input; write the rate, the number of samples of each utterance, then all samples.

    The number of each utterance is written to standard error before it is said.
    """
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    module = LIBRARIES[library]
    try:
        loaded = module.Library(Path(folder))
        utterances = [module.Utterance(**fields) for fields in json.load(sys.stdin)]
        sounds = []
        for number, utterance in enumerate(utterances):
            print(number, file=sys.stderr, flush=True)
            sounds.append(loaded.say(utterance))
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(MESSAGE)
    answer = io.BytesIO()  # NumPy needs the position in a file, which a pipe does not have
    for array in (loaded.rate, [len(sound) for sound in sounds], np.concatenate(sounds)):
        np.save(answer, array)
    sys.stdout.buffer.write(answer.getbuffer())


def _end_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(MESSAGE)


if __name__ == "__main__":
    main(*sys.argv[1:])
