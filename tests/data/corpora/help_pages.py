"""A small LibreOffice help in two languages, as Debian packages that hold it."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from research.data.corpora import libreoffice
from tests.data.corpora.debs import write_deb

HELP = "usr/share/libreoffice/help"
FOLDERS = {"en-us": "en-US"}


def page(texts: Sequence[str]) -> str:
    """A page with a heading and paragraphs, ids in the order of the texts."""
    body = "\n".join(f'<p id="par_id{k}" class="paragraph" dir="auto">{text}</p>' for k, text in enumerate(texts))
    return f'<html><body><p id="nav_1">not of the page</p><div id="DisplayArea">{body}</div></body></html>'


def paths(split: str) -> Iterator[str]:
    """Names of pages of that split, without end."""
    names = (f"swriter/guide/page{k}.html" for k in count())
    return (name for name in names if libreoffice.split_of(name) == split)


@contextmanager
def installed(folder: Path, help_texts: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[None]:
    """The packages that the corpus is made of, with these texts: of a package, of a page; the data folder is empty."""
    packages = {package: folder / f"{package}.deb" for package in help_texts}
    for package, pages in help_texts.items():
        texts = f"{HELP}/{FOLDERS.get(package, package)}/text"
        write_deb(packages[package], {f"{texts}/{path}": page(own).encode() for path, own in pages.items()})

    def debian(package: str, version: str, sha256: str) -> Path:
        assert version and len(sha256) == 64
        return packages[package.removeprefix("libreoffice-help-")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder / "data"))
        patch.setattr(libreoffice, "debian", debian)
        yield


VERBS = {"Opens": "Öffnet", "Closes": "Schließt", "Deletes": "Löscht", "Saves": "Speichert", "Prints": "Druckt"}
NOUNS = {
    "document": "Dokument", "table": "Tabelle", "window": "Fenster", "frame": "Rahmen", "chart": "Diagramm",
    "field": "Feld", "style": "Vorlage", "page": "Seite",
}  # fmt: skip
ADDED = {
    "": "",
    " again": " erneut",
    " without asking first": " ohne zu fragen",
    " in the second view": " in der zweiten Ansicht",
}


def made_up() -> dict[str, dict[str, list[str]]]:
    """160 sentences of 3 to 7 words and their translations, on 20 pages, 4 of which are for the test."""
    pairs = [
        (f"{verb} the {noun}{added}.", f"{VERBS[verb]} das Element {NOUNS[noun]}{ADDED[added]}.")
        for added in ADDED
        for noun in NOUNS
        for verb in VERBS
    ]
    random.Random(0).shuffle(pairs)
    train, test, validation = paths("train"), paths("test"), paths("validation")
    names = [next({0: test, 1: validation}.get(k % 5, train)) for k in range(20)]
    english = {name: [pair[0] for pair in pairs[k::20]] for k, name in enumerate(names)}
    german = {name: [pair[1] for pair in pairs[k::20]] for k, name in enumerate(names)}
    return {"en-us": english, "de": german}
