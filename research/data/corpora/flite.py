"""Connected digits, synthesised by flite in four voices that were built from recordings: from Debian's `libflite1`.

Speech to train on beside that of espeak-ng (`research/tasks/corpora/espeak.py`), whose sounds are computed from rules.
The voices awb (a Scot), rms and slt (Americans, slt a woman) are statistical models of about an hour of CMU ARCTIC
each; kal16 (an American) joins the halves of recorded phonemes. Strings are drawn as there, for the split train only;
tempo (0.75 to 1.6 times as long) and mean pitch (but of rms, which keeps its own) are drawn anew for each, as are the
silences. 8,000 samples a second.

The samples are the same each time on one machine.
"""

import os
import platform
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from research.config.speech import MOST_FLITE_STRINGS
from research.errors import UserError
from research.tasks.corpora import espeak, recordings
from research.tasks.corpora.corpus import Corpus, Example
from research.tasks.corpora.fetch import debian, scratch, unpacked
from research.tasks.corpora.flite_library import Utterance
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.synthesis import speak

SYSTEM = "Linux x86_64"
PACKAGES = {
    "libflite1": ("2.2-5", "bfa8c591f1b47730b30b372ec38e02918a1c9795eada67684e1746390ad2f061"),
    "libasound2": ("1.2.8-1+b1", "44c77b076a7b11ae99712439022d822245b1994c435da564ebd320bb676faf4c"),
}
"""Version and sha256."""
PITCH = {"kal16": 95.0, "awb": 140.0, "rms": 100.0, "slt": 170.0}
"""Of each voice, in Hz; half of its strings lie within 13% of it, none beyond 29%."""
STRETCH = (0.75, 1.6)
PITCH_RANGE = 0.25
"""Of the logarithm."""


class FliteDigits(Corpus):
    """Connected digits, synthesised in four voices built from recordings.

    A speaker is a voice.
    """

    VERSION = tfds.core.Version("1.0.0")
    licence = "MIT-CMU"
    megabytes = 13
    source = "Debian packages " + " and ".join(f"{name} {version}" for name, (version, _) in PACKAGES.items())
    citation = "Black & Lenzo 2001, Flite; Kominek & Black 2004, the CMU ARCTIC databases"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        with scratch(self.name) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            library = libraries(folder)
            parts = list(pool.map(lambda voice: _spoken(library, voice), PITCH))
        return {"train": [example for part in parts for example in part]}


def libraries(folder: Path) -> Path:
    """The folder, with all that flite is loaded from.

    Raises:
        UserError: if there is none for this machine, or it cannot be had.
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
    """What a voice says: the words, and how they are said; a pure function of its name."""
    rng = np.random.default_rng(espeak.seed(voice))
    return [_drawn(rng, voice) for _ in range(MOST_FLITE_STRINGS)]


def load(count: int) -> list[Recording]:
    """The first strings of each voice, all to train on.

    Raises:
        UserError: if the library cannot be had, or the prepared data not be written or read.
    """
    found = recordings.load(FliteDigits.prepared(), "train")
    return [recording for key, recording in found.items() if int(key.rpartition("-")[2]) < count]


def _drawn(rng: np.random.Generator, voice: str) -> tuple[str, Utterance]:
    words = [espeak.WORDS[digit] for digit in espeak.digits(rng, "train")]
    stretch = float(np.exp(rng.uniform(*np.log(STRETCH))))
    pitch = PITCH[voice] * float(np.exp(rng.uniform(-PITCH_RANGE, PITCH_RANGE)))
    return " ".join(words), Utterance(espeak.written(rng, words), voice, stretch, pitch)


def _spoken(library: Path, voice: str) -> list[tuple[str, Example]]:
    drawn = utterances(voice)
    sounds, rate = speak("flite", library, [utterance for _, utterance in drawn])
    return espeak.heard(voice, [text for text, _ in drawn], sounds, rate)
