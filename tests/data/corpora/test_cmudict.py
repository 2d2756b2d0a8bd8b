import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from research.data.corpora import cmudict
from research.data.corpora.cmudict import Cmudict
from research.data.corpora.corpus import SPLITS

Splits = Mapping[str, Mapping[str, Sequence[Any]]]


@pytest.fixture(scope="module")
def plain() -> Splits:
    return Cmudict().tables()


@pytest.fixture(scope="module")
def stressed() -> Splits:
    return Cmudict().tables("stress")


def listed(data: Splits, letters: str) -> list[str]:
    """The pronunciations of a word."""
    table = data[cmudict.split_of(letters)]
    return table["pronunciations"][table["word"].index(letters)]


def test_each_alphabetic_word_is_in_one_split_and_90_5_5_percent_are_in_each(plain: Splits) -> None:
    words = [word for split in SPLITS for word in plain[split]["word"]]
    assert len(words) == len(set(words)) == 117_493
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert [round(len(plain[split]["word"]) / len(words), 2) for split in SPLITS] == [0.9, 0.05, 0.05]


def test_pronunciations_of_a_word_are_in_the_order_of_the_dictionary(plain: Splits, stressed: Splits) -> None:
    assert listed(stressed, "tomato") == ["T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2"]
    assert listed(plain, "tomato") == ["T AH M EY T OW", "T AH M AA T OW"]
    assert listed(stressed, "danglar") == ["D AH0 NG L AA1 R"]  # a comment follows in the dictionary


def test_pronunciations_that_differ_by_stress_alone_are_one_without_stress(plain: Splits, stressed: Splits) -> None:
    assert listed(stressed, "the") == ["DH AH0", "DH AH1", "DH IY0"]
    assert listed(plain, "the") == ["DH AH", "DH IY"]
    assert all(len(set(ways)) == len(ways) > 0 for ways in plain["train"]["pronunciations"])


def test_there_are_39_phonemes_without_stress_and_69_with(plain: Splits, stressed: Splits) -> None:
    for data, count in ((plain, 39), (stressed, 69)):
        for splits in (["train"], SPLITS):
            listed = (ways for split in splits for ways in data[split]["pronunciations"])
            assert len({phoneme for ways in listed for way in ways for phoneme in way.split()}) == count


def test_the_data_are_the_same_everywhere(stressed: Splits) -> None:
    digest = hashlib.sha256()
    for split in SPLITS:
        words = zip(*stressed[split].values(), strict=True)
        digest.update("\n".join(f"{word} {ways[0]}" for word, ways in words).encode())
    message = "the split or the order changed: raise the version of Cmudict if the records did, update this digest"
    assert digest.hexdigest()[:16] == "37925c908aab90a5", message
