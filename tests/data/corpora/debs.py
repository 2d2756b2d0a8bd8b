"""Debian packages made up for tests: an `ar` archive with the files in data.tar.xz."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_deb(path: Path, files: Mapping[str, bytes], link: str = "") -> str:
    """Write a package with these files, and with a symbolic link if it has a name; the package's sha256."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        if link:
            entry = tarfile.TarInfo(f"./{link}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": content.getvalue()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, data in members.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode())
            file.write(data + b"\n" * (len(data) % 2))
    return hashlib.sha256(path.read_bytes()).hexdigest()
