"""Images with captions: the stamps of the drawing program Tux Paint, from Debian's package tuxpaint-stamps-default.

All images that have a caption: PNG files, and drawings that are in SVG only, rendered at their own size (resvg; without
the system's fonts, so that they are the same everywhere). Each is put on white where it is transparent, and scaled to
fit the middle of a square of 96 × 96 pixels. Mirror images (`_mirror`) have no caption of their own and are left out,
as is each image that repeats the pixels of an earlier one.

A caption is the line of its language, in Unicode's composed form (NFC), all white space one space; case and
punctuation stay. Captions of more than 12 words of the English line, which tell stories of coins and signs, are left
out with their images.

Split by the English caption, by the hash of its letters and digits without case: about 80% train, 5% validation, 15%
test, the same everywhere and in all languages. So images of one caption stay together: none in the test has the
caption of one in training. Where two English captions have one translation, the test's is left out (in the
validation, too); nothing is left out of training.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from research.data.corpora.corpus import SPLITS, Example, Examples, PackageCorpus, hash_split
from research.data.corpora.fetch import debian, unpacked
from research.data.corpora.libreoffice import comparable
from research.data.images.files import fit_square, load_image, to_rgb
from research.data.text import normalize

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "cs", "ru", "ja")
MAX_WORDS = 12
SIZE = 96
"""Rows and columns of an image."""
PACKAGE = "2022.06.04-1"


@dataclass(frozen=True, kw_only=True)
class Tuxpaint(PackageCorpus):
    """Images and their captions."""

    name: str = "tuxpaint"
    summary: str = "Images of a drawing program with captions in nine languages."
    license: str = "GPL-2"
    megabytes: int = 161
    source: str = f"Debian package tuxpaint-stamps-default {PACKAGE}"
    citation: str = "The Tux Paint stamps collection, 2002-2022: Bill Kendrick and many others"
    configs: tuple[str, ...] = LANGUAGES
    FEATURES: ClassVar = {
        "name": "text",
        "picture": (np.uint8, (SIZE, SIZE, 3)),
        **dict.fromkeys(LANGUAGES, "text"),
    }

    def examples(self) -> Examples:
        sha256 = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34"
        with unpacked(debian("tuxpaint-stamps-default", PACKAGE, sha256)) as files:
            for example in _stamps(files / "usr" / "share" / "tuxpaint" / "stamps"):
                yield split_of(example["en"]), example["name"], example

    def tables(self, config: str | None = None) -> dict[str, dict[str, Any]]:
        """Return pictures with their captions in a language; no caption is in two splits."""
        taken: set[str] = set()
        tables = {}
        for split in SPLITS:
            columns = self.columns(split)
            captions = columns[config or LANGUAGES[0]]
            rows = [row for row, text in enumerate(captions) if text and comparable(text) not in taken]
            taken |= {comparable(captions[row]) for row in rows}
            tables[split] = {"picture": columns["picture"][rows], "caption": [captions[row] for row in rows]}
        return tables


def split_of(english: str) -> str:
    """Return the split that the images of an English caption belong to."""
    return hash_split(comparable(english), test=0.15, validation=0.05)


def captions(text: str) -> dict[str, str]:
    """Return the caption of each language, from a stamp's text file; empty where it has none."""
    first, *lines = text.removeprefix("\ufeff").splitlines() or [""]
    written = {name: caption for name, _, caption in (line.partition(".utf8=") for line in lines)}
    return {language: normalize(written.get(language, "") if language != "en" else first) for language in LANGUAGES}


def _stamps(folder: Path) -> Iterator[Example]:
    """Yield the stamps of a folder, in the order of their paths."""
    seen = set()
    for path in sorted(folder.rglob("*.txt")):
        lines = captions(path.read_text(encoding="utf-8"))
        pixels = _pixels(path)
        if pixels is None or not 0 < len(lines["en"].split()) <= MAX_WORDS:
            continue
        content = hashlib.sha256(pixels.tobytes()).digest()
        if content not in seen:
            seen.add(content)
            yield {"name": path.relative_to(folder).with_suffix("").as_posix(), "picture": pixels, **lines}


def _pixels(path: Path) -> UInt8[np.ndarray, "96 96 3"] | None:
    """Return the image next to a text file; None where there is none."""
    if path.stem.endswith("_mirror"):
        return None
    if (bitmap := path.with_suffix(".png")).exists():
        return fit_square(load_image(bitmap), SIZE)
    if (drawing := path.with_suffix(".svg")).exists():
        import resvg_py

        drawn = resvg_py.svg_to_bytes(svg_path=str(drawing), skip_system_fonts=True, dpi=96)
        return fit_square(to_rgb(Image.open(io.BytesIO(drawn))), SIZE)
    return None
