"""Sentences of LibreOffice's help in English and in German, French or Japanese, from Debian's packages.

The help is one HTML page a topic, the same pages in all languages. A paragraph or heading is matched with its
translation by the page's path and by its id; both are then split into sentences, and left out where these are not
equally many. Of text that differs by operating system or program, what holds for all others is taken. Left out as well:
pairs with equal sides, Japanese sides without a kana or a kanji (nobody has translated these), and English sides of
fewer than 3 words or more than 30 (spaces separate words). A split has each pair once.

Text is in Unicode's composed form (NFC) and all white space is one space; case and punctuation stay.

Split by page, by the hash of its path: about 88% of the pages train, 4% validation, 8% test, the same everywhere and in
all languages. Pages repeat each other. So validation leaves out all pairs whose English side is in training, and test
those whose English side is in training or validation, whatever the translation. The comparison is of letters and digits
without case, or of all signs where there are none. In validation and test an English sentence has one translation, the
first in the order of the paths.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from typing import ClassVar

from research.data.corpora.corpus import SPLITS, Examples, PackageCorpus, hash_split
from research.data.corpora.fetch import debian, unpacked
from research.data.text import normalize

MIN_WORDS, MAX_WORDS = 3, 30
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


@dataclass(frozen=True, kw_only=True)
class Libreoffice(PackageCorpus):
    """English sentences and their translations."""

    license: str = "MPL-2.0"
    citation: str = "The Document Foundation and LibreOffice's translators, help of LibreOffice 7.4"
    language: str
    sha256: str
    FEATURES: ClassVar = {"english": "text", "translation": "text"}

    def examples(self) -> Examples:
        english = _pages("en-us", "8faa840285734d6cfe1ed25537b48f07e74bd6412e3917bf8e5f8a653f7b3712")
        for split, pairs in splits(english, _pages(self.language, self.sha256), self.language).items():
            yield from ((split, f"{number:06}", asdict(pair)) for number, pair in enumerate(pairs))


def _corpus(language: str, name: str, megabytes: int, sha256: str) -> Libreoffice:
    return Libreoffice(
        name=f"libreoffice_{language}",
        summary=f"Sentences of LibreOffice's help in English and {name}.",
        megabytes=megabytes,
        source=f"Debian packages libreoffice-help-en-us and -{language} {PACKAGE}",
        language=language,
        sha256=sha256,
    )


CORPORA = {
    "de": _corpus("de", "German", 5, "00490b63c509ac96f7f212d6a6e40452d3e0d1f97ccf4b824dd5ec4c01e8277f"),
    "fr": _corpus("fr", "French", 5, "c796530d3e95af1ea4d054076682efc8aad2b569ae9513f3d4a776b2df3fd206"),
    "ja": _corpus("ja", "Japanese", 6, "7799ace9bfe0845771ed2499913e7f7e521318cf3727c007672e3b020f8eb7b9"),
}
"""The corpora by the language of the translations."""


def splits(
    english: Mapping[str, Mapping[str, str]], translated: Mapping[str, Mapping[str, str]], language: str
) -> dict[str, list[Pair]]:
    """Return the pairs of each split, of paragraphs by the page's path and by their id in both languages."""
    unique: dict[str, dict[Pair, None]] = {name: {} for name in SPLITS}  # dictionaries keep the order, sets do not
    for path in sorted(english.keys() & translated.keys()):
        unique[split_of(path)] |= dict.fromkeys(pairs(english[path], translated[path], language))
    taken = {comparable(pair.english) for pair in unique["train"]}
    result = {"train": list(unique["train"])}
    for split in ("validation", "test"):
        new = {}
        for pair in unique[split]:
            if comparable(pair.english) not in taken:
                new.setdefault(comparable(pair.english), pair)
        result[split] = list(new.values())
        taken |= new.keys()
    return result


def split_of(path: str) -> str:
    """Return the split that a page belongs to."""
    return hash_split(path, test=0.08, validation=0.04)


def comparable(english: str) -> str:
    """Return what two English sides that count as equal have in common."""
    return re.sub(r"[\W_]+", "", english.casefold()) or english


def pairs(english: Mapping[str, str], translated: Mapping[str, str], language: str) -> Iterator[Pair]:
    """Yield the pairs of a page, in its order."""
    for place, text in english.items():
        sides = sentences(text, "en"), sentences(translated.get(place, ""), language)
        if len(sides[0]) != len(sides[1]):
            continue
        for pair in map(Pair, *sides):
            fits = MIN_WORDS <= len(pair.english.split()) <= MAX_WORDS
            translated_pair = pair.english != pair.translation and (
                language != "ja" or JAPANESE.search(pair.translation)
            )
            if fits and translated_pair:
                yield pair


def sentences(text: str, language: str) -> list[str]:
    """Return the sentences of a paragraph."""
    ends = JAPANESE_END if language == "ja" else SENTENCE_END
    return ends.split(text) if text else []


def paragraphs(page: str) -> dict[str, str]:
    """Return the text of each paragraph and heading of a page, by its id; of repeated ids, the first."""
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.texts


BLOCKS = ("p", "h1", "h2", "h3", "h4", "h5", "h6")
PLACES = ("par_", "hd_")
"""Prefixes of the ids of paragraphs and headings."""


class _Page(HTMLParser):
    """Collects texts. A span of class `switchinline` holds a span for each case, of which one is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._start("")

    def _start(self, place: str) -> None:
        self._place = place
        self._parts: list[list[str]] = [[]]
        """Parts of the paragraph, then of each case that is open in it."""
        self._spans: list[str] = []
        self._cases: list[dict[str, str]] = []
        """Text of the cases of each switch that is open."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        place = attributes.get("id", "")
        if tag in BLOCKS:
            self._start(place if place.startswith(PLACES) else "")
        elif tag == "br":
            self.handle_data(" ")
        elif tag == "span":
            kind = "switch" if attributes.get("class") == "switchinline" else ""
            if "hidden" in attributes and self._cases:
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
            text = normalize("".join(self._parts[0]))
            if text:
                self.texts.setdefault(self._place, text)
            self._start("")

    def handle_data(self, data: str) -> None:
        if not self._spans or self._spans[-1] != "switch":  # between cases there is nothing but space
            self._parts[-1].append(data)


def _pages(package: str, sha256: str) -> dict[str, dict[str, str]]:
    """Return the paragraphs of each page of a package, by the page's path."""
    with unpacked(debian(f"libreoffice-help-{package}", PACKAGE, sha256)) as files:
        (texts,) = (files / "usr/share/libreoffice/help").glob("*/text")  # en-US/text, de/text
        pages = {path.relative_to(texts).as_posix(): path for path in texts.rglob("*.html")}
        return {name: paragraphs(path.read_text(encoding="utf-8")) for name, path in pages.items()}
