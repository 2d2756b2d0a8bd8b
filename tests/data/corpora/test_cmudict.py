import hashlib

import numpy as np
import pytest

from research.batch import FIRST_SYMBOL, PAD
from research.data.corpora import cmudict
from research.data.corpora.cmudict import Pronunciations
from research.data.corpora.corpus import SPLITS


@pytest.fixture(scope="module")
def plain() -> Pronunciations:
    return cmudict.load(stress=False)


@pytest.fixture(scope="module")
def stressed() -> Pronunciations:
    return cmudict.load(stress=True)


def spelled(data: Pronunciations, word: str) -> list[str]:
    """The references of a word, as symbols."""
    split = data.splits[cmudict.split_of(word)]
    references = split.references[split.words.index(word)]
    return [" ".join(data.phonemes[symbol - FIRST_SYMBOL] for symbol in reference) for reference in references]


def test_every_alphabetic_word_is_there_once(plain: Pronunciations) -> None:
    words = [word for split in SPLITS for word in plain.splits[split].words]
    assert len(words) == len(set(words)) == 117_493
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


def test_no_word_stands_in_two_splits_and_their_shares_are_90_5_5(plain: Pronunciations) -> None:
    train, validation, test = (set(plain.splits[split].words) for split in SPLITS)
    assert not (train & validation or train & test or validation & test)
    total = len(train) + len(validation) + len(test)
    assert [round(len(words) / total, 2) for words in (train, validation, test)] == [0.9, 0.05, 0.05]


def test_all_pronunciations_of_a_word_are_its_references_in_the_order_of_the_dictionary(
    plain: Pronunciations, stressed: Pronunciations
) -> None:
    assert spelled(stressed, "tomato") == ["T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2"]
    assert spelled(plain, "tomato") == ["T AH M EY T OW", "T AH M AA T OW"]
    assert spelled(stressed, "danglar") == ["D AH0 NG L AA1 R"]  # a comment follows in the dictionary


def test_pronunciations_that_differ_by_stress_alone_are_one_without_stress(
    plain: Pronunciations, stressed: Pronunciations
) -> None:
    assert spelled(stressed, "the") == ["DH AH0", "DH AH1", "DH IY0"]
    assert spelled(plain, "the") == ["DH AH", "DH IY"]
    for split in SPLITS:
        assert all(len(set(own)) == len(own) > 0 for own in plain.splits[split].references)


def test_vocabularies_have_39_symbols_without_stress_and_69_with(
    plain: Pronunciations, stressed: Pronunciations
) -> None:
    assert (len(plain.letters), len(plain.phonemes), len(stressed.phonemes)) == (26, 39, 69)
    for data in (plain, stressed):
        used = np.unique(np.concatenate([data.splits[split].target.ravel() for split in SPLITS]))
        assert used.tolist() == [PAD, *range(FIRST_SYMBOL, FIRST_SYMBOL + len(data.phonemes))]


@pytest.mark.parametrize("stress", [False, True])
def test_the_arrays_spell_the_words_and_their_first_references(
    stress: bool, plain: Pronunciations, stressed: Pronunciations
) -> None:
    data = stressed if stress else plain
    for split in SPLITS:
        own = data.splits[split]
        for row in (*range(50), len(own.words) - 1):
            source, target = own.source[row], own.target[row]
            length, target_length = own.source_lengths[row], own.target_lengths[row]
            assert "".join(data.letters[symbol - FIRST_SYMBOL] for symbol in source[:length]) == own.words[row]
            assert tuple(target[:target_length]) == own.references[row][0]
            assert not source[length:].any() and not target[target_length:].any()


def test_splits_have_equal_widths_so_that_shapes_do_not_change_between_them(plain: Pronunciations) -> None:
    assert len({(split.source.shape[1], split.target.shape[1]) for split in plain.splits.values()}) == 1


def test_the_data_are_the_same_everywhere(plain: Pronunciations, stressed: Pronunciations) -> None:
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(plain.splits[split].source.tobytes() + stressed.splits[split].target.tobytes())
    message = (
        "the split, the order or the ids changed: raise the version of Cmudict if the records did, update this digest"
    )
    assert digest.hexdigest()[:16] == "453f08509aabf9c9", message
