import json

import pytest

from research.batch import BOS, EOS, FIRST_SYMBOL, PAD
from research.data.text import UNKNOWN, Characters, Subwords, Tokenizer, Vocabulary, fit_tokenizer, restore_tokenizer
from research.errors import UserError

TEXTS = [f"{verb} the {noun} (the {noun}s)." for verb in ("Opens", "Closes", "Löscht") for noun in ("file", "page")] * 3
KEY = "task.source_vocab_size"


@pytest.fixture(params=["characters", "subwords"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return fit_tokenizer(request.param, TEXTS, 40, KEY)


def test_text_comes_back_from_its_ids_which_stand_behind_the_marks(tokenizer):
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert min(ids) > UNKNOWN == FIRST_SYMBOL and max(ids) < tokenizer.size


def test_marks_are_ignored_and_each_other_id_has_a_symbol(tokenizer):
    ids = tokenizer.encode("Opens the file.")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "Opens the file."
    assert tokenizer.symbols([BOS, *ids, EOS]) == tokenizer.symbols(ids)
    assert len(tokenizer.symbols(ids)) == len(ids)
    assert "".join(tokenizer.symbols(ids)).replace("▁", " ").strip() == "Opens the file."


def test_what_training_did_not_have_is_unknown_in_ids_in_text_and_by_symbol(tokenizer):
    ids = tokenizer.encode("Opens ☃☃ the é")
    assert ids.count(UNKNOWN) >= 2
    assert tokenizer.decode(ids).startswith("Opens ⁇") and "☃" not in tokenizer.decode(ids)
    assert "<unk>" in tokenizer.symbols(ids)
    assert tokenizer.unknown("Opens ☃☃ the é") == ["☃", "é"]
    assert tokenizer.unknown("Opens the file") == []


def test_a_restored_tokenizer_is_the_same_and_so_is_one_that_is_fitted_again(tokenizer):
    again = restore_tokenizer(json.loads(json.dumps(tokenizer.to_dict())))
    assert type(again) is type(tokenizer) and again.size == tokenizer.size
    assert again.encode("Löscht the page ☃.") == tokenizer.encode("Löscht the page ☃.")
    assert again.decode(range(again.size)) == tokenizer.decode(range(tokenizer.size))
    name = "characters" if isinstance(tokenizer, Characters) else "subwords"
    assert fit_tokenizer(name, TEXTS, 40, KEY).to_dict() == tokenizer.to_dict()


def test_a_character_that_training_has_once_is_unknown():
    tokenizer = Characters.fit(["aab", "b c"])
    assert tokenizer.encode("abc") == [UNKNOWN + 1, UNKNOWN + 2, UNKNOWN]
    assert tokenizer.size == FIRST_SYMBOL + 3


def test_a_vocabulary_maps_unknown_symbols_to_unk_or_refuses_them():
    vocabulary = Vocabulary.fit([["b", "a"], ["b"]])
    assert vocabulary.symbols == ("<unk>", "a", "b") and vocabulary.size == FIRST_SYMBOL + 3
    assert vocabulary.encode(["b", "x"]) == [UNKNOWN + 2, UNKNOWN]
    with pytest.raises(KeyError):
        Vocabulary(("a", "b")).encode(["x"])


def test_there_are_as_many_subwords_as_options_say_and_frequent_words_are_one():
    tokenizer = Subwords.fit(TEXTS, 60, KEY)
    assert tokenizer.size == FIRST_SYMBOL + 60
    assert "▁the" in tokenizer.symbols(tokenizer.encode("Opens the file"))


@pytest.mark.parametrize(("count", "allowed"), [(5, r"at least \d+, as each character"), (5000, r"at most \d+, as")])
def test_too_few_or_too_many_subwords_are_refused_with_what_is_allowed(count, allowed):
    with pytest.raises(UserError, match=rf"^{KEY}={count}: must be {allowed}") as caught:
        Subwords.fit(TEXTS, count, KEY)
    bound = int(str(caught.value).split(" most " if count > 100 else " least ")[1].split(",")[0])
    Subwords.fit(TEXTS, bound, KEY)
