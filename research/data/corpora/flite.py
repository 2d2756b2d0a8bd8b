"""Connected digits, synthesized by flite in four voices that were built from recordings: from Debian's `libflite1`.

More speech to train on, next to that of espeak-ng (`espeak.py`), whose sounds are computed from rules. The voices awb
(a Scot), rms and slt (Americans, slt a woman) are statistical models of about an hour of CMU ARCTIC each; kal16 (an
American) joins the halves of recorded phonemes. Strings are sampled as in `espeak.py`, for the split train only; each
has a random tempo (0.75 to 1.6 times as long), mean pitch (rms keeps its own) and silences. The sample rate is 8,000
Hz.

The samples are the same each time on one machine.
"""

import os
import platform
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from research.data.corpora import espeak
from research.data.corpora.corpus import Examples
from research.data.corpora.fetch import debian, scratch, unpacked
from research.data.corpora.recordings import Recording, SpeechCorpus
from research.data.speech_synthesis.flite import Utterance
from research.errors import UserError

MAX_STRINGS = 500
"""Strings of each voice."""
SYSTEM = "Linux x86_64"
PACKAGES = {
    "libflite1": ("2.2-5", "bfa8c591f1b47730b30b372ec38e02918a1c9795eada67684e1746390ad2f061"),
    "libasound2": ("1.2.8-1+b1", "44c77b076a7b11ae99712439022d822245b1994c435da564ebd320bb676faf4c"),
}
"""Version and sha256."""
PITCH = {"kal16": 95.0, "awb": 140.0, "rms": 100.0, "slt": 170.0}
"""Pitch of each voice, in Hz; half of its strings lie within 13% of it, none beyond 29%."""
STRETCH = (0.75, 1.6)
PITCH_RANGE = 0.25
"""Range of the logarithm of the pitch."""


@dataclass(frozen=True, kw_only=True)
class FliteDigits(SpeechCorpus):
    """Synthesized strings of digits; a speaker is a voice."""

    name: str = "flite_digits"
    summary: str = "Connected digits, synthesized in four voices built from recordings."
    license: str = "MIT-CMU"
    megabytes: int = 13
    source: str = "Debian packages " + " and ".join(f"{name} {version}" for name, (version, _) in PACKAGES.items())
    citation: str = "Black & Lenzo 2001, Flite; Kominek & Black 2004, the CMU ARCTIC databases"

    def examples(self) -> Examples:
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            say = partial(espeak.synthesize, "flite", libraries(folder), "train")
            for part in pool.map(say, PITCH, map(utterances, PITCH)):
                yield from part


def libraries(folder: Path) -> Path:
    """Put all that flite is loaded from into the folder; return it.

    Raises:
        UserError: if there is none for this machine, or it cannot be fetched.
    """
    system = f"{platform.system()} {platform.machine()}"
    if system != SYSTEM:
        advice = "prepare the data there, and copy its folder flite_digits into the data folder here"
        raise UserError(f"the libraries of {' and '.join(PACKAGES)} are for {SYSTEM}, not for {system}; {advice}")
    for package, (version, sha256) in PACKAGES.items():
        with unpacked(debian(package, version, sha256, "amd64")) as content:
            for path in content.rglob("*.so.*"):
                shutil.copy(path, folder)
    return folder


def utterances(voice: str) -> list[tuple[str, Utterance]]:
    """Return the words and the utterance of each string of a voice: a pure function of its name."""
    rng = np.random.default_rng(espeak.seed(voice))
    return [_draw(rng, voice) for _ in range(MAX_STRINGS)]


def load(count: int) -> list[Recording]:
    """Return the first strings of each voice, all to train on.

    Raises:
        UserError: if the corpus cannot be prepared or read.
    """
    recordings = FliteDigits().recordings("train")
    return [recording for key, recording in recordings.items() if int(key.rpartition("-")[2]) < count]


def _draw(rng: np.random.Generator, voice: str) -> tuple[str, Utterance]:
    words = [espeak.WORDS[digit] for digit in espeak.draw_digits(rng, "train")]
    stretch = float(np.exp(rng.uniform(*np.log(STRETCH))))
    pitch = PITCH[voice] * float(np.exp(rng.uniform(-PITCH_RANGE, PITCH_RANGE)))
    return " ".join(words), Utterance(espeak.punctuate(rng, words), voice, stretch, pitch)
