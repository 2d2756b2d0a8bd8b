import pytest

from research.tasks import transcripts


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  Press 1 to mute, or UNMUTE... yourself! ", "press 1 to mute or unmute yourself"),
        ("Waldo’s 'premier' dogs'", "waldo's premier dogs"),
        ("Call-Forward/Unconditional", "call forward unconditional"),
        ("E\u0301chec a\u0300 l'heure", "échec à l'heure"),
        ("за\u0301мок Ёлка й", "замок ёлка й"),
        ("¿Qué? <silencio> …", "qué silencio"),
        ("'", ""),
    ],
)
def test_text_has_one_form(text, form):
    assert transcripts.normalised(text) == form
    assert transcripts.normalised(form) == form


def test_errors_are_edits_over_all_references():
    found = transcripts.error_rates(["one two three", "on"], ["one too three", ""])
    assert found == {
        "character_error_rate": pytest.approx((1 + 2) / (13 + 2)),
        "word_error_rate": pytest.approx((1 + 1) / (3 + 1)),
    }


def test_there_can_be_more_errors_than_words():
    assert transcripts.error_rates(["a"], ["b c"])["word_error_rate"] == 2


def test_the_likeliest_output_is_the_most_frequent_and_else_the_one_nearest_to_all():
    assert transcripts.likeliest(["aaa", "zz", "zz"]) == tuple("zz")
    assert transcripts.likeliest(["abcd", "abxd", "q", "abd"]) == tuple("abd")
    assert transcripts.likeliest([["one", "two"], ["one"]]) in (("one", "two"), ("one",))
