"""The library flite, through ctypes.

Files are those of Debian's package `libflite1`; flite is linked with ALSA, which must be there to load it, although
nothing is played.
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16

FLITE = "libflite.so.2.2"
FILES = ("libasound.so.2.0.0", FLITE, "libflite_usenglish.so.2.2", "libflite_cmulex.so.2.2")
"""Libraries, each after those that it needs."""

STRETCH, PITCH = b"duration_stretch", b"int_f0_target_mean"  # the library keeps their addresses, so they must stay


@dataclass(frozen=True)
class Utterance:
    """A text and its settings."""

    text: str
    voice: str
    """Voice: kal16, awb, rms or slt."""
    stretch: float = 1.0
    """Duration, as a multiple of the voice's own."""
    pitch: float = 100.0
    """Mean pitch, in Hz; rms keeps its own."""


class _Wave(ctypes.Structure):
    _fields_ = (  # cst_wave
        ("kind", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("count", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))  # the beginning of cst_voice


class Library:
    """The loaded library; one a process, as its state is global."""

    rate = 16_000

    def __init__(self, folder: Path) -> None:
        """Load the library from the folder of its files and of ALSA's."""
        self._folder = folder
        self._flite = {name: self._load(name) for name in FILES}[FLITE]
        self._flite.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        self._flite.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.POINTER(_Voice)]
        self._flite.flite_feat_set_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
        self._flite.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
        self._flite.flite_init()
        self._voices: dict[str, ctypes._Pointer[_Voice]] = {}

    def say(self, utterance: Utterance) -> Int16[np.ndarray, "_"]:
        """Return the samples, at the library's rate."""
        voice = self._voice(utterance.voice)
        for feature, value in ((STRETCH, utterance.stretch), (PITCH, utterance.pitch)):
            self._flite.flite_feat_set_float(voice.contents.features, feature, value)
        result = self._flite.flite_text_to_wave(utterance.text.encode(), voice)
        wave = result.contents
        if wave.count <= 0 or wave.rate != self.rate:
            raise OSError(f"{utterance.text!r} by {utterance.voice}: {wave.count} samples at {wave.rate} a second")
        sound = np.ctypeslib.as_array(wave.samples, (wave.count,)).copy()
        self._flite.delete_wave(result)
        return sound

    def _voice(self, name: str) -> "ctypes._Pointer[_Voice]":
        if name not in self._voices:
            register = getattr(self._load(f"libflite_cmu_us_{name}.so.2.2"), f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.POINTER(_Voice), [ctypes.c_char_p]
            self._voices[name] = register(None)
        return self._voices[name]

    def _load(self, name: str) -> ctypes.CDLL:
        return ctypes.CDLL(str(self._folder / name), ctypes.RTLD_GLOBAL)
