import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from research.errors import UserError
from research.tasks.corpora.corpus import Corpus, Example


class Squares(Corpus):
    """The squares of 0 to 9."""

    VERSION = tfds.core.Version("1.0.0")
    prepared_count = 0
    interrupted = False

    def _info(self) -> tfds.core.DatasetInfo:
        number = tfds.features.Scalar(dtype=np.int32)
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"square": number}))

    def examples(self) -> Mapping[str, list[tuple[str, Example]]]:
        if log := os.environ.get("LOG"):
            with Path(log).open("a") as file:
                file.write("prepared\n")
            time.sleep(1)  # long enough for the other process to arrive
        if self.interrupted:
            raise KeyboardInterrupt
        type(self).prepared_count += 1
        return {"train": [(str(index), {"square": index**2}) for index in range(10)]}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(Squares, "prepared_count", 0)
    return tmp_path


def squares() -> list[int]:
    return [int(record["square"]) for record in Squares.prepared().records("train")]


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


def test_of_two_processes_one_prepares_and_the_other_waits(data: Path) -> None:
    program = (
        "import importlib.util, sys; spec = importlib.util.spec_from_file_location('squares', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); print(len(module.squares()))"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "LOG": str(data / "log"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program, __file__]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in processes] == [b"10", b"10"]
    assert (data / "log").read_text() == "prepared\n"


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
