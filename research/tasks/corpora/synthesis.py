"""Speech by the library espeak-ng, through ctypes, in a process of its own.

The library seeds its noise with the clock, and keeps a state from one utterance to the next. A process that is fresh,
seeded, and says the same utterances in the same order makes the same sound; so `speak` starts one for each call:

    python -m research.tasks.corpora.synthesis FOLDER < utterances > sounds
"""

import ctypes
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from research.errors import UserError

ROOT = Path(__file__).parents[3]
SPEED, VOLUME, PITCH, RANGE, WORD_GAP = 1, 2, 3, 4, 7  # espeak_PARAMETER in espeak-ng/speak_lib.h
SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback before the call returns
UTF8 = 1
SEED = 1
LOUDNESS = 50  # half the default, at which the loudest voices are cut off
MESSAGE = 2  # exit code: the last line on stderr says what is wrong


@dataclass(frozen=True)
class Utterance:
    """What is said, and how; the library's own scales."""

    text: str
    voice: str
    """Language and variant: en-gb-scotland+Annie."""
    speed: int = 175
    """Words a minute."""
    pitch: int = 50
    """0 to 99."""
    range: int = 50
    """Of the pitch, 0 (monotone) to 99."""
    word_gap: int = 0
    """Pause between two words, in 10 ms at the default speed."""


def speak(folder: Path, utterances: Sequence[Utterance]) -> tuple[list[Int16[np.ndarray, "_"]], int]:
    """The sound of each utterance, and its samples a second.

    Args:
        folder: of the library and its data, as they lie in the package `espeakng-loader`.

    Raises:
        UserError: if the library cannot be loaded here, or does not know a voice.
    """
    command = [sys.executable, "-m", "research.tasks.corpora.synthesis", str(folder.absolute())]
    request = json.dumps([asdict(utterance) for utterance in utterances])
    done = subprocess.run(command, input=request.encode(), capture_output=True, cwd=ROOT, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"its process ended with code {done.returncode}"
        raise UserError(f"espeak-ng: {reason}")
    answer = io.BytesIO(done.stdout)
    rate, lengths, sound = int(np.load(answer)), np.load(answer), np.load(answer)
    return np.split(sound, np.cumsum(lengths)[:-1]), rate


class Library:
    """The loaded library; one a process, as its state is global."""

    def __init__(self, folder: Path) -> None:
        names = {"darwin": "libespeak-ng.dylib"}
        self._library = ctypes.CDLL(str(folder / names.get(sys.platform, "libespeak-ng.so")))
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, str(folder).encode(), 0)
        if self.rate <= 0:
            raise OSError(f"{folder}: no espeak-ng-data that the library can read")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
        self._heard: list[np.ndarray] = []
        receiver = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = receiver(self._hear)  # kept: the library has only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, utterance: Utterance) -> Int16[np.ndarray, "_"]:
        """The sound, at the library's rate."""
        if self._library.espeak_SetVoiceByName(utterance.voice.encode()):
            raise OSError(f"no voice {utterance.voice}")
        settings = {SPEED: utterance.speed, VOLUME: LOUDNESS, PITCH: utterance.pitch, RANGE: utterance.range}
        for parameter, value in (settings | {WORD_GAP: utterance.word_gap}).items():
            self._library.espeak_SetParameter(parameter, value, 0)
        text = utterance.text.encode()
        self._heard.clear()
        failed = self._library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, UTF8, None, None)
        if failed or self._library.espeak_Synchronize() or not self._heard:
            raise OSError(f"nothing is heard of {utterance.text!r} by {utterance.voice}")
        return np.concatenate(self._heard)

    def _hear(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int | None) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def main(folder: str) -> None:
    """Say what stands on standard input; write the rate, the number of samples of each utterance, then all samples."""
    try:
        library = Library(Path(folder))
        utterances = [Utterance(**fields) for fields in json.load(sys.stdin)]
        sounds = [library.say(utterance) for utterance in utterances]
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(MESSAGE)
    np.save(sys.stdout.buffer, library.rate)
    np.save(sys.stdout.buffer, np.array([len(sound) for sound in sounds]))
    np.save(sys.stdout.buffer, np.concatenate(sounds))


if __name__ == "__main__":
    main(*sys.argv[1:])
