"""Stamps and captions of a small package: what is taken, what is left out, and how it is split."""

from itertools import count
from typing import Any

import numpy as np
import pytest

from research.data.corpora import tuxpaint
from tests.data.corpora.stamp_files import SVG, installed, png, text


def captions(split: str) -> list[str]:
    """Captions of that split, no two of which count as one."""
    names = (f"A thing number {k}." for k in count())
    return [next(name for name in names if tuxpaint.split_of(name) == split) for _ in range(4)]


TRAIN, VALIDATION, TEST = (captions(split) for split in tuxpaint.SPLITS)
FILES = {
    "a/one.png": png(1),
    "a/one.txt": text(TRAIN[0], de="Ein  Ding.", fr="Une chose."),
    "a/one_mirror.png": png(2),
    "a/one_mirror.txt": text(TEST[3]),
    "a/same.png": png(1),
    "a/same.txt": text(TEST[3]),
    "b/again.png": png(3, "RGBA"),
    "b/again.txt": text(TRAIN[0].upper()),
    "b/drawn.svg": SVG.encode(),
    "b/drawn.txt": text(TRAIN[1]),
    "b/both.svg": SVG.encode(),
    "b/both.png": png(4, "LA"),
    "b/both.txt": text(TRAIN[2]),
    "b/long.png": png(5),
    "b/long.txt": text("A word " * 7),
    "b/none.txt": text(TRAIN[3]),
    "b/empty.png": png(6),
    "b/empty.txt": b"",
    "b/sound.ogg": b"no picture",
    "c/check.png": png(7),
    "c/check.txt": text(VALIDATION[0], de="Ein Dach."),
    "c/held.png": png(8, "P"),
    "c/held.txt": text(TEST[0], de="Ein ding"),
    "c/two.png": png(9),
    "c/two.txt": text(TEST[1], de="Zwei Dinge."),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with installed(tmp_path_factory.mktemp("stamps"), FILES):
        return {language: tuxpaint.Tuxpaint().tables(language) for language in ("en", "de")}


def test_captions_are_in_the_same_split_everywhere():
    names = [f"A thing number {k}." for k in (1889, 1892, 452, 1307)]  # the closest to the borders, of 2,000
    assert [tuxpaint.split_of(name) for name in names] == ["test", "validation", "validation", "train"]


def test_pictures_with_a_caption_are_there_once_in_the_split_of_their_caption(tables):
    assert {split: sorted(table["caption"]) for split, table in tables["en"].items()} == {
        "train": sorted([TRAIN[0], TRAIN[0].upper(), TRAIN[1], TRAIN[2]]),
        "validation": [VALIDATION[0]],
        "test": sorted([TEST[0], TEST[1]]),
    }


def test_captions_are_of_one_language_and_in_one_split(tables):
    captions = {split: table["caption"] for split, table in tables["de"].items()}
    assert captions == {"train": ["Ein Ding."], "validation": ["Ein Dach."], "test": ["Zwei Dinge."]}


def test_pictures_are_squares_of_colors(tables):
    for table in tables["en"].values():
        assert table["picture"].shape == (len(table["caption"]), 96, 96, 3) and table["picture"].dtype == np.uint8
    pictures = dict(zip(tables["en"]["train"]["caption"], tables["en"]["train"]["picture"], strict=True))
    drawn, both = pictures[TRAIN[1]], pictures[TRAIN[2]]
    red = np.all(drawn == (255, 0, 0), axis=2)
    assert red[24:72].mean() > 0.95 and np.all(drawn[:20] == 255) and np.all(drawn[-20:] == 255)
    assert np.all(both.max(axis=2) == both.min(axis=2)) and np.ptp(both) > 100  # the bitmap, which is grey


def test_captions_that_differ_by_case_and_signs_alone_share_their_split():
    for one, other in (("The letter Q.", "the letter “q”"), ("A T-shirt.", "a t shirt")):
        assert tuxpaint.split_of(one) == tuxpaint.split_of(other)
    assert tuxpaint.comparable("+") != tuxpaint.comparable("-")


def test_about_four_fifths_of_the_captions_train_and_a_seventh_is_test():
    split = [tuxpaint.split_of(f"A thing number {k}.") for k in range(4000)]
    shares = [split.count(name) / len(split) for name in tuxpaint.SPLITS]
    np.testing.assert_allclose(shares, [0.8, 0.05, 0.15], atol=0.02)


def test_a_text_file_gives_a_caption_for_each_language():
    content = "\ufeffA  café.\r\nde.utf8=Ein Cafe\u0301.\nde_AT.utf8=Ein Kaffeehaus.\nfr.utf8=\nxx=y\n"
    found = tuxpaint.captions(content)
    assert list(found) == list(tuxpaint.LANGUAGES)
    assert (found["en"], found["de"], found["fr"], found["ja"]) == ("A café.", "Ein Café.", "", "")
    assert tuxpaint.captions("") == dict.fromkeys(tuxpaint.LANGUAGES, "")
