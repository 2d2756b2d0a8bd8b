"""A small collection of stamps, as the Debian package that holds it."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from research.tasks.corpora import tuxpaint

STAMPS = "./usr/share/tuxpaint/stamps"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="20pt" height="10pt"><rect width="99" height="99" fill="red"/></svg>'
)


def png(seed: int, mode: str = "RGB") -> bytes:
    """A picture that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST).convert(mode).save(file, "png")
    return file.getvalue()


def text(english: str, **others: str) -> bytes:
    return "\n".join([english, *(f"{language}.utf8={caption}" for language, caption in others.items())]).encode()


def write_deb(path: Path, files: Mapping[str, bytes]) -> Path:
    """A Debian package: an `ar` archive whose member data.tar holds the files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{STAMPS}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "data.tar": data.getvalue()}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members.items():
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))
    return path


@contextmanager
def installed(folder: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    """The package with these files; the data folder is empty."""
    package = write_deb(folder / "stamps.deb", files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder / "data"))
        patch.setattr(tuxpaint, "debian", lambda *_: package)
        yield
