"""Sentences of LibreOffice's help in English and in German, French or Japanese, from Debian's packages.

The help is one HTML page a topic, the same pages in all languages. A paragraph or heading is matched with its
translation by the page's path and by its id; both are then split into sentences, and left out where these are not
equally many. Of text that differs by operating system or program, what holds for all others is taken. Left out as well:
pairs with equal sides, Japanese sides without a kana or a kanji (nobody has translated these), and English sides of
fewer than 3 words or more than 30 (words are what stands between spaces). A pair is there once in a split.

Text is in Unicode's composed form (NFC) and all white space is one space; case and punctuation stay.

Split by page, by the hash of its path: about 88% of the pages train, 4% validation, 8% test, the same everywhere and in
all languages. Pages repeat each other, so what stands in training is not held out, and what is in validation is not in
the test: a held-out pair is left out if its English side is there, whatever its translation. Letters and digits are
compared, without case; all signs where there are none. An English sentence is held out with one translation, its first
in the order of the paths.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from typing import ClassVar

import tensorflow_datasets as tfds

from research.tasks.corpora.corpus import Corpus, Example
from research.tasks.corpora.fetch import debian, unpacked

SPLITS = ("train", "validation", "test")
FEWEST, MOST = 3, 30
"""Words of an English side."""
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b\w\.)\s+(?=[^\W\d_a-zß-ÿ]|[\d„“«\"'(<])")
"""A full stop with a capital, a digit, a quotation mark or a bracket behind it; none behind a single letter (z. B.)."""
JAPANESE_END = re.compile(r"(?<=[。！？])\s*(?=[^」』）)])")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
PACKAGE = "4:7.4.7-1+deb12u14"


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation."""

    english: str
    translation: str


class Libreoffice(Corpus):
    """An English sentence and its translation."""

    VERSION = tfds.core.Version("1.0.0")
    licence = "MPL-2.0"
    citation = "The Document Foundation and LibreOffice's translators, help of LibreOffice 7.4"
    language: ClassVar[str]
    sha256: ClassVar[str]

    def _info(self) -> tfds.core.DatasetInfo:
        text = tfds.features.Text()
        features = tfds.features.FeaturesDict({"english": text, "translation": text})
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=features)

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        english = _pages("en-us", "8faa840285734d6cfe1ed25537b48f07e74bd6412e3917bf8e5f8a653f7b3712")
        found = splits(english, _pages(self.language, self.sha256), self.language)
        return {split: [(f"{k:06}", asdict(pair)) for k, pair in enumerate(own)] for split, own in found.items()}


class LibreofficeDe(Libreoffice):
    """Sentences of LibreOffice's help in English and German."""

    megabytes = 5
    source = f"Debian packages libreoffice-help-en-us and -de {PACKAGE}"
    language = "de"
    sha256 = "00490b63c509ac96f7f212d6a6e40452d3e0d1f97ccf4b824dd5ec4c01e8277f"


class LibreofficeFr(Libreoffice):
    """Sentences of LibreOffice's help in English and French."""

    megabytes = 5
    source = f"Debian packages libreoffice-help-en-us and -fr {PACKAGE}"
    language = "fr"
    sha256 = "c796530d3e95af1ea4d054076682efc8aad2b569ae9513f3d4a776b2df3fd206"


class LibreofficeJa(Libreoffice):
    """Sentences of LibreOffice's help in English and Japanese."""

    megabytes = 6
    source = f"Debian packages libreoffice-help-en-us and -ja {PACKAGE}"
    language = "ja"
    sha256 = "7799ace9bfe0845771ed2499913e7f7e521318cf3727c007672e3b020f8eb7b9"


BUILDERS: Mapping[str, type[Libreoffice]] = {"de": LibreofficeDe, "fr": LibreofficeFr, "ja": LibreofficeJa}


def load(language: str) -> dict[str, list[Pair]]:
    """The pairs of the splits train, validation and test; from English to de, fr or ja.

    Raises:
        UserError: if an archive cannot be had, or the prepared data not be written or read.
    """
    corpus = BUILDERS[language].prepared()
    return {
        split: [Pair(record["english"].decode(), record["translation"].decode()) for record in corpus.records(split)]
        for split in SPLITS
    }


def splits(
    english: Mapping[str, Mapping[str, str]], translated: Mapping[str, Mapping[str, str]], language: str
) -> dict[str, list[Pair]]:
    """The pairs of each split.

    Args:
        english: the paragraphs of each page, by the page's path and by their id.
        translated: the same in that language.
    """
    found: dict[str, dict[Pair, None]] = {name: {} for name in SPLITS}  # without order a set would not do
    for path in sorted(english.keys() & translated.keys()):
        found[split_of(path)] |= dict.fromkeys(pairs(english[path], translated[path], language))
    taken = {compared(pair.english) for pair in found["train"]}
    split = {"train": list(found["train"])}
    for name in ("validation", "test"):
        new = {}
        for pair in found[name]:
            if compared(pair.english) not in taken:
                new.setdefault(compared(pair.english), pair)
        split[name] = list(new.values())
        taken |= new.keys()
    return split


def split_of(path: str) -> str:
    """The split that a page belongs to."""
    share = int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") / 2**64
    return "test" if share < 0.08 else "validation" if share < 0.12 else "train"


def compared(english: str) -> str:
    """What two English sides have in common that count as one."""
    return re.sub(r"[\W_]+", "", english.casefold()) or english


def pairs(english: Mapping[str, str], translated: Mapping[str, str], language: str) -> Iterator[Pair]:
    """The pairs of a page, in its order."""
    for place, text in english.items():
        sides = sentences(text, "en"), sentences(translated.get(place, ""), language)
        if len(sides[0]) != len(sides[1]):
            continue
        for pair in map(Pair, *sides):
            fits = FEWEST <= len(pair.english.split()) <= MOST
            done = pair.english != pair.translation and (language != "ja" or JAPANESE.search(pair.translation))
            if fits and done:
                yield pair


def sentences(text: str, language: str) -> list[str]:
    ends = JAPANESE_END if language == "ja" else SENTENCE_END
    return ends.split(text) if text else []


def paragraphs(page: str) -> dict[str, str]:
    """The text of each paragraph and heading of a page, by its id; of one that comes again, the first."""
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.texts


BLOCKS = ("p", "h1", "h2", "h3", "h4", "h5", "h6")
PLACES = ("par_", "hd_")
"""What the ids of paragraphs and headings begin with."""


class _Page(HTMLParser):
    """Collects texts. A span of class `switchinline` holds a span for each case, of which one is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._begin("")

    def _begin(self, place: str) -> None:
        self._place = place
        self._parts: list[list[str]] = [[]]
        """Of the paragraph, then of each case that is open in it."""
        self._spans: list[str] = []
        self._cases: list[dict[str, str]] = []
        """Of each switch that is open: the text of its cases."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        place = given.get("id", "")
        if tag in BLOCKS:
            self._begin(place if place.startswith(PLACES) else "")
        elif tag == "br":
            self.handle_data(" ")
        elif tag == "span":
            kind = "switch" if given.get("class") == "switchinline" else ""
            if "hidden" in given and self._cases:
                kind = "default" if place.startswith("default") else "case"
                self._parts.append([])
            elif kind:
                self._cases.append({})
            self._spans.append(kind)

    def handle_endtag(self, tag: str) -> None:
        if tag == "span" and self._spans:
            kind = self._spans.pop()
            if kind == "switch":
                cases = self._cases.pop()
                self._parts[-1].append(cases.get("default", cases.get("case", "")))
            elif kind:
                self._cases[-1][kind] = "".join(self._parts.pop()).strip()
        elif tag in BLOCKS and self._place:
            text = " ".join(unicodedata.normalize("NFC", "".join(self._parts[0])).split())
            if text:
                self.texts.setdefault(self._place, text)
            self._begin("")

    def handle_data(self, data: str) -> None:
        if not self._spans or self._spans[-1] != "switch":  # between cases there is nothing but space
            self._parts[-1].append(data)


def _pages(package: str, sha256: str) -> dict[str, dict[str, str]]:
    """The paragraphs of each page of a package, by the page's path."""
    with unpacked(debian(f"libreoffice-help-{package}", PACKAGE, sha256)) as files:
        (texts,) = (files / "usr/share/libreoffice/help").glob("*/text")  # en-US/text, de/text
        pages = {path.relative_to(texts).as_posix(): path for path in texts.rglob("*.html")}
        return {name: paragraphs(path.read_text(encoding="utf-8")) for name, path in pages.items()}
