"""A small collection of stamps, as the Debian package that holds it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from research.data.corpora import tuxpaint
from tests.data.corpora.debs import write_deb

STAMPS = "usr/share/tuxpaint/stamps"
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


@contextmanager
def installed(folder: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    """The package with these files; the data folder is empty."""
    package = folder / "stamps.deb"
    write_deb(package, {f"{STAMPS}/{name}": content for name, content in files.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder / "data"))
        patch.setattr(tuxpaint, "debian", lambda *_: package)
        yield
