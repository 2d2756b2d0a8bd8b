"""Recorded Mandarin syllables, said by two speakers: the voices of the input method gcin, from Debian.

44,100 samples a second, a third of a second each. The text of a recording is the syllable in zhuyin (bopomofo), then
its tone as a digit: 1 to 4, or 5 for the neutral tone. (The package's digits are others: its 1 is the neutral tone, and
none the first.) Left out are the names of letters, such as ㄅ alone, for some sound as a syllable does that is written
otherwise; ㄓㄔㄕㄖㄗㄘㄙ alone are syllables. Left out as well are damaged recordings, which never reach a twentieth of
full scale.

Speaker 3 is Edward Der-Hua Liu, speaker 5 is Chu Lo; they said 1,184 and 1,155 syllables. Of speaker 3,
ㄓ5 and ㄓㄜ5 are one and the same sound: by syllable, one is in training and the other in validation.

Three ways to split, the same everywhere; by hash, about 85% train, 5% validation, 10% test:

    syllable    by syllable with its tone; most syllables that are held out stand in training with another tone
    base        by syllable without its tone: a syllable is held out in all its tones
    speaker     speaker 5 is test; of speaker 3, 95% of the syllables train and 5% validate
"""

import numpy as np
import tensorflow_datasets as tfds

from research.tasks.corpora import recordings
from research.tasks.corpora.corpus import Corpus, Example, share
from research.tasks.corpora.fetch import debian, unpacked
from research.tasks.corpora.recordings import Recording

PACKAGE = "0~20170223-3"
WAYS = ("syllable", "base", "speaker")
SPLITS = ("train", "validation", "test")
SPEAKERS = ("3", "5")
HELD_OUT_SPEAKER = "5"
SYLLABIC = "ㄓㄔㄕㄖㄗㄘㄙ"
"""Consonants that are syllables without a vowel."""
CONSONANTS = "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒ" + SYLLABIC
FAINTEST = 0.05 * 2**15
TONES = {"": "1", "2": "2", "3": "3", "4": "4", "1": "5"}
"""The package's tones, and ours."""


class Gcin(Corpus):
    """Recorded Mandarin syllables in zhuyin with their tones, two speakers."""

    VERSION = tfds.core.Version("1.0.0")
    licence = "GPL-3 or LGPL-3, CC-BY-3.0"
    megabytes = 8
    source = f"Debian package gcin-voice {PACKAGE}"
    citation = "Edward Der-Hua Liu, 2014 (speaker 3: GPL-3 or LGPL-3); Chu Lo for ChionMeilin (speaker 5: CC-BY-3.0)"
    sha256 = "6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        found = []
        with unpacked(debian("gcin-voice", PACKAGE, self.sha256)) as content:
            folder = content / "usr" / "share" / "gcin-voice" / "ogg"
            for path in sorted(folder.glob("*/*.ogg")):
                text, speaker = syllable(path.parent.name), path.stem
                if text and speaker in SPEAKERS:
                    sound, rate = recordings.decoded(path)
                    if np.max(np.abs(sound.astype(int))) >= FAINTEST:
                        found.append(recordings.example(f"{text}/{speaker}", Recording(sound, rate, text, speaker)))
        return {"recordings": found}


def load(way: str) -> dict[str, list[Recording]]:
    """The recordings of the splits train, validation and test, split by syllable, base or speaker.

    Raises:
        UserError: if the archive cannot be had, or the prepared data not be written or read.
    """
    found = recordings.load(Gcin.prepared(), "recordings").values()
    return {split: [one for one in found if split_of(one.text, one.speaker, way) == split] for split in SPLITS}


def syllable(name: str) -> str:
    """The text of what the package calls so; empty if it is no syllable, but the name of a letter."""
    base = name.rstrip("1234")
    letter = base in CONSONANTS and base not in SYLLABIC
    return "" if letter else base + TONES[name[len(base) :]]


def split_of(text: str, speaker: str, way: str) -> str:
    """The split that what a speaker says belongs to, for a way to split."""
    place = share(text[:-1] if way == "base" else text)
    if way == "speaker":
        return "test" if speaker == HELD_OUT_SPEAKER else "validation" if place < 0.05 else "train"
    return "test" if place < 0.1 else "validation" if place < 0.15 else "train"
