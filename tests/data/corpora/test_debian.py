"""apt is given a folder with one small package as its only source: no network is needed, no list of the system read."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from research.data.corpora.fetch import data_folder, debian, unpacked
from research.errors import UserError
from tests.data.corpora.debs import write_deb

VERSION = "1:2.0-1"
FILE = "tinycorpus_1%3a2.0-1_all.deb"
FILES = {"usr/share/tinycorpus/ㄅㄚ/a.txt": b"data", "../outside.txt": b"outside"}
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt")


def manual_folder() -> Path:
    return data_folder() / "downloads" / "manual"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def source(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that apt gets packages from; of which it has no lists yet."""
    folder = tmp_path / "source"
    folder.mkdir()
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    (tmp_path / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": tmp_path / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": tmp_path / "state",
        "Dir::State::status": tmp_path / "status",
        "Dir::Cache": tmp_path / "cache",
    }
    (tmp_path / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return folder


def publish(folder: Path) -> str:
    """Put the package into the folder and list it; its sha256."""
    sha256 = write_deb(folder / "tiny.deb", FILES, link="usr/share/tinycorpus/link")
    fields = {
        "Package": "tinycorpus",
        "Version": VERSION,
        "Architecture": "all",
        "Maintainer": "nobody",
        "Description": "none",
        "Filename": "./tiny.deb",
        "Size": (folder / "tiny.deb").stat().st_size,
        "SHA256": sha256,
    }
    (folder / "Packages").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return sha256


def failure(sha256: str = "0" * 64, package: str = "tinycorpus", version: str = VERSION) -> str:
    with pytest.raises(UserError) as caught:
        debian(package, version, sha256)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fake_apt(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have this shell script for apt-get."""
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@needs_apt
def test_a_package_is_fetched_once_without_lists_of_the_system_and_leaves_nothing_else_behind(source: Path) -> None:
    sha256 = publish(source)
    path = debian("tinycorpus", VERSION, sha256)
    assert path == manual_folder() / FILE
    assert path.read_bytes() == (source / "tiny.deb").read_bytes() and not path.is_symlink()
    assert sorted(os.listdir(path.parent.parent)) == [".locks", "manual"]
    assert os.listdir(path.parent) == [FILE]
    assert not (source.parent / "state").exists() and not (source.parent / "cache").exists()
    (source / "tiny.deb").unlink()
    assert debian("tinycorpus", VERSION, sha256) == path


@needs_apt
def test_two_fetches_at_once_both_succeed(source: Path) -> None:
    sha256 = publish(source)
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: debian("tinycorpus", VERSION, sha256), range(2)))
    assert os.listdir(paths[0].parent) == [FILE]


@needs_apt
@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("tinycorpus", "9", f"Version '9' for 'tinycorpus' was not found, only {FILE}; put tinycorpus_9_all.deb"),
        ("absent", "1", "Unable to locate package absent; put absent_1_all.deb"),
        ("tinycorpus", VERSION, f"there is another file of that name (sha256 {{sha256}}…); put {FILE}"),
    ],
)
def test_what_apt_does_not_have_gives_one_line_that_says_where_to_put_the_package(
    source: Path, package: str, version: str, said: str
) -> None:
    sha256 = publish(source)
    line = failure("0" * 64, package, version)
    assert f"cannot be fetched: {said.format(sha256=sha256[:12])} (sha256 {'0' * 64}) into {manual_folder()}" in line
    assert os.listdir(manual_folder()) == []


@needs_apt
def test_sources_out_of_reach_are_told_from_sources_without_the_package(source: Path) -> None:
    (source.parent / "sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    assert "cannot be fetched: the package lists cannot be fetched; put" in failure()


def test_a_machine_without_apt_is_named_and_the_way_out_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(data))
    line = failure("1" * 64)
    assert "this machine has no apt-get; " in line
    assert f"put {FILE} (sha256 {'1' * 64}) into {manual_folder()} by hand" in line
    sha256 = write_deb(manual_folder() / FILE, FILES)
    assert debian("tinycorpus", VERSION, sha256) == manual_folder() / FILE


def test_a_damaged_package_is_named(data: Path) -> None:
    write_deb(manual_folder() / FILE, FILES)
    line = failure()
    assert str(manual_folder() / FILE) in line and "wrong checksum" in line


def test_a_killed_fetch_leaves_nothing_that_is_taken_for_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = write_deb(tmp_path / "whole", FILES)
    half = f'case "$*" in *--print-uris*) exit 0;; esac; head -c 100 "{tmp_path}/whole" > {FILE}; exec sleep 60'
    fake_apt(tmp_path / "bin", monkeypatch, half)
    program = f"from research.data.corpora.fetch import debian; debian('tinycorpus', '{VERSION}', '{sha256}')"
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3], start_new_session=True)
    incomplete = data / "downloads" / f".incomplete-{FILE}"
    while not (incomplete / FILE).exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert os.listdir(manual_folder()) == [] and incomplete.exists()
    whole = f'case "$*" in *--print-uris*) exit 0;; esac; [ ! -e {FILE} ] && cp "{tmp_path}/whole" {FILE}'
    (tmp_path / "bin" / "apt-get").write_text(f"#!/bin/sh\n{whole}\n")
    debian("tinycorpus", VERSION, sha256)
    assert os.listdir(manual_folder()) == [FILE] and not incomplete.exists()


def test_an_unpacked_package_has_its_files_none_outside_and_no_links(data: Path, tmp_path: Path) -> None:
    write_deb(tmp_path / FILE, FILES, link="usr/share/tinycorpus/link")
    with unpacked(tmp_path / FILE) as folder:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert files == {"usr/share/tinycorpus/ㄅㄚ/a.txt": b"data"}
        assert not list(folder.rglob("link"))
    assert not folder.exists()
    assert not list(data.rglob("outside.txt"))


def test_an_unpacked_package_is_gone_after_an_error_and_what_a_killed_process_left_is_cleared(
    data: Path, tmp_path: Path
) -> None:
    write_deb(tmp_path / FILE, FILES)
    left = data / "downloads" / f".unpacked-{FILE}"
    left.mkdir(parents=True)
    (left / "half").touch()
    with pytest.raises(FileNotFoundError), unpacked(tmp_path / FILE) as folder:  # not for TFDS_DATA_DIR to be blamed
        assert not (folder / "half").exists()
        (folder / "absent").read_bytes()
    assert not folder.exists()


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_deb(tmp_path / FILE, FILES)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "data"))
    assert "TFDS_DATA_DIR" in failure()
    with pytest.raises(UserError, match="TFDS_DATA_DIR"), unpacked(tmp_path / FILE):
        pass
