"""What a source can be, its splits, and rows that cannot be used."""

import re
from collections import Counter

import pytest

from research.data.corpora.corpus import SPLITS
from research.data.tables.files import Format
from research.data.tables.folders import split_of
from research.data.tables.source import read_source
from research.data.tables.splits import split_rows
from research.data.tables.table import Table, group
from research.errors import UserError


def read(source, **names):
    return read_source(str(source), names, Format())


def write(folder, *names, content="a\tb\n1\t2\n"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train.tsv", "dev.tsv", "test.tsv"], {"train", "validation", "test"}),
        (["train.tsv", "valid_small.tsv"], {"train", "validation"}),
        (["metadata.tsv", "notes.txt"], {""}),
        (["train/cat/1.png", "train/dog/2.png", "val/cat/3.png"], {"train", "validation"}),
        (["cat/1.png", "dog/2.png"], {""}),
    ],
)
def test_splits_of_a_folder_are_known_by_their_names(tmp_path, names, splits):
    write(tmp_path, *names)
    assert read(tmp_path).keys() == splits


def test_classes_are_the_names_of_folders(tmp_path):
    write(tmp_path, "train/cat/1.png", "train/dog/2.png", "train/dog/.hidden.png", "test/cat/3.png")
    tables = read(tmp_path)
    rows = [dict(tables["train"][row]) for row in range(len(tables["train"]))]
    assert rows == [{"path": f"train/{kind}/{n}.png", "label": kind} for n, kind in ((1, "cat"), (2, "dog"))]
    assert tables["test"][0] == {"path": "test/cat/3.png", "label": "cat"}


def test_transcripts_of_librispeech_are_next_to_their_audio(tmp_path):
    folder = "train-clean-100/84/121123"
    write(tmp_path, f"{folder}/84-121123.trans.txt", content="84-121123-0000 GO DO YOU HEAR\n")
    write(tmp_path, f"{folder}/84-121123-0000.flac", "dev-clean/1/2/1-2-0000.flac")
    write(tmp_path, "dev-clean/1/2/1-2.trans.txt", content="1-2-0001 NO\n")
    with pytest.raises(UserError, match=r"1-2.trans.txt:1: no audio file 1-2-0001"):
        read(tmp_path)
    write(tmp_path, "dev-clean/1/2/1-2-0001.flac")
    row = {"path": f"{folder}/84-121123-0000.flac", "text": "GO DO YOU HEAR", "speaker": "84", "chapter": "121123"}
    assert read(tmp_path)["train"][0] == row
    damaged = tmp_path / folder / "84-121123.trans.txt"
    damaged.write_bytes(damaged.read_bytes() + b"\n84-121123-0000 \xff\n84-121123-0001 GO\n84-121123-0000 STAY\n")
    with pytest.raises(UserError, match=r"84-121123.trans.txt:3: is not UTF-8 text; must be"):
        read(tmp_path)
    table = read_source(str(tmp_path), {}, Format(skip=True))["train"]
    assert [table[row]["text"] for row in range(len(table))] == ["GO DO YOU HEAR", "STAY"]
    assert table.place(1) == f"{damaged}:5" and [fault.split(":")[1] for fault in table.faults] == ["3", "4"]


def test_files_of_splits_can_be_named(tmp_path):
    write(tmp_path, "a.tsv", "b.tsv")
    assert read(tmp_path, train="a.tsv", test="b.tsv").keys() == {"train", "test"}
    assert read(tmp_path / "a.tsv", test="b.tsv").keys() == {"train", "test"}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("", "task.source must be given"),
        ("missing.tsv", "no such file or folder"),
        ("cmudct", "did you mean cmudict"),
        ("tfds:no_such_data_set", "TFDS has no builder of that name"),
    ],
)
def test_a_source_that_is_not_there_is_one_line(monkeypatch, tmp_path, source, fault):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=fault):
        read(source)


def test_a_folder_of_no_layout_says_which_there_are(tmp_path):
    write(tmp_path, "notes.txt")
    with pytest.raises(UserError, match="no data of a known layout"):
        read(tmp_path)
    write(tmp_path, "a.tsv", "b.tsv")
    with pytest.raises(UserError, match=r"several files of rows \(a.tsv, b.tsv\)"):
        read(tmp_path)


def test_split_names():
    names = ("train-clean-100", "dev_other", "valid", "test", "trainer", "LJ001")
    assert [*map(split_of, names)] == ["train", "validation", "validation", "test", "", ""]


def keys_of(rows):
    return [rows[row]["key"] for row in range(len(rows))]


def test_splits_are_made_by_a_hash_so_that_a_key_is_in_one_of_them(tmp_path):
    table = Table({"key": [f"k{row // 3}" for row in range(3000)]}, tmp_path)
    splits = split_rows({"": table}, lambda row: row["key"], "source")
    assert tuple(splits) == SPLITS and sum(map(len, splits.values())) == 3000
    parts = {split: Counter(keys_of(rows)) for split, rows in splits.items()}
    assert all(set(counts.values()) == {3} for counts in parts.values())
    assert 240 < len(splits["test"]) < 360 and 240 < len(splits["validation"]) < 360
    more = Table({"key": [*table.values["key"], "new"]}, tmp_path)
    assert set(keys_of(split_rows({"": more}, lambda row: row["key"], "source")["test"])) >= set(parts["test"])


def test_only_missing_splits_are_made(tmp_path):
    train, test = (Table({"key": [f"{name}{row}" for row in range(500)]}, tmp_path) for name in ("a", "b"))
    splits = split_rows({"train": train, "test": test}, lambda row: row["key"], "source")
    assert splits["test"] is test and len(splits["train"]) + len(splits["validation"]) == 500
    with pytest.raises(UserError, match="no training split"):
        split_rows({"test": test}, lambda row: row["key"], "source")
    few = Table({"key": ["a", "b"]}, tmp_path)
    with pytest.raises(UserError, match="2 different values of the column that decides the split"):
        split_rows({"": few}, lambda row: row["key"], "source")


def test_rows_of_a_series_are_ordered_by_their_time(tmp_path):
    table = Table({"id": ["b", "a", "b"], "t": ["10", "1", "9"], "x": [1, 2, 3]}, tmp_path / "a", [2, 3, 4])
    grouped = group(table, "id", "t", skip=False)
    assert dict(grouped.values) == {"id": ["b", "a"], "t": [["9", "10"], ["1"]], "x": [[3, 1], [2]]}
    assert [grouped.place(0), grouped.place(0, 1), grouped.place(1)] == [f"{tmp_path}/a:{line}" for line in (4, 2, 3)]
    assert group(table, "id", "", skip=False)[0]["x"] == [1, 3]


@pytest.mark.parametrize(
    ("series", "times", "fault"),
    [
        ("b", [9, "9.0"], r":3: the id=b has another row with t=9"),
        ("b", [1, "soon"], r":3: column t is 'soon'; must be a number, as it orders the steps"),
        ("b", [1, "nan"], r":3: column t is 'nan'; must be finite, as"),
        ("b", [1, 10**400], r":3: column t is 1000.*; must be a number, as"),
        (["b"], [1, 2], r":2: column id is \['b'\]; must be text"),
        (None, [1, 2], r":2: column id is None; must be text"),
    ],
)
def test_a_series_without_an_order_is_refused_or_left_out(tmp_path, series, times, fault):
    table = Table({"id": [series, series, "c"], "t": [*times, 1]}, tmp_path, [2, 3, 4])
    with pytest.raises(UserError, match=fault):
        group(table, "id", "t", skip=False)
    left = group(table, "id", "t", skip=True)
    assert dict(left.values) == {"id": ["c"], "t": [[1]]} and re.search(fault, left.faults[0])
    with pytest.raises(UserError, match="no row is left"):
        group(Table({"id": [series] * 2, "t": times}, tmp_path), "id", "t", skip=True)
