import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from research.data.corpora import corpus
from research.data.corpora.corpus import Examples, Feature, PackageCorpus, hash_fraction, hash_split
from research.data.corpora.source import Source, counts
from research.errors import UserError


class Deadly:
    """A number that kills the process that writes it."""

    def __array__(self, *args: object, **options: object) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(())


class Squares(PackageCorpus):
    """The squares of 0 to 9."""

    FEATURES: ClassVar = {"square": (np.int32, ())}
    prepared_count: ClassVar = 0
    interrupted: ClassVar = False

    def examples(self) -> Examples:
        if log := os.environ.get("LOG"):
            with Path(log).open("a") as file:
                file.write("prepared\n")
            time.sleep(1)  # long enough for the other process to arrive
        if self.interrupted:
            raise KeyboardInterrupt
        type(self).prepared_count += 1
        for index in range(10):
            deadly = index == 5 and os.environ.get("DEADLY")
            yield "train", str(index), {"square": Deadly() if deadly else index**2}


SQUARES = Squares(name="squares", summary="Squares.", license="", megabytes=0, source="", citation="")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(Squares, "prepared_count", 0)
    return tmp_path


def squares() -> list[int]:
    return [int(record["square"]) for record in Source(str(SQUARES.prepare()), "train")]


def test_records_are_prepared_once_and_come_in_the_same_order_each_time() -> None:
    first = squares()
    assert sorted(first) == [index**2 for index in range(10)]
    assert squares() == first
    assert Squares.prepared_count == 1


def test_what_tfds_prints_does_not_reach_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    squares()
    assert capsys.readouterr().out == ""


def test_an_interrupted_preparation_leaves_nothing_that_looks_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squares, "interrupted", True)
    with pytest.raises(KeyboardInterrupt):
        squares()
    monkeypatch.setattr(Squares, "interrupted", False)
    assert len(squares()) == 10


def start(data: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start to prepare in another process, which prints the number of records."""
    program = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('squares', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); print(len(module.squares()))"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "TFDS_DATA_DIR": str(data), "PYTHONPATH": str(root), **environment}
    command = [sys.executable, "-c", program, __file__]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_of_two_processes_one_prepares_and_the_other_waits(data: Path) -> None:
    processes = [start(data, LOG=str(data / "log")) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == [b"10", b"10"]
    assert (data / "log").read_text() == "prepared\n"


def test_a_killed_preparation_leaves_nothing_that_is_taken_for_whole(data: Path) -> None:
    process = start(data, DEADLY="1")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list((data / "squares").iterdir())  # what it had written so far
    assert not SQUARES.prepared()
    assert len(squares()) == 10
    assert [path.name for path in (data / "squares").iterdir()] == ["1.0.0"]


def test_what_is_prepared_is_found_and_counted() -> None:
    assert not SQUARES.prepared()
    folder = SQUARES.prepare()
    assert SQUARES.prepared() == [folder] and counts(folder) == {"train": 10}


def test_columns_are_read_from_their_copy_which_is_written_again_where_it_is_damaged(data: Path) -> None:
    copy = data / "squares" / "1.0.0" / "columns-train.npz"
    columns = SQUARES.columns("train")
    whole = copy.read_bytes()
    for damaged in (whole, whole[:100], whole[:-20] + b"\xff" * 20):
        copy.write_bytes(damaged)
        again = SQUARES.columns("train")
        assert copy.read_bytes() == whole and not list(copy.parent.glob(".incomplete*"))
        assert {name: list(map(str, column)) for name, column in again.items()} == {
            name: list(map(str, column)) for name, column in columns.items()
        }


@pytest.mark.parametrize("rows", [0, 2])
def test_columns_have_texts_lists_of_texts_and_arrays_of_any_shape(rows: int) -> None:
    features: dict[str, Feature] = {
        "text": "text",
        "texts": "texts",
        "sound": (np.int16, (None,)),
        "image": (np.uint8, (2, 3)),
        "number": (np.int32, ()),
    }
    examples = [
        {
            "text": "ä b".encode() * row,
            "texts": [b"one", b"two"][: row + 1],
            "sound": np.arange(row, dtype=np.int16),
            "image": np.full((2, 3), row, np.uint8),
            "number": np.int32(row),
        }
        for row in range(rows)
    ]
    arrays = corpus._pack(examples, features)
    columns = {name: corpus._column(arrays, name, kind) for name, kind in features.items()}
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(features, rows)
    assert columns["text"] == ["", "ä b"][:rows] and columns["texts"] == [["one"], ["one", "two"]][:rows]
    assert [sound.tolist() for sound in columns["sound"]] == [[], [0]][:rows]
    assert columns["image"].shape == (rows, 2, 3) and columns["number"].tolist() == list(range(rows))


def test_the_hash_of_a_key_is_the_same_everywhere_and_evenly_spread() -> None:
    assert hash_fraction("a") == pytest.approx(0xCA978112CA1BBDCA / 2**64)  # the first 8 bytes of the hash
    fractions = [hash_fraction(str(number)) for number in range(2000)]
    assert np.histogram(fractions, 4, (0, 1))[0].min() > 440
    splits = [hash_split(str(number), test=0.1, validation=0.2) for number in range(2000)]
    for split, low, high in (("test", 0, 0.1), ("validation", 0.1, 0.3), ("train", 0.3, 1)):
        assert all(low <= place < high for name, place in zip(splits, fractions, strict=True) if name == split)


@pytest.mark.parametrize("nothing", [True, False])
def test_a_folder_that_says_nothing_of_splits_is_not_taken_for_prepared(nothing: bool, data: Path) -> None:
    folder = data / "squares" / "1.0.0"
    if nothing:
        folder.mkdir(parents=True)
    else:
        squares()
        (folder / "dataset_info.json").unlink()
    with pytest.raises(UserError, match=r"squares/1\.0\.0: cannot be read .*; delete this folder and try again"):
        squares()


@pytest.mark.parametrize("damaged", ["squares-train.array_record-00000-of-00001", "dataset_info.json"])
def test_damaged_files_give_one_line_that_names_the_folder(data: Path, damaged: str) -> None:
    squares()
    (data / "squares" / "1.0.0" / damaged).write_text("{")
    with pytest.raises(UserError, match=r"squares/1\.0\.0: cannot be read .*; delete this folder and try again"):
        squares()


def test_a_data_folder_that_cannot_be_written_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "file").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(data / "file" / "data"))
    with pytest.raises(UserError, match="TFDS_DATA_DIR"):
        squares()
