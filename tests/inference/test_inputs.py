"""Every input is taken once, in order, under the name that the user knows."""

import os
import threading
from pathlib import Path

import pytest

from research.inference.inputs import are_named, in_chunks, read


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.wav", "a/d.FLAC", "a/c.ogg", "a/text.txt", ".hidden/x.wav", "._b.wav", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def names(words, kind, folder: Path) -> list[str]:
    return [item.name for item in read(words, kind, folder)]


def test_a_text_is_taken_unchanged_even_where_a_file_has_its_name(folder):
    (item,) = read([str(folder)], "text", folder)
    assert (item.name, item.source) == (str(folder), str(folder))


def test_the_lines_of_the_standard_input_are_texts(stdin, tmp_path):
    stdin("\ufeffeins\r\n\n zwei \ndreí".encode())
    items = list(read(["null", "-"], "text", tmp_path))
    assert [item.source for item in items] == ["null", "eins", "", " zwei ", "dreí"]
    assert [item.line for item in items] == ["", "line 1: ", "line 2: ", "line 3: ", "line 4: "]


def test_lines_of_a_pipe_are_taken_as_they_come(monkeypatch, tmp_path):
    output, end = os.pipe()
    with open(output) as lines, open(end, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", lines)
        writer.write(b"a\n")
        later = threading.Timer(0.3, lambda: (writer.write(b"b\nc\n"), writer.close()))
        later.start()
        first, *others = in_chunks(read(["-"], "text", tmp_path), 256)
        assert [item.name for item in first] == ["a"]
        assert [item.name for chunk in others for item in chunk] == ["b", "c"]
        later.join()


def test_a_line_that_is_no_text_is_told_and_the_next_one_is_read(stdin, tmp_path):
    stdin(b"a\n\xff\xfe\nb\n")
    items = list(read(["-"], "text", tmp_path))
    assert [item.fault for item in items] == ["", "is not UTF-8 text", ""]
    assert items[1].complaint(f"{items[1].name}: {items[1].fault}") == "line 2: \\xff\\xfe: is not UTF-8 text"


def test_the_files_of_a_folder_are_those_of_the_kind_sorted(folder):
    within = [f"{folder}/{name}" for name in ("a/c.ogg", "a/d.FLAC", "b.wav")]
    assert names([str(folder)], "audio", folder) == within
    assert names([str(folder)], "image", folder) == [f"{folder}/picture.png"]
    assert names(["x.mp3", str(folder), "y"], "audio", folder) == ["x.mp3", *within, "y"]


def test_a_folder_without_such_a_file_is_told(tmp_path):
    (item,) = read([str(tmp_path)], "image", tmp_path)
    assert item.fault.startswith("has no file in it that ends in one of .png, .jpg")


def test_bytes_on_the_standard_input_are_a_file_that_is_called_as_the_user_calls_it(stdin, tmp_path):
    stdin(b"RIFF")
    (item,) = read(["-"], "audio", tmp_path)
    assert Path(item.source).read_bytes() == b"RIFF"
    assert item.complaint(f"{item.source}: is silent") == "-: is silent"


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_an_empty_or_closed_standard_input_is_told_and_the_other_inputs_are_taken(kind, stdin, tmp_path, monkeypatch):
    stdin(b"")
    empty = list(read(["a", "-", "b"], kind, tmp_path))
    monkeypatch.setattr("sys.stdin", None)
    for items in (empty, list(read(["a", "-", "b"], kind, tmp_path))):
        assert [item.name for item in items] == ["a", "-", "b"]
        assert [item.fault.partition(";")[0] for item in items] == ["", "nothing came on the standard input", ""]


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("")
    for words in ([str(tmp_path)], [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]):
        pipe, file = read(words, "audio", tmp_path)
        assert pipe.fault.startswith("is no regular file") and not file.fault
    (empty,) = read([""], "audio", tmp_path)
    assert empty.complaint(f"{empty.name}: {empty.fault}") == "'': is no name; must be a file or a folder"


def test_names_are_needed_where_there_may_be_several(folder):
    assert are_named(["a", "b"], "text") and are_named(["-"], "text") and are_named([str(folder)], "audio")
    assert not are_named([str(folder)], "text") and not are_named(["-"], "audio") and not are_named(["a.wav"], "audio")
