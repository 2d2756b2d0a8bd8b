"""The reference is sacrebleu itself: what is tested is that it is asked the right question."""

import pytest
import sacrebleu

from research.tasks import translations

OUTPUTS = ["Öffnet die Datei (neu).", "Wählen Sie ein Dokument aus.", "Etwas ganz anderes"]
REFERENCES = ["Öffnet die Datei (neu).", "Wählen Sie das Dokument.", "Schließt das Fenster."]


def test_scores_are_those_of_the_corpus_that_sacrebleu_gives():
    found = translations.scores(OUTPUTS, REFERENCES, "de")
    assert found["bleu"] == sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES]).score
    assert found["chrf"] == sacrebleu.corpus_chrf(OUTPUTS, [REFERENCES]).score
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert 0 < found["bleu"] < found["chrf"] < 100


def test_texts_that_are_their_references_have_all_that_there_is():
    found = translations.scores(REFERENCES, REFERENCES, "de")
    assert found == {"bleu": pytest.approx(100), "chrf": pytest.approx(100), "exact_match": 1.0}


def test_case_counts():
    found = translations.scores(["öffnet die datei jetzt."], ["Öffnet die Datei jetzt."], "de")
    assert found["bleu"] < 50 and found["exact_match"] == 0


def test_japanese_is_scored_by_characters_and_not_as_one_word():
    outputs, references = ["ファイルを開きます。"], ["ファイルを閉じます。"]
    found = translations.scores(outputs, references, "ja")
    assert found["bleu"] == sacrebleu.corpus_bleu(outputs, [references], tokenize="char").score > 20
    assert translations.scores(outputs, references, "de")["bleu"] < 20


def test_a_signature_names_the_tokenizer_and_the_version():
    for language, tokens in (("de", "13a"), ("fr", "13a"), ("ja", "char")):
        found = translations.signatures(language)
        assert found["bleu"] == f"nrefs:1|case:mixed|eff:no|tok:{tokens}|smooth:exp|version:{sacrebleu.__version__}"
        assert f"nc:6|nw:0|space:no|version:{sacrebleu.__version__}" in found["chrf"]


def test_nothing_said_is_no_error():
    assert translations.scores([""], ["Etwas."], "de") == {"bleu": 0.0, "chrf": 0.0, "exact_match": 0.0}
