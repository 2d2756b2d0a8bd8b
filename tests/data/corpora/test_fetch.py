"""pip is given a folder with one small wheel instead of an index: no network is needed."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from research.data.corpora.fetch import data_folder, wheel
from research.errors import UserError

FILE = "tinycorpus-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the package index, and an empty data folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    return folder


def write_wheel(folder: Path) -> str:
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        archive.writestr("tinycorpus/data.txt", "data")
        archive.writestr("tinycorpus-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinycorpus\nVersion: 1.0\n")
        archive.writestr("tinycorpus-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tinycorpus-1.0.dist-info/RECORD", "")
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()


def failure(sha256: str) -> str:
    with pytest.raises(UserError) as caught:
        wheel("tinycorpus", "1.0", sha256)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_data_folder_is_that_of_tfds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert data_folder() == Path("/home/someone/tensorflow_datasets")
    monkeypatch.setenv("TFDS_DATA_DIR", "/elsewhere")
    assert data_folder() == Path("/elsewhere")


def test_a_wheel_is_fetched_once_and_leaves_nothing_else_behind(index: Path) -> None:
    sha256 = write_wheel(index)
    path = wheel("tinycorpus", "1.0", sha256)
    assert zipfile.ZipFile(path).read("tinycorpus/data.txt") == b"data"
    assert os.listdir(path.parent) == [FILE]
    (index / FILE).unlink()
    assert wheel("tinycorpus", "1.0", sha256) == path


def test_an_archive_put_there_by_hand_is_used(index: Path) -> None:
    folder = data_folder() / "downloads" / "manual"
    folder.mkdir(parents=True)
    sha256 = write_wheel(folder)
    assert wheel("tinycorpus", "1.0", sha256) == folder / FILE


def test_what_a_killed_process_left_is_removed(index: Path) -> None:
    left = data_folder() / "downloads" / f".incomplete-{FILE}"
    left.mkdir(parents=True)
    (left / FILE).write_bytes(b"half")
    sha256 = write_wheel(index)
    assert wheel("tinycorpus", "1.0", sha256).read_bytes() == (index / FILE).read_bytes()
    assert not left.exists()


def test_a_folder_in_the_place_of_the_archive_is_told(index: Path) -> None:
    (data_folder() / "downloads" / "manual" / FILE).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"manual/{FILE}: is no file; must be the archive \(sha256 0000"):
        wheel("tinycorpus", "1.0", "0" * 64)


def test_an_index_without_the_package_gives_one_line_that_says_where_to_put_the_archive(index: Path) -> None:
    line = failure("0" * 64)
    assert "No matching distribution found for tinycorpus==1.0" in line
    assert FILE in line and str(data_folder() / "downloads" / "manual") in line


def test_an_index_out_of_reach_is_told_from_one_without_the_package(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert "the package index cannot be reached" in failure("0" * 64)


def test_a_python_without_pip_is_named(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'python: No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    assert f"{python} has no pip" in failure("0" * 64)
