"""Recorded prompts of a telephone exchange in five languages, one voice each: Asterisk's core sounds, from Debian.

The sample rate is 8,000 Hz. The corpus leaves out:

- recordings without text or sound, or longer than 8 seconds, and `silence/*`
- texts with a remark in brackets, which may or may not be spoken
- texts with numbers of several digits, with signs such as `*`, or with letters of another alphabet
- texts of more than 25 characters a second, which are no transcripts ("a beep")

If a key is listed twice, its first text counts.

Texts are in Unicode's composed form and in lower case. Digits are replaced by their words. Letters stay, and so do
apostrophes within a word; all other characters become a space, and repeated spaces become one. Spanish texts lose their
accents, as few of them have any. Russian ё becomes е, as the texts mix the two.

The hash of the text decides the split: about 80% train, 10% validation, 10% test, the same everywhere. If a text was
recorded twice, both recordings are in one split.
"""

import gzip
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.data.corpora.corpus import SPLITS, Examples, hash_split
from research.data.corpora.fetch import debian, unpacked
from research.data.corpora.recordings import Recording, SpeechCorpus, decode

PACKAGE = "1.6.1-1"
MAX_SECONDS = 8
MAX_CHARACTERS = 25
"""Characters a second; the fastest of the speakers reaches 22."""
SIGN = re.compile(r"\[[^\w\[\]]*\]")
"""A sign behind its name: `dash [-]`."""
UNCLEAR = re.compile(
    r"[\[\](){}<>]"  # a remark
    r"|\d[\d.,]*\d"
    r"|\? *[^\W\d_A-Z]"  # a letter that was lost: pi? tardi
    r"|\w-[\w-]+:"  # the key of another text
)
PUNCTUATION = re.compile(r"[.,;:!?…\"«»–/-]")
PLAIN = {"es": str.maketrans("áéíóúüñ", "aeiouun"), "ru": str.maketrans("ё", "е")}


@dataclass(frozen=True, kw_only=True)
class Asterisk(SpeechCorpus):
    """Recorded prompts of a telephone exchange, one voice."""

    license: str = "CC-BY-SA-3.0"
    language: str
    voice: str
    """Name of the voice, and of the folder of its recordings."""
    letters: str
    digits: str
    """The words for 0 to 9."""
    sha256_texts: str
    sha256_sounds: str
    """Checksums of the package with the texts, and of the one with the recordings."""

    def examples(self) -> Examples:
        package = f"asterisk-core-sounds-{self.language}"
        with unpacked(debian(package, PACKAGE, self.sha256_texts)) as content:
            listed = content / "usr" / "share" / "doc" / package / f"core-sounds-{self.language}.txt.gz"
            texts = prompts(gzip.decompress(listed.read_bytes()).decode("utf-8-sig"))
        with unpacked(debian(f"{package}-wav", PACKAGE, self.sha256_sounds)) as content:
            folder = content / "usr" / "share" / "asterisk" / "sounds" / self.voice
            for key, text in texts.items():
                recording = self.recording(folder / f"{key}.wav", text)
                if recording and not key.startswith("silence/"):
                    yield recording.example(split_of(recording.text), key)

    def recording(self, path: Path, text: str) -> Recording | None:
        """Return the recording in a file with its text; None where there is none, or it is not clear what is said."""
        normalized = self.normalize(text)
        if not normalized or not path.exists() or path.stat().st_size == 0:
            return None
        samples, rate = decode(path)
        seconds = len(samples) / rate
        fits = seconds <= MAX_SECONDS and len(normalized) <= MAX_CHARACTERS * seconds
        return Recording(samples, rate, normalized, self.voice) if fits else None

    def normalize(self, text: str) -> str:
        """Return the text as it is spoken; empty where that is not clear."""
        text = SIGN.sub(" ", unicodedata.normalize("NFC", text))
        if UNCLEAR.search(text):
            return ""
        text = text.lower().replace("’", "'").translate(PLAIN.get(self.language, {}))
        spelled = re.sub(r"\d", lambda digit: f" {self.digits.split()[int(digit[0])]} ", text)
        words = (word.strip("'") for word in PUNCTUATION.sub(" ", spelled).split())
        spoken = " ".join(word for word in words if word)
        return spoken if re.fullmatch(f"[{self.letters} ']*", spoken) else ""


def _corpus(language: str, name: str, **details: Any) -> Asterisk:
    return Asterisk(
        name=f"asterisk_{language}",
        summary=f"Recorded prompts of a telephone exchange in {name}, one voice.",
        source=f"Debian packages asterisk-core-sounds-{language} and -{language}-wav {PACKAGE}",
        language=language,
        **details,
    )


CORPORA = {
    corpus.language: corpus
    for corpus in (
        _corpus(
            "en",
            "English",
            megabytes=18,
            citation="Recorded by Allison Smith for Digium, 2003-2010",
            voice="en_US_f_Allison",
            letters="a-z",
            digits="zero one two three four five six seven eight nine",
            sha256_texts="973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
            sha256_sounds="2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
        ),
        _corpus(
            "fr",
            "French of Canada",
            megabytes=18,
            citation="Recorded by June Wallack, 2006-2008; translated by Clod Patry, Kristopher Lalletti, June Wallack",
            voice="fr_CA_f_June",
            letters="a-zàâçèéêëîïôùûüœæ",
            digits="zéro un deux trois quatre cinq six sept huit neuf",
            sha256_texts="04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
            sha256_sounds="8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
        ),
        _corpus(
            "es",
            "Spanish of Mexico",
            megabytes=24,
            citation="Recorded by Allison Smith for Digium, 2003-2010",
            voice="es_MX_f_Allison",
            letters="a-z",
            digits="cero uno dos tres cuatro cinco seis siete ocho nueve",
            sha256_texts="9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
            sha256_sounds="9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
        ),
        _corpus(
            "it",
            "Italian",
            license="CC-BY-3.0",
            megabytes=18,
            citation="Recorded by Carlo Flora, 2012; translated by Silvia Petrin",
            voice="it_IT_m_Carlo",
            letters="a-zàèéìòù",
            digits="zero uno due tre quattro cinque sei sette otto nove",
            sha256_texts="3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b",
            sha256_sounds="5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
        ),
        _corpus(
            "ru",
            "Russian",
            license="CC-BY-3.0",
            megabytes=19,
            citation="Provided by Maxim Topal, 2010",
            voice="ru_RU_f_IvrvoiceRU",
            letters="а-я",
            digits="ноль один два три четыре пять шесть семь восемь девять",
            sha256_texts="28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab",
            sha256_sounds="ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
        ),
    )
}
"""The corpora by language."""


def digits() -> list[Recording]:
    """Return recordings of the ten English digits, from 0 on; raises as `SpeechCorpus.recordings` does."""
    named = {name: recording for split in SPLITS for name, recording in CORPORA["en"].recordings(split).items()}
    return [named[f"digits/{digit}"] for digit in range(10)]


def prompts(text: str) -> dict[str, str]:
    """Return the text of each key, from lines `key: text`; a semicolon starts a comment."""
    texts: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, prompt = line.partition(":")
        if colon and not line.startswith(";"):
            texts.setdefault(key, prompt.strip())
    return texts


def split_of(text: str) -> str:
    """Return the split that a normalized text belongs to."""
    return hash_split(text, test=0.1, validation=0.1)
