import json
from dataclasses import replace

import pytest

from research.batch import BOS, EOS, FIRST_SYMBOL, PAD
from research.data.text import UNKNOWN, UNKNOWN_TEXT, Subwords, Symbols, Text
from research.errors import UserError

TEXTS = [f"{verb} the {noun} (the {noun}s)." for verb in ("Opens", "Closes", "Löscht") for noun in ("file", "page")] * 3
KEY = "task.source_vocab_size"


def fit(name: str) -> Text:
    return (
        Subwords.fit(TEXTS, 40, KEY) if name == "subwords" else replace(Symbols.fit(TEXTS), unknown_text=UNKNOWN_TEXT)
    )


@pytest.fixture(params=["characters", "subwords"])
def tokenizer(request: pytest.FixtureRequest) -> Text:
    return fit(request.param)


def test_text_comes_back_from_its_ids_which_stand_behind_the_marks(tokenizer):
    for text in TEXTS:
        ids = tokenizer.tokens(text)
        assert tokenizer.decode(ids) == text
        assert min(ids) > UNKNOWN == FIRST_SYMBOL and max(ids) < tokenizer.size


def test_marks_are_ignored_and_each_other_id_has_a_symbol(tokenizer):
    ids = tokenizer.tokens("Opens the file.")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "Opens the file."
    assert tokenizer.symbols([BOS, *ids, EOS]) == tokenizer.symbols(ids)
    assert len(tokenizer.symbols(ids)) == len(ids)
    assert "".join(tokenizer.symbols(ids)).replace("▁", " ").strip() == "Opens the file."


def test_what_training_did_not_have_is_unknown_in_ids_in_text_and_by_symbol(tokenizer):
    ids = tokenizer.tokens("Opens ☃☃ the é")
    assert ids.count(UNKNOWN) >= 2
    assert tokenizer.decode(ids).startswith("Opens ⁇") and "☃" not in tokenizer.decode(ids)
    assert "<unk>" in tokenizer.symbols(ids)
    assert tokenizer.unknown("Opens ☃☃ the é") == ["☃", "é"]
    assert tokenizer.unknown("Opens the file") == []


def test_a_restored_field_equals_the_first_and_so_does_one_that_is_fitted_again(tokenizer):
    again = type(tokenizer).from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again == tokenizer and again.size == tokenizer.size
    assert again.tokens("Löscht the page ☃.") == tokenizer.tokens("Löscht the page ☃.")
    assert again.decode(range(again.size)) == tokenizer.decode(range(tokenizer.size))
    assert fit("characters" if isinstance(tokenizer, Symbols) else "subwords") == tokenizer


def test_a_character_that_training_has_once_is_unknown():
    text = Symbols.fit(["aab", "b c"], min_count=2)
    assert text.tokens("abc") == [UNKNOWN + 1, UNKNOWN + 2, UNKNOWN]
    assert text.size == FIRST_SYMBOL + 3


def test_symbols_stand_between_separators_and_unknown_ones_become_unk_or_are_refused():
    text = Symbols.fit(["b a", "b"], " ")
    assert text.vocabulary == ("<unk>", "a", "b") and text.size == FIRST_SYMBOL + 3
    assert text.tokens("b x") == [UNKNOWN + 2, UNKNOWN] and text.decode([UNKNOWN + 2, UNKNOWN]) == "b <unk>"
    assert Symbols(("a b", "c"), None).tokens("a b") == [UNKNOWN]
    with pytest.raises(KeyError):
        Symbols(("a", "b")).tokens("x")
    with pytest.raises(ValueError, match="equal"):
        Symbols(("a", "a"))


def test_a_user_s_text_is_normalized_and_refused_in_one_line_where_the_model_does_not_know_it():
    text = Symbols(("a", "é", " "), lowercase=True)
    assert text.load("  A\t e\u0301 ") == "a é"
    assert text.encode("é a").tolist() == [FIRST_SYMBOL + 1, FIRST_SYMBOL + 2, FIRST_SYMBOL]
    assert text.axis("é a").labels == ["é", " ", "a"]
    for source, line in {
        " ": "an empty line: must be text",
        "a☃b": "a☃b: must be of symbols that training had, not '☃ b'",
    }.items():
        with pytest.raises(UserError, match=f"^{line}$"):
            text.load(source)


def test_there_are_as_many_subwords_as_options_say_and_frequent_words_are_one():
    tokenizer = Subwords.fit(TEXTS, 60, KEY)
    assert tokenizer.size == FIRST_SYMBOL + 60
    assert "▁the" in tokenizer.symbols(tokenizer.tokens("Opens the file"))


@pytest.mark.parametrize(("count", "allowed"), [(5, r"at least \d+, as each character"), (5000, r"at most \d+, as")])
def test_too_few_or_too_many_subwords_are_refused_with_what_is_allowed(count, allowed):
    with pytest.raises(UserError, match=rf"^{KEY}={count}: must be {allowed}") as caught:
        Subwords.fit(TEXTS, count, KEY)
    bound = int(str(caught.value).split(" most " if count > 100 else " least ")[1].split(",")[0])
    Subwords.fit(TEXTS, bound, KEY)
