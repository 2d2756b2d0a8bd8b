import json

import pytest

from research.batch import BEGIN, END, FIRST_SYMBOL, PAD
from research.errors import UserError
from research.tasks import units
from research.tasks.units import UNKNOWN, Characters, Pieces, Units

TEXTS = [f"{verb} the {noun} (the {noun}s)." for verb in ("Opens", "Closes", "Löscht") for noun in ("file", "page")] * 3


def pieces(count: int = 40) -> Pieces:
    return Pieces.of(TEXTS, count, "task.source_pieces")


KINDS = {"characters": lambda: Characters.of(TEXTS), "sentencepiece": pieces}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Units:
    return KINDS[request.param]()


def test_text_comes_back_from_its_ids_which_stand_behind_the_marks(made):
    for text in TEXTS:
        ids = made.ids(text)
        assert made.text(ids) == text
        assert min(ids) > UNKNOWN == FIRST_SYMBOL and max(ids) < made.size


def test_marks_are_no_text(made):
    ids = made.ids("Opens the file")
    assert made.text([BEGIN, *ids, END, PAD, PAD]) == "Opens the file"
    assert made.names([BEGIN, *ids, END]) == made.names(ids)


def test_a_name_stands_for_each_id(made):
    ids = made.ids("Opens the page.")
    assert len(made.names(ids)) == len(ids)
    assert "".join(made.names(ids)).replace("▁", " ").strip() == "Opens the page."


def test_what_training_did_not_have_is_unknown_in_ids_in_text_and_by_name(made):
    ids = made.ids("Opens ☃☃ the é")
    assert ids.count(UNKNOWN) >= 2
    assert made.text(ids).startswith("Opens ⁇") and "☃" not in made.text(ids)
    assert "<unk>" in made.names(ids)
    assert made.unknown("Opens ☃☃ the é") == ["☃", "é"]
    assert made.unknown("Opens the file") == []


def test_saved_units_are_the_same_after_a_way_through_json(made):
    again = units.restored(json.loads(json.dumps(made.saved())))
    assert type(again) is type(made) and again.size == made.size
    assert again.ids("Löscht the page ☃.") == made.ids("Löscht the page ☃.")
    assert again.text(range(again.size)) == made.text(range(made.size))


def test_equal_texts_make_equal_units(made):
    again = next(make() for make in KINDS.values() if type(make()) is type(made))
    assert again.saved() == made.saved()


def test_a_character_that_training_has_once_is_no_symbol():
    made = Characters.of(["aab", "b c"])
    assert made.ids("abc") == [UNKNOWN + 1, UNKNOWN + 2, UNKNOWN]
    assert made.size == FIRST_SYMBOL + 3


def test_there_are_as_many_pieces_as_asked_for_and_frequent_words_are_one():
    made = pieces(60)
    assert made.size == FIRST_SYMBOL + 60
    assert "▁the" in made.names(made.ids("Opens the file"))


@pytest.mark.parametrize(("count", "allowed"), [(5, r"at least \d+, as each character"), (5000, r"at most \d+, as")])
def test_too_few_or_too_many_pieces_are_refused_with_what_is_allowed(count, allowed):
    with pytest.raises(UserError, match=rf"^task\.source_pieces={count}: must be {allowed}") as caught:
        pieces(count)
    bound = int(str(caught.value).split(" most " if count > 100 else " least ")[1].split(",")[0])
    pieces(bound)
