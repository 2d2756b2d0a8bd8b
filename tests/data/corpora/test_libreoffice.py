from itertools import combinations
from pathlib import Path

import pytest

from research.data.corpora import libreoffice
from research.data.corpora.libreoffice import SPLITS, Pair, comparable, pairs, paragraphs, sentences, splits
from tests.data.corpora import help_pages
from tests.data.corpora.help_pages import page, paths


def text(markup: str) -> str:
    return paragraphs(page([markup]))["par_id0"]


def test_a_paragraph_is_its_text_without_tags_and_with_one_space_for_all_white_space():
    assert text('<a name="x"></a>The <span class="emph">Auto&shy;Text </span>dialog &amp;\n  more.') == (
        "The Auto\u00adText dialog & more."
    )
    assert text("first<br>second") == "first second"
    assert text("Menu\u0308") == "Menü"  # composed


def test_paragraphs_and_headings_are_found_by_their_ids_and_the_first_of_equal_ids_counts():
    found = paragraphs(
        '<h1 id="hd_1">Title</h1><p id="bm_2">bookmark</p><p>no id</p>'
        '<p id="par_3">first</p><p id="par_3">again</p><p id="par_4"> <img src="x"></p>'
    )
    assert found == {"hd_1": "Title", "par_3": "first"}


@pytest.mark.parametrize("between", ["", " "])
def test_of_what_differs_by_system_the_default_is_taken_and_without_one_a_case(between):
    mac = '<span hidden="true" id="MACx_1" class="MAC"><span class="keycode">Command </span></span>'
    default = '<span hidden="true" id="defaultx_1"><span class="keycode">Ctrl</span></span>'
    assert text(f'Press <span class="switchinline">{mac}{between}{default}</span>+F3 now') == "Press Ctrl+F3 now"
    assert text(f'Press <span class="switchinline">{mac}</span>+F3') == "Press Command+F3"


def test_sentences_end_where_a_capital_follows_the_full_stop_and_not_behind_a_single_letter():
    assert sentences("Opens it. Closes it? (And so on.) End", "en") == ["Opens it.", "Closes it?", "(And so on.) End"]
    assert sentences("Wählen Sie z. B. Datei. Übernehmen Sie e.g. this.", "de") == [
        "Wählen Sie z. B. Datei.", "Übernehmen Sie e.g. this.",
    ]  # fmt: skip
    assert sentences("開きます。「閉じる。」を選択します。", "ja") == ["開きます。", "「閉じる。」を選択します。"]


def of_page(english: str, translation: str, language: str = "de") -> list[Pair]:
    return list(pairs({"par_1": english, "hd_2": "Only here"}, {"par_1": translation}, language))


def test_sentences_are_paired_in_turn_and_a_paragraph_with_unequal_counts_is_left_out():
    assert of_page("Opens the file. Then closes it.", "Öffnet die Datei. Schließt sie dann.") == [
        Pair("Opens the file.", "Öffnet die Datei."), Pair("Then closes it.", "Schließt sie dann."),
    ]  # fmt: skip
    assert not of_page("Opens the file. Then closes it.", "Öffnet die Datei und schließt sie.")


def test_what_nobody_translated_and_what_is_too_short_or_long_is_left_out():
    assert not of_page("Opens the file.", "Opens the file.")
    assert not of_page("Opens the file.", "Opens a file.", "ja")
    assert of_page("Opens the file.", "ファイルを開く。", "ja")
    assert not of_page("Two words.", "Zwei Wörter.")
    assert of_page("word " * 30, "Wort")
    assert not of_page("word " * 31, "Wort")


def help_of(**texts: list[tuple[str, str]]) -> dict[str, list[Pair]]:
    """The splits of a help with one page a split."""
    names = {split: next(paths(split)) for split in texts}
    english, german = (
        {names[s]: {str(k): p[side] for k, p in enumerate(own)} for s, own in texts.items()} for side in (0, 1)
    )
    return splits(english, german, "de")


def test_validation_and_test_have_no_english_side_of_training_in_any_case_or_translation():
    boiler = ("Choose the menu entry.", "Wählen Sie den Eintrag.")
    own = ("Only the test has this.", "Nur im Test.")
    found = help_of(
        train=[boiler, ("All of 3 words", "Drei")],
        test=[(boiler[0], "Menü wählen."), ("choose the Menu entry", "x"), own, ("All of: 3 words!", "y")],
    )
    assert found["test"] == [Pair(*own)]


def test_an_english_sentence_is_once_in_validation_and_test_together():
    found = help_of(
        train=[
            ("In training only.", "Training."),
            ("In training only.", "Nur da."),
            ("In training only.", "Training."),
        ],
        validation=[("Held out here.", "Hier."), ("Held out here.", "Da.")],
        test=[("Held out here.", "Hier."), ("In the test.", "Test."), ("In the Test!", "Prüfung.")],
    )
    assert [pair.translation for pair in found["train"]] == ["Training.", "Nur da."]
    assert found["validation"] == [Pair("Held out here.", "Hier.")]
    assert found["test"] == [Pair("In the test.", "Test.")]


def test_sentences_of_signs_alone_are_not_all_the_same():
    assert comparable("a + b") != comparable("+ - *") != comparable("< > =")


def test_pages_have_their_shares_of_the_splits():
    names = [libreoffice.split_of(f"shared/01/{k}.html") for k in range(5000)]
    shares = [names.count(split) / len(names) for split in SPLITS]
    assert shares == pytest.approx([0.88, 0.04, 0.08], abs=0.015)


def test_pages_are_in_the_same_split_everywhere():
    pages = [f"shared/01/{k}.html" for k in (1413, 1665, 520, 1574)]  # the closest to the borders, of 2,000
    assert [libreoffice.split_of(page) for page in pages] == ["test", "validation", "validation", "train"]


def test_the_prepared_corpus_holds_each_pair_once_and_nothing_of_a_split_in_another(tmp_path: Path):
    texts = help_pages.made_up()
    english, german = texts["en-us"], texts["de"]
    test_page = next(path for path in english if libreoffice.split_of(path) == "test")
    train_page = next(path for path in english if libreoffice.split_of(path) == "train")
    english[test_page] += english[train_page][:3]  # what pages repeat
    german[test_page] += german[train_page][:3]
    with help_pages.installed(tmp_path, texts):
        tables = libreoffice.CORPORA["de"].tables()
        assert tables == libreoffice.CORPORA["de"].tables()
    corpus = {split: list(map(Pair, *tables[split].values())) for split in SPLITS}
    assert [len(corpus[split]) for split in SPLITS] == [96, 32, 32]
    for one, other in combinations(SPLITS, 2):
        assert not {comparable(pair.english) for pair in corpus[one]} & {
            comparable(pair.english) for pair in corpus[other]
        }
    translations = {e: g for path in english for e, g in zip(english[path], german[path], strict=True)}
    assert all(translations[pair.english] == pair.translation for own in corpus.values() for pair in own)
