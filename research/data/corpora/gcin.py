"""Recorded Mandarin syllables by two speakers: the voices of the input method gcin, from Debian.

The sample rate is 44,100 Hz; a recording lasts a third of a second. Its text is the syllable in zhuyin
(bopomofo), then its tone as a digit: 1 to 4, or 5 for the neutral tone. (The package writes the neutral tone as
1, and the first tone without a digit.) The corpus leaves out the names of letters, such as ㄅ alone, because
some sound like a syllable with another spelling; ㄓㄔㄕㄖㄗㄘㄙ alone are syllables. It also leaves out damaged
recordings, which never reach 5% of full scale.

Speaker 3 is Edward Der-Hua Liu (1,184 syllables), speaker 5 is Chu Lo (1,155). ㄓ5 and ㄓㄜ5 of speaker 3 are the same
recording: split by syllable, the first is in training and the second in validation.

The configs are three ways to split, the same everywhere. Hashes give about 85% train, 5% validation, 10% test:

    syllable    by syllable with its tone; training has most of the others' syllables with another tone
    base        by syllable without its tone: all tones of a syllable are in one split
    speaker     speaker 5 is test; of speaker 3, 95% of the syllables train and 5% validate
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from research.data.corpora.corpus import SPLITS, Examples, hash_split, take
from research.data.corpora.fetch import debian, unpacked
from research.data.corpora.recordings import Recording, SpeechCorpus, decode

PACKAGE = "0~20170223-3"
SPEAKERS = ("3", "5")
TEST_SPEAKER = "5"
SYLLABIC = "ㄓㄔㄕㄖㄗㄘㄙ"
"""Consonants that are syllables without a vowel."""
CONSONANTS = "ㄅㄆㄇㄈㄉㄊㄋㄌㄍㄎㄏㄐㄑㄒ" + SYLLABIC
MIN_AMPLITUDE = 0.05 * 2**15
TONES = {"": "1", "2": "2", "3": "3", "4": "4", "1": "5"}
"""The package's tones, and ours."""


@dataclass(frozen=True, kw_only=True)
class Gcin(SpeechCorpus):
    """Recordings of syllables, all in one split of the records."""

    name: str = "gcin"
    summary: str = "Recorded Mandarin syllables in zhuyin with their tones, two speakers."
    license: str = "GPL-3 or LGPL-3, CC-BY-3.0"
    megabytes: int = 8
    source: str = f"Debian package gcin-voice {PACKAGE}"
    citation: str = (
        "Edward Der-Hua Liu, 2014 (speaker 3: GPL-3 or LGPL-3); Chu Lo for ChionMeilin (speaker 5: CC-BY-3.0)"
    )
    configs: tuple[str, ...] = ("syllable", "base", "speaker")
    sha256: str = "6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70"

    def examples(self) -> Examples:
        with unpacked(debian("gcin-voice", PACKAGE, self.sha256)) as content:
            folder = content / "usr" / "share" / "gcin-voice" / "ogg"
            for path in sorted(folder.glob("*/*.ogg")):
                text, speaker = syllable(path.parent.name), path.stem
                if text and speaker in SPEAKERS:
                    samples, rate = decode(path)
                    if np.max(np.abs(samples.astype(int))) >= MIN_AMPLITUDE:
                        yield Recording(samples, rate, text, speaker).example("recordings", f"{text}/{speaker}")

    def tables(self, config: str | None = None) -> dict[str, dict[str, Any]]:
        columns, rows = self.columns("recordings"), {split: [] for split in SPLITS}
        for row, (text, speaker) in enumerate(zip(columns["text"], columns["speaker"], strict=True)):
            rows[split_of(text, speaker, config or self.configs[0])].append(row)
        return {split: take(columns, members) for split, members in rows.items()}


def syllable(name: str) -> str:
    """Return the text of what the package calls so; empty if it is the name of a letter."""
    base = name.rstrip("1234")
    letter = base in CONSONANTS and base not in SYLLABIC
    return "" if letter else base + TONES[name[len(base) :]]


def split_of(text: str, speaker: str, way: str) -> str:
    """Return the split of a recording, for a way to split."""
    if way == "speaker":
        return "test" if speaker == TEST_SPEAKER else hash_split(text, test=0, validation=0.05)
    return hash_split(text[:-1] if way == "base" else text, test=0.1, validation=0.05)
