import pytest

from research.tasks import transcripts


def test_errors_are_edits_over_all_references():
    found = transcripts.error_rates(["one two three", "on"], ["one too three", ""])
    assert found == {
        "character_error_rate": pytest.approx((1 + 2) / (13 + 2)),
        "word_error_rate": pytest.approx((1 + 1) / (3 + 1)),
    }


def test_spaces_at_the_ends_are_no_errors():
    assert set(transcripts.error_rates(["one two"], [" one two "]).values()) == {0}


def test_there_can_be_more_errors_than_words():
    assert transcripts.error_rates(["a"], ["b c"])["word_error_rate"] == 2


def test_the_likeliest_output_is_the_most_frequent_and_else_the_one_nearest_to_all():
    assert transcripts.likeliest(["aaa", "zz", "zz"]) == "zz"
    assert transcripts.likeliest(["abcd", "abxd", "q", "abd"]) == "abd"
