"""Pictures with captions: the stamps of the drawing program Tux Paint, from Debian's package tuxpaint-stamps-default.

All pictures that have a caption: those in PNG, and those that are drawings in SVG only, which are drawn at their own
size (resvg; without the fonts of the system, so that they are the same everywhere). Each is put on white where it can
be seen through, and scaled to a square of 96 × 96 pixels, all of it, in the middle. Mirror images (`_mirror`) have no
caption of their own and are left out, as is each picture whose pixels are those of one before it.

A caption is the line of its language, in Unicode's composed form (NFC), all white space one space; case and
punctuation stay. Captions of more than 12 words of the English line, which tell stories of coins and signs, are left
out with their pictures.

Split by the English caption, by the hash of its letters and digits without case: about 80% train, 5% validation, 15%
test, the same everywhere and in all languages. So pictures of one caption stay together: none in the test has the
caption of one in training. Where two English captions have one translation, the test's is left out (in the
validation, too); nothing is left out of training.
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
import tensorflow_datasets as tfds
from jaxtyping import UInt8
from PIL import Image

from research.config import STAMP
from research.tasks.corpora.corpus import Corpus, Example, share
from research.tasks.corpora.fetch import debian, unpacked
from research.tasks.pictures import picture

SPLITS = ("train", "validation", "test")
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "cs", "ru", "ja")
MOST_WORDS = 12
VERSION = "2022.06.04-1"


@dataclass(frozen=True)
class Stamp:
    """A picture and what it shows."""

    picture: UInt8[np.ndarray, "96 96 3"]
    caption: str


class Tuxpaint(Corpus):
    """Pictures of a drawing program with captions in nine languages."""

    VERSION = tfds.core.Version("1.0.0")
    licence = "GPL-2"
    megabytes = 161
    source = f"Debian package tuxpaint-stamps-default {VERSION}"
    citation = "The Tux Paint stamps collection, 2002-2022: Bill Kendrick and many others"

    def _info(self) -> tfds.core.DatasetInfo:
        text = tfds.features.Text()
        pixels = tfds.features.Tensor(shape=(STAMP, STAMP, 3), dtype=np.uint8)
        features = tfds.features.FeaturesDict({"name": text, "picture": pixels, **dict.fromkeys(LANGUAGES, text)})
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=features)

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        sha256 = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34"
        split: dict[str, list[tuple[str, Example]]] = {name: [] for name in SPLITS}
        with unpacked(debian("tuxpaint-stamps-default", VERSION, sha256)) as files:
            for example in _stamps(files / "usr" / "share" / "tuxpaint" / "stamps"):
                split[split_of(example["en"])].append((example["name"], example))
        return split


def load(language: str) -> dict[str, list[Stamp]]:
    """The stamps of the splits train, validation and test, with their captions in a language of `LANGUAGES`.

    Raises:
        UserError: if the archive cannot be had, or the prepared data not be written or read.
    """
    corpus = Tuxpaint.prepared()
    taken: set[str] = set()
    found: dict[str, list[Stamp]] = {}
    for split in SPLITS:
        arrays = corpus.packed(split, _pack)
        stamps = map(Stamp, arrays["pictures"], arrays[language].tolist())
        found[split] = [one for one in stamps if one.caption and compared(one.caption) not in taken]
        taken |= {compared(one.caption) for one in found[split]}
    return found


def split_of(english: str) -> str:
    """The split that the pictures of an English caption belong to."""
    place = share(compared(english))
    return "test" if place < 0.15 else "validation" if place < 0.2 else "train"


def compared(caption: str) -> str:
    """What two captions have in common that count as one."""
    return re.sub(r"[\W_]+", "", caption.casefold()) or caption


def captions(text: str) -> dict[str, str]:
    """The caption of each language, from a stamp's text file; empty where it has none."""
    first, *lines = text.removeprefix("\ufeff").splitlines() or [""]
    written = {name: caption for name, _, caption in (line.partition(".utf8=") for line in lines)}
    return {language: _normalised(written.get(language, "") if language != "en" else first) for language in LANGUAGES}


def _stamps(folder: Path) -> Iterator[Example]:
    """The stamps of a folder, in the order of their paths."""
    seen = set()
    for path in sorted(folder.rglob("*.txt")):
        own = captions(path.read_text(encoding="utf-8"))
        pixels = _pixels(path)
        if pixels is None or not 0 < len(own["en"].split()) <= MOST_WORDS:
            continue
        content = hashlib.sha256(pixels.tobytes()).digest()
        if content not in seen:
            seen.add(content)
            yield {"name": path.relative_to(folder).with_suffix("").as_posix(), "picture": pixels, **own}


def _pixels(path: Path) -> UInt8[np.ndarray, "96 96 3"] | None:
    """The picture beside a text file; None where there is none."""
    if path.stem.endswith("_mirror"):
        return None
    if (bitmap := path.with_suffix(".png")).exists():
        return picture.squared(picture.read(bitmap), STAMP)
    if (drawing := path.with_suffix(".svg")).exists():
        drawn = resvg_py.svg_to_bytes(svg_path=str(drawing), skip_system_fonts=True, dpi=96)
        return picture.squared(picture.on_white(Image.open(io.BytesIO(drawn))), STAMP)
    return None


def _pack(records: Iterator[Example]) -> Mapping[str, np.ndarray]:
    rows = sorted(records, key=lambda row: row["name"])
    texts = {language: np.array([row[language].decode() for row in rows], str) for language in LANGUAGES}
    pictures = np.array([row["picture"] for row in rows], np.uint8).reshape(-1, STAMP, STAMP, 3)
    return {"pictures": pictures, **texts}


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
