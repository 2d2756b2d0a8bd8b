"""Recorded prompts of a telephone exchange in five languages, one voice each: Asterisk's core sounds, from Debian.

8,000 samples a second. Left out are recordings without a text, without sound, or longer than 8 seconds; `silence/*`;
texts with a remark in brackets, which may or may not be spoken; texts with numbers of several digits, with signs such
as `*`, or with letters of another alphabet; and texts of more than 25 characters a second, which are no transcripts ("a
beep"). Where a key is listed twice, its first text counts.

Texts are in Unicode's composed form and in lower case. A digit is the word for it. Letters stay, and apostrophes within
a word; all else is a space, and spaces are single. Spanish accents are taken off, for the texts have few of them, and
Russian ё is е, for they mix the two.

Split by text, by its hash: about 80% train, 10% validation, 10% test, the same everywhere. A text may have been
recorded twice; both are in one split.
"""

import gzip
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from research.tasks.corpora import recordings
from research.tasks.corpora.corpus import Corpus, Example, share
from research.tasks.corpora.fetch import debian, unpacked
from research.tasks.corpora.recordings import Recording

PACKAGE = "1.6.1-1"
SPLITS = ("train", "validation", "test")
MOST_SECONDS = 8
MOST_CHARACTERS = 25
"""A second; the fastest of the speakers reaches 22."""
SIGN = re.compile(r"\[[^\w\[\]]*\]")
"""A sign behind the name of it: `dash [-]`."""
UNCLEAR = re.compile(
    r"[\[\](){}<>]"  # a remark
    r"|\d[\d.,]*\d"
    r"|\? *[^\W\d_A-Z]"  # a letter that was lost: pi? tardi
    r"|\w-[\w-]+:"  # the key of another text
)
PUNCTUATION = re.compile(r"[.,;:!?…\"«»–/-]")
PLAIN = {"es": str.maketrans("áéíóúüñ", "aeiouun"), "ru": str.maketrans("ё", "е")}


class Asterisk(Corpus):
    """Recorded prompts of a telephone exchange, one voice."""

    VERSION = tfds.core.Version("1.0.0")
    licence = "CC-BY-SA-3.0"
    language: ClassVar[str]
    folder: ClassVar[str]
    """Of the recordings; named after the voice."""
    letters: ClassVar[str]
    digits: ClassVar[str]
    """The words for 0 to 9."""
    sha256: ClassVar[tuple[str, str]]
    """Of the package with the texts, and of the one with the recordings."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=recordings.features())

    def examples(self) -> dict[str, list[tuple[str, Example]]]:
        package = f"asterisk-core-sounds-{self.language}"
        with unpacked(debian(package, PACKAGE, self.sha256[0])) as content:
            listed = content / "usr" / "share" / "doc" / package / f"core-sounds-{self.language}.txt.gz"
            texts = prompts(gzip.decompress(listed.read_bytes()).decode("utf-8-sig"))
        split: dict[str, list[tuple[str, Example]]] = {name: [] for name in SPLITS}
        with unpacked(debian(f"{package}-wav", PACKAGE, self.sha256[1])) as content:
            sounds = content / "usr" / "share" / "asterisk" / "sounds" / self.folder
            for key, text in texts.items():
                recording = self.recording(sounds / f"{key}.wav", text)
                if recording and not key.startswith("silence/"):
                    split[split_of(recording.text)].append(recordings.example(key, recording))
        return split

    @classmethod
    def recording(cls, path: Path, text: str) -> Recording | None:
        """The recording in a file with what is said in it; None where it has none, or it is not clear what is said."""
        said = cls.normalised(text)
        if not said or not path.exists() or path.stat().st_size == 0:
            return None
        sound, rate = recordings.decoded(path)
        seconds = len(sound) / rate
        fits = seconds <= MOST_SECONDS and len(said) <= MOST_CHARACTERS * seconds
        return Recording(sound, rate, said, cls.folder) if fits else None

    @classmethod
    def normalised(cls, text: str) -> str:
        """The text as it is spoken; empty where that is not clear."""
        text = SIGN.sub(" ", unicodedata.normalize("NFC", text))
        if UNCLEAR.search(text):
            return ""
        text = text.lower().replace("’", "'").translate(PLAIN.get(cls.language, {}))
        spelled = re.sub(r"\d", lambda digit: f" {cls.digits.split()[int(digit[0])]} ", text)
        words = (word.strip("'") for word in PUNCTUATION.sub(" ", spelled).split())
        said = " ".join(word for word in words if word)
        return said if re.fullmatch(f"[{cls.letters} ']*", said) else ""


class AsteriskEn(Asterisk):
    """Recorded prompts of a telephone exchange in English, one voice."""

    megabytes = 18
    source = f"Debian packages asterisk-core-sounds-en and -en-wav {PACKAGE}"
    citation = "Recorded by Allison Smith for Digium, 2003-2010"
    language = "en"
    folder = "en_US_f_Allison"
    letters = "a-z"
    digits = "zero one two three four five six seven eight nine"
    sha256 = (
        "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
        "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    )


class AsteriskFr(Asterisk):
    """Recorded prompts of a telephone exchange in French of Canada, one voice."""

    megabytes = 18
    source = f"Debian packages asterisk-core-sounds-fr and -fr-wav {PACKAGE}"
    citation = "Recorded by June Wallack, 2006-2008; translated by Clod Patry, Kristopher Lalletti, June Wallack"
    language = "fr"
    folder = "fr_CA_f_June"
    letters = "a-zàâçèéêëîïôùûüœæ"
    digits = "zéro un deux trois quatre cinq six sept huit neuf"
    sha256 = (
        "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
        "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
    )


class AsteriskEs(Asterisk):
    """Recorded prompts of a telephone exchange in Spanish of Mexico, one voice."""

    megabytes = 24
    source = f"Debian packages asterisk-core-sounds-es and -es-wav {PACKAGE}"
    citation = "Recorded by Allison Smith for Digium, 2003-2010"
    language = "es"
    folder = "es_MX_f_Allison"
    letters = "a-z"
    digits = "cero uno dos tres cuatro cinco seis siete ocho nueve"
    sha256 = (
        "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
        "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
    )


class AsteriskIt(Asterisk):
    """Recorded prompts of a telephone exchange in Italian, one voice."""

    licence = "CC-BY-3.0"
    megabytes = 18
    source = f"Debian packages asterisk-core-sounds-it and -it-wav {PACKAGE}"
    citation = "Recorded by Carlo Flora, 2012; translated by Silvia Petrin"
    language = "it"
    folder = "it_IT_m_Carlo"
    letters = "a-zàèéìòù"
    digits = "zero uno due tre quattro cinque sei sette otto nove"
    sha256 = (
        "3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b",
        "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
    )


class AsteriskRu(Asterisk):
    """Recorded prompts of a telephone exchange in Russian, one voice."""

    licence = "CC-BY-3.0"
    megabytes = 19
    source = f"Debian packages asterisk-core-sounds-ru and -ru-wav {PACKAGE}"
    citation = "Provided by Maxim Topal, 2010"
    language = "ru"
    folder = "ru_RU_f_IvrvoiceRU"
    letters = "а-я"
    digits = "ноль один два три четыре пять шесть семь восемь девять"
    sha256 = (
        "28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab",
        "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
    )


BUILDERS: Mapping[str, type[Asterisk]] = {
    builder.language: builder for builder in (AsteriskEn, AsteriskFr, AsteriskEs, AsteriskIt, AsteriskRu)
}


def load(language: str) -> dict[str, list[Recording]]:
    """The recordings of the splits train, validation and test; en, fr, es, it or ru.

    Raises:
        UserError: if an archive cannot be had, or the prepared data not be written or read.
    """
    corpus = BUILDERS[language].prepared()
    return {split: list(recordings.load(corpus, split).values()) for split in SPLITS}


def digits(language: str = "en") -> list[Recording]:
    """The ten digits from 0 on, each as a recording of its own; raises as `load` does."""
    corpus = BUILDERS[language].prepared()
    found = {name: recording for split in SPLITS for name, recording in recordings.load(corpus, split).items()}
    return [found[f"digits/{digit}"] for digit in range(10)]


def prompts(text: str) -> dict[str, str]:
    """The text of each key, from lines `key: text`; a semicolon begins a comment."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, said = line.partition(":")
        if colon and not line.startswith(";"):
            found.setdefault(key, said.strip())
    return found


def split_of(text: str) -> str:
    """The split that a normalised text belongs to."""
    place = share(text)
    return "test" if place < 0.1 else "validation" if place < 0.2 else "train"
