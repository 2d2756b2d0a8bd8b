"""An alignment shows each weight at its token and its part of the source, with names that can be read."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from research.reporting import figures
from research.reporting.figures import alignment, fonts
from research.reporting.figures.alignment import Alignment

WEIGHTS = np.array([[0.7, 0.3, 0.0], [0.0, 0.1, 0.9]])
WORD = Alignment(WEIGHTS, ["K", "end"], np.array([0.0, 1, 2, 3]), "letters", "cat", labels=list("cat"))
SOUND = Alignment(
    WEIGHTS, ["$k$", "end"], np.array([0, 0.2, 0.4, 0.5]), "time (s)", "cat.wav", picture=np.eye(4, 5), kind="audio",
    heights={"1 kHz": 1.5, "2 kHz": 3.0},
)  # fmt: skip


def names(ticks) -> list[str]:
    return [tick.get_text() for tick in ticks]


def drawn_weights(figure: Figure) -> np.ndarray:
    (mesh,) = figure.axes[0].collections
    array = mesh.get_array()
    assert array is not None
    return np.asarray(array).reshape(2, 3)


def test_weights_stand_at_their_tokens_and_steps():
    figure = alignment.draw(WORD)
    (axis,) = figure.axes
    np.testing.assert_array_equal(drawn_weights(figure), WEIGHTS)
    assert names(axis.get_xticklabels()) == list("cat")
    assert axis.get_xticks().tolist() == [0.5, 1.5, 2.5]
    assert names(axis.get_yticklabels()) == ["K", "end"]
    assert axis.get_ylim() == (2, 0)  # the first token is at the top
    assert axis.get_xlabel() == "letters"


def test_a_picture_stands_below_along_the_same_axis_to_where_the_source_ends():
    figure = alignment.draw(SOUND)
    weights, picture = figure.axes
    assert weights.get_xlim() == picture.get_xlim() == (0, 0.5)
    assert weights.get_position().x0 == picture.get_position().x0
    assert weights.get_position().width == picture.get_position().width
    assert weights.get_position().y0 > picture.get_position().y1
    (image,) = picture.images
    assert tuple(image.get_extent()) == (0, 0.5, 0, 4)
    assert (picture.get_xlabel(), weights.get_xlabel()) == ("time (s)", "")
    assert dict(zip(names(picture.get_yticklabels()), picture.get_yticks(), strict=True)) == SOUND.heights


@pytest.mark.parametrize(("kind", "origin"), [("audio", "lower"), ("image", "upper")])
def test_low_frequencies_are_below_and_the_first_row_of_an_image_above(kind, origin):
    figure = alignment.draw(Alignment(WEIGHTS, ["a", "end"], np.arange(4.0), "", "x", None, np.eye(4, 6), kind))
    assert figure.axes[1].images[0].origin == origin


def test_names_of_steps_that_the_encoder_joins_are_at_their_own_places():
    joined = Alignment(WEIGHTS, ["a", "end"], np.array([0.0, 2, 4, 5]), "", "abcde", labels=list("abcde"))
    (axis,) = alignment.draw(joined).axes
    assert axis.get_xticks().tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert axis.get_xlim() == (0, 5)


def test_names_can_be_read_however_many_there_are():
    many = Alignment(np.eye(300, 400), ["x"] * 300, np.arange(401.0), "", "long", labels=["y"] * 400)
    figure = alignment.draw(many)
    (axis,) = figure.axes
    assert max(figure.get_size_inches()) < 30
    for ticks, inches, side in (
        (axis.get_xticklabels(), figure.get_size_inches()[0], "width"),
        (axis.get_yticklabels(), figure.get_size_inches()[1], "height"),
    ):
        points = float(ticks[0].get_fontsize())
        room = 72 * inches * getattr(axis.get_position(), side) / len(ticks)
        assert alignment.SMALLEST <= points <= room


def test_what_is_drawn_is_within_the_figure():
    long = Alignment(
        np.eye(3, 4), ["▁Verschlüsselung", "x", "end"], np.arange(5.0), "", "An entire sentence " * 9,
        labels=["▁internationalisation", "▁of", "the", "▁page"],
    )  # fmt: skip
    for content in (WORD, SOUND, long):
        figure = alignment.draw(content)
        width, height = figure.get_size_inches() * figure.dpi
        box = figure.get_tightbbox()
        assert box.x0 >= -0.01 and box.y0 >= -0.01
        assert box.x1 * figure.dpi <= width + 1 and box.y1 * figure.dpi <= height + 1


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_file_is_written_in_the_format_of_its_name(suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    figures.draw_alignment(SOUND, path)
    assert path.read_bytes()[:8].startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])


def test_what_no_font_has_is_named_by_its_code(tmp_path, monkeypatch):
    usual = [font for font in font_manager.fontManager.ttflist if font.name == fonts.USUAL]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", usual)
    strange = Alignment(WEIGHTS, ["\U0001f9ea", " "], np.arange(4.0), "", "a\nb", labels=["é", "", "c"])
    (axis,) = alignment.draw(strange).axes
    assert names(axis.get_yticklabels()) == ["U+1F9EA", "␣"]
    assert names(axis.get_xticklabels()) == ["é", "∅", "c"]
    figures.draw_alignment(strange, tmp_path / "out.png")  # warnings are errors


def test_a_font_of_the_machine_is_taken_for_what_the_usual_one_lacks(monkeypatch):
    usual = font_manager.findfont(fonts.USUAL)
    others = [
        font_manager.FontEntry(fname="elsewhere.ttf", name=name, style="normal", weight=400)
        for name in ("Last Resort", "Other")
    ]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", others)
    monkeypatch.setattr(fonts, "_codes", lambda path: {ord("a")} if path == usual else {ord("a"), ord("ㄅ")})
    assert fonts.families("a") == [fonts.USUAL]
    assert fonts.families("aㄅ") == [fonts.USUAL, "Other"]


def test_a_file_that_is_no_font_has_no_characters(tmp_path):
    path = Path(tmp_path / "font.ttf")
    path.write_text("no font")
    assert fonts._codes(str(path)) == frozenset()
