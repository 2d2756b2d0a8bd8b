"""All that is given is found once, in order, under the name that the user knows."""

import os
from pathlib import Path

import pytest

from research.predicting.inputs import given, several


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.wav", "a/d.FLAC", "a/c.ogg", "a/text.txt", ".hidden/x.wav", "._b.wav", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def names(inputs, kind, folder: Path) -> list[str]:
    return [one.name for one in given(inputs, kind, folder)]


def test_a_text_is_taken_as_it_is_even_where_a_file_has_its_name(folder):
    (one,) = given([str(folder)], "text", folder)
    assert (one.name, one.content) == (str(folder), str(folder))


def test_the_lines_of_the_standard_input_are_texts(stdin, tmp_path):
    stdin("\ufeffeins\r\n\n zwei \ndreí".encode())
    found = list(given(["null", "-"], "text", tmp_path))
    assert [one.content for one in found] == ["null", "eins", "", " zwei ", "dreí"]
    assert [one.place for one in found] == ["", "line 1: ", "line 2: ", "line 3: ", "line 4: "]


def test_a_line_that_is_no_text_is_told_and_the_next_one_is_read(stdin, tmp_path):
    stdin(b"a\n\xff\xfe\nb\n")
    found = list(given(["-"], "text", tmp_path))
    assert [one.fault for one in found] == ["", "is not UTF-8 text", ""]
    assert found[1].complaint(f"{found[1].name}: {found[1].fault}") == "line 2: \\xff\\xfe: is not UTF-8 text"


def test_the_files_of_a_folder_are_those_of_the_kind_sorted(folder):
    within = [f"{folder}/{name}" for name in ("a/c.ogg", "a/d.FLAC", "b.wav")]
    assert names([str(folder)], "sound", folder) == within
    assert names([str(folder)], "image", folder) == [f"{folder}/picture.png"]
    assert names(["x.mp3", str(folder), "y"], "sound", folder) == ["x.mp3", *within, "y"]


def test_a_folder_without_such_a_file_is_told(tmp_path):
    (one,) = given([str(tmp_path)], "image", tmp_path)
    assert one.fault.startswith("has no file in it that ends in one of .png, .jpg")


def test_bytes_on_the_standard_input_are_a_file_that_is_called_as_the_user_calls_it(stdin, tmp_path):
    stdin(b"RIFF")
    (one,) = given(["-"], "sound", tmp_path)
    assert Path(one.content).read_bytes() == b"RIFF"
    assert one.complaint(f"{one.content}: is silent") == "-: is silent"


@pytest.mark.parametrize("kind", ["text", "sound", "image"])
def test_an_empty_or_closed_standard_input_is_told_and_what_else_is_given_is_taken(kind, stdin, tmp_path, monkeypatch):
    stdin(b"")
    first = list(given(["a", "-", "b"], kind, tmp_path))
    monkeypatch.setattr("sys.stdin", None)
    for found in (first, list(given(["a", "-", "b"], kind, tmp_path))):
        assert [one.name for one in found] == ["a", "-", "b"]
        assert [one.fault.partition(";")[0] for one in found] == ["", "nothing came on the standard input", ""]


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("")
    for inputs in ([str(tmp_path)], [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]):
        pipe, file = given(inputs, "sound", tmp_path)
        assert pipe.fault.startswith("is no regular file") and not file.fault
    (empty,) = given([""], "sound", tmp_path)
    assert (empty.name, empty.fault) == ("''", "is no name; must be a file or a folder")


def test_an_empty_name_is_told_as_it_is(tmp_path):
    (one,) = given([""], "sound", tmp_path)
    assert one.complaint(f"{one.name}: {one.fault}") == "'': is no name; must be a file or a folder"


def test_names_are_needed_where_there_may_be_several(folder):
    assert several(["a", "b"], "text") and several(["-"], "text") and several([str(folder)], "sound")
    assert not several([str(folder)], "text") and not several(["-"], "sound") and not several(["a.wav"], "sound")
