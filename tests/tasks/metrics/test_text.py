"""The reference is sacrebleu itself; the tests see that it gets the right texts."""

import math
from collections import Counter

import pytest
import sacrebleu

from research.tasks.metrics import text

OUTPUTS = ["Öffnet die Datei (neu).", "Wählen Sie ein Dokument aus.", "Etwas ganz anderes"]
REFERENCES = ["Öffnet die Datei (neu).", "Wählen Sie das Dokument.", "Schließt das Fenster."]


def several(references):
    return [[known] if isinstance(known, str) else known for known in references]


def translation_scores(outputs, references, language):
    return text.scores(("bleu", "chrf", "exact_match"), outputs, several(references), language)


def error_rates(outputs, references):
    return text.scores(("cer", "wer"), outputs, several(references), "en")


def test_scores_are_those_of_the_corpus_that_sacrebleu_gives():
    found = translation_scores(OUTPUTS, REFERENCES, "de")
    assert found["bleu"] == sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES]).score
    assert found["chrf"] == sacrebleu.corpus_chrf(OUTPUTS, [REFERENCES]).score
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert 0 < found["bleu"] < found["chrf"] < 100


def test_case_counts():
    found = translation_scores(["öffnet die datei jetzt."], ["Öffnet die Datei jetzt."], "de")
    assert found["bleu"] < 50 and found["exact_match"] == 0


def test_japanese_is_scored_by_characters_and_not_as_one_word():
    outputs, references = ["ファイルを開きます。"], ["ファイルを閉じます。"]
    found = translation_scores(outputs, references, "ja")
    assert found["bleu"] == sacrebleu.corpus_bleu(outputs, [references], tokenize="char").score > 20
    assert math.isnan(translation_scores(outputs, references, "de")["bleu"])


def test_a_signature_names_the_tokenizer_and_the_version():
    for language, tokens in (("de", "13a"), ("fr", "13a"), ("ja", "char")):
        found = text.signatures(language, [["ファイル"] if language == "ja" else ["one two three four"]])
        assert found["bleu"] == f"nrefs:1|case:mixed|eff:no|tok:{tokens}|smooth:exp|version:{sacrebleu.__version__}"
        assert f"nc:6|nw:0|space:no|version:{sacrebleu.__version__}" in found["chrf"]


def test_nothing_said_is_no_error():
    assert set(translation_scores([""], ["Etwas mit vier Wörtern."], "de").values()) == {0}


def test_bleu_is_that_of_its_definition():
    """Papineni et al. 2002: geometric mean of clipped precisions of 1 to 4 tokens, times the brevity penalty."""
    outputs = ["the cat sat on the mat today", "a small dog runs over there", "we see the the the sea"]
    references = [
        ["the cat sat on a mat today"],
        ["the small dog runs over there"],
        ["today we see the blue sea again"],
    ]
    matches, totals, lengths = [0] * 4, [0] * 4, [0, 0]
    for output, (reference,) in zip(outputs, references, strict=True):
        found, wanted = output.split(), reference.split()
        lengths = [lengths[0] + len(found), lengths[1] + len(wanted)]
        for n in range(4):
            grams, known = (Counter(zip(*(words[k:] for k in range(n + 1)), strict=False)) for words in (found, wanted))
            matches[n] += sum(min(count, known[gram]) for gram, count in grams.items())
            totals[n] += grams.total()
    precision = math.exp(sum(math.log(hit / total) for hit, total in zip(matches, totals, strict=True)) / 4)
    penalty = min(1.0, math.exp(1 - lengths[1] / lengths[0]))
    assert translation_scores(outputs, references, "en")["bleu"] == pytest.approx(100 * precision * penalty)


def test_bleu_of_references_without_four_tokens_is_not_measurable_and_says_so():
    """It would be 0 although all outputs are right."""
    references = ["one", ["two three", "one two three"]]
    found = translation_scores(["one", "one two three"], references, "en")
    assert math.isnan(found["bleu"]) and found["chrf"] == 100 and found["exact_match"] == 1
    signature = text.signatures("en", several(references))["bleu"]
    assert signature.startswith("not measurable, as no reference has 4 tokens; nrefs:1")
    assert translation_scores(["one", "one two three"], [*references[:1], "two three four five"], "en")["bleu"] == 0


def test_errors_are_edits_over_all_references():
    found = error_rates(["one too three", ""], ["one two three", "on"])
    assert found == {
        "character_error_rate": pytest.approx((1 + 2) / (13 + 2)),
        "word_error_rate": pytest.approx((1 + 1) / (3 + 1)),
    }


def test_spaces_at_the_ends_are_no_errors():
    assert set(error_rates([" one two "], ["one two"]).values()) == {0}


def test_there_can_be_more_errors_than_words():
    assert error_rates(["b c"], ["a"])["word_error_rate"] == 2


def test_the_likeliest_output_is_the_most_frequent_and_else_the_one_nearest_to_all():
    assert text.most_frequent(["aaa", "zz", "zz"]) == "zz"
    assert text.most_frequent(["abcd", "abxd", "q", "abd"]) == "abd"


def test_any_of_several_references_is_right():
    scores = translation_scores(OUTPUTS[:1], [["Etwas anderes.", REFERENCES[0]]], "de")
    assert scores["exact_match"] == 1 and scores["bleu"] == pytest.approx(100)
