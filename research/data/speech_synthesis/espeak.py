"""The library espeak-ng, through ctypes.

The library seeds its noise with the clock and keeps a state between utterances. So the sound of an utterance is
reproducible only in a new process that sets the seed and speaks the same utterances in the same order (`speak.py`).
"""

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16

SPEED, VOLUME, PITCH, RANGE, WORD_GAP = 1, 2, 3, 4, 7  # espeak_PARAMETER in espeak-ng/speak_lib.h
SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback before the call returns
UTF8 = 1
SEED = 1
LOUDNESS = 50  # half the default, at which the loudest voices are cut off


@dataclass(frozen=True)
class Utterance:
    """A text and its settings, on the library's own scales."""

    text: str
    voice: str
    """Language and variant: en-gb-scotland+Annie."""
    speed: int = 175
    """Words a minute."""
    pitch: int = 50
    """Pitch, 0 to 99."""
    range: int = 50
    """Range of the pitch, 0 (monotone) to 99."""
    word_gap: int = 0
    """Pause between two words, in units of 10 ms at the default speed."""


class Library:
    """The loaded library; one a process, as its state is global."""

    def __init__(self, folder: Path) -> None:
        """Load the library from a folder where it and its data lie as in the package `espeakng-loader`."""
        names = {"darwin": "libespeak-ng.dylib"}
        self._library = ctypes.CDLL(str(folder / names.get(sys.platform, "libespeak-ng.so")))
        self.rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, str(folder).encode(), 0)
        if self.rate <= 0:
            raise OSError(f"{folder}: no espeak-ng-data that the library can read")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
        self._received: list[np.ndarray] = []
        receiver = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = receiver(self._receive)  # kept: the library has only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, utterance: Utterance) -> Int16[np.ndarray, "_"]:
        """Return the samples, at the library's rate."""
        if self._library.espeak_SetVoiceByName(utterance.voice.encode()):
            raise OSError(f"no voice {utterance.voice}")
        settings = {SPEED: utterance.speed, VOLUME: LOUDNESS, PITCH: utterance.pitch, RANGE: utterance.range}
        for parameter, value in (settings | {WORD_GAP: utterance.word_gap}).items():
            self._library.espeak_SetParameter(parameter, value, 0)
        text = utterance.text.encode()
        self._received.clear()
        failed = self._library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, UTF8, None, None)
        if failed or self._library.espeak_Synchronize() or not self._received:
            raise OSError(f"no sound of {utterance.text!r} by {utterance.voice}")
        return np.concatenate(self._received)

    def _receive(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int | None) -> int:
        if samples and count > 0:
            self._received.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0
