"""Files of rows: what is read, and a line that names the file and the row of what is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from research.data.tables import reading
from research.data.tables.files import READERS, Format, read_file
from research.data.tables.folders import read_folder
from research.data.tables.table import Table
from research.errors import UserError
from tests.pages import PAGES


def rows(table):
    return [table[row] for row in range(len(table))]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", 'word\tsays\na\t"x\n', [{"word": "a", "says": '"x'}]),
        ("a.csv", 'word,says\r\na,"x, ""y"""\r\n', [{"word": "a", "says": 'x, "y"'}]),
        ("a.csv", "\ufeffword,says\n\nä,b\n", [{"word": "ä", "says": "b"}]),
        ("a.jsonl", '{"a": [1, 2]}\n\n{"b": "x"}\n', [{"a": [1, 2], "b": None}, {"a": None, "b": "x"}]),
        ("a.jsonl", '{"a": "x\u2028y\x85z"}\r\n', [{"a": "x\u2028y\x85z"}]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_rows_have_the_names_of_the_columns(tmp_path, name, content, expected, zipped):
    path = tmp_path / (name + ".gz" * zipped)
    path.write_bytes(gzip.compress(content.encode()) if zipped else content.encode())
    assert rows(read_file(path, Format())) == expected


def test_a_file_without_a_header_has_numbered_columns(tmp_path):
    (tmp_path / "metadata.csv").write_text('LJ001|He said "no"|x\n')
    table = read_file(tmp_path / "metadata.csv", Format("|", "none", header=False))
    assert rows(table) == [{"1": "LJ001", "2": 'He said "no"', "3": "x"}]
    assert table.place(0).endswith("metadata.csv:1")


def test_arrays_end_at_their_lengths(tmp_path):
    x = np.arange(12).reshape(2, 3, 2)
    np.savez(tmp_path / "a.npz", x=x, y=[1, 2], lengths=[3, 1])
    first, second = rows(read_file(tmp_path / "a.npz", Format()))
    assert first["x"].tolist() == x[0].tolist() and second["x"].tolist() == x[1, :1].tolist()
    assert (first["y"], second["y"]) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.tsv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\n", "is empty"),
        ("a.tsv", b"word\tsays\n", "has a header and no rows"),
        ("a.tsv", b"word\tsays\na\tb\na\n", "a.tsv:3: has 1 value; must have 2"),
        ("a.tsv", b"word\tword\na\tb\n", "two columns are called 'word'"),
        ("a.tsv", b"word\tsays\na\t\xff\n", "a.tsv:2: is not UTF-8"),
        ("a.tsv", b"word\tsays\na\tb\0\n", "a.tsv:2: has a NUL"),
        ("a.tsv", "word\tsays\n".encode("utf-16"), "a.tsv:1: is not UTF-8"),
        ("a.csv", b'word,says\na,"b"c\n', "a.csv:2: ',' expected after '\"'"),
        ("a.csv", b'word,says\n\na,"b\nc,d\ne,f\n', "a.csv:3: a quoted value of this row has no closing quote"),
        ("a.csv", b'word,says\na,"b\nc,"d"\ne,f\n', "a.csv:2: ',' expected after '\"' in line 3"),
        ("a.csv", b'word,says\na,"b\nc",d\n', "a.csv:2: has 3 values; must have 2"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "a.jsonl:2: is no JSON object"),
        ("a.jsonl", b'{"a": 1}\n{"a"\n', "a.jsonl:2: is no JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "a.jsonl:2: is not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\\ud800"}\n', "a.jsonl:2: is not UTF-8"),
        ("a.npz", b"PK", "is no .npz file"),
        ("a.tsv.gz", b"word", "cannot be read"),
        ("a.tsv.gz", gzip.compress(b"word", mtime=0)[:10] + b"\xff" * 90, "cannot be read: Error -3"),
        ("a.txt", b"word", "must end in one of .tsv, .csv, .jsonl, .npz"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_file(tmp_path / name, Format())
    assert fault in str(raised.value) and "\n" not in str(raised.value)


def test_arrays_of_different_numbers_of_rows_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), y=[1])
    with pytest.raises(UserError, match="x 2, y 1; must be equal"):
        read_file(tmp_path / "a.npz", Format())


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"x": np.zeros((2, 3)), "lengths": [1.0, 2.0]}, "lengths is float64 of the shape [2]"),
        ({"x": np.zeros((2, 3)), "lengths": [[1], [2]]}, "lengths is int64 of the shape [2, 1]"),
        ({"lengths": [1, 2]}, "must be a whole number for each row of the other arrays"),
        ({"x": np.zeros((2, 3)), "lengths": [1, 4]}, "row 2: lengths is 4; must be from 1 to 3"),
    ],
)
def test_lengths_are_a_whole_number_for_each_row(tmp_path, arrays, fault):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError) as raised:
        read_file(tmp_path / "a.npz", Format())
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "left", "faulty"),
    [
        ("a.tsv", b"w\ts\na\tb\nc\t\xff\nd\t\0\ne\ne\tf\n", "ae", [3, 4, 5]),
        ("a.csv", b'w,s\na,"b\nc,d\ne,"f\ng,h\n', "g", [2]),
        ("a.csv", b'w,s\na,"b"c\nd,e\nf,"g\nh,i\n', "dh", [2, 4]),
        ("a.csv", b'w,s\na,"b\n\xffc"\nd,e\n', "d", [2]),
        ("a.jsonl", b'{"w": "a"}\n[1]\n{"w": "\xff"}\n{"w": "\\udc80"}\n{"w": "b"}\n{"w\n', "ab", [2, 3, 4, 6]),
    ],
)
def test_damaged_rows_are_left_out_and_listed_each_by_its_line(tmp_path, name, content, left, faulty):
    (tmp_path / name).write_bytes(content)
    table = read_file(tmp_path / name, Format(skip=True))
    assert "".join(row["w"] for row in rows(table)) == left
    assert [int(fault.split(f"{name}:")[1].split(":")[0]) for fault in table.faults] == faulty


@pytest.mark.parametrize("content", [b"w\xff\ts\na\tb\n", b"w\ts\na\n"])
def test_skipping_needs_the_names_of_the_columns_and_a_row(tmp_path, content):
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(UserError, match=r"a.tsv:1: is not UTF-8|a.tsv:2: has 1 value.*; no row is left"):
        read_file(tmp_path / "a.tsv", Format(skip=True))


def test_a_format_is_a_function_and_its_suffix(tmp_path, monkeypatch):
    def read_lines(path, content, written):
        return Table({"line": content.decode().split()}, path, None, path.parent)

    monkeypatch.setitem(READERS, ".txt", read_lines)
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"c\n"))
    tables = read_folder(tmp_path, Format())
    assert {split: rows(table) for split, table in tables.items()} == {
        "train": [{"line": "a"}, {"line": "b"}],
        "test": [{"line": "c"}],
    }


def test_every_suffix_is_in_the_help_and_in_the_docs():
    help_text = Path(reading.__file__).read_text()
    (row,) = (line for line in PAGES["docs/your-data.md"].splitlines() if line.startswith("| `pairs.tsv`"))
    assert not [suffix for suffix in READERS if f"{suffix}," not in help_text or f"{suffix}`" not in row]
