"""What was said and what a model wrote, as text: one form for both, and the errors between them (jiwer).

The form: Unicode NFC, lower case; letters, digits and the apostrophe are kept, an apostrophe at an end of a word is
not; all else is a space, and spaces are single. Marks of stress are dropped from Cyrillic vowels. Numbers stay in the
figures that they are written in.

    character error rate   edits (replaced, missing, too many) a character of the references, spaces included
    word error rate        edits a word of the references
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

import jiwer
import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

APOSTROPHES = "'’ʼ`´"


def normalised(text: str) -> str:
    """The text in the form that models are trained on and scored in."""
    composed = unicodedata.normalize("NFC", text).lower()
    plain = "".join("'" if letter in APOSTROPHES else letter for letter in composed)
    kept = "".join(letter if letter.isalnum() or letter == "'" else " " * (letter != STRESS) for letter in plain)
    return " ".join(word for word in (word.strip("'") for word in kept.split()) if word)


STRESS = "\N{COMBINING ACUTE ACCENT}"
"""Left over where there is no letter of its own, as over Cyrillic vowels."""


def error_rates(references: Sequence[str], outputs: Sequence[str]) -> dict[str, float]:
    """Character and word error rate, over all texts.

    Args:
        references: none is empty.
    """
    texts = list(references), list(outputs)
    return {"character_error_rate": float(jiwer.cer(*texts)), "word_error_rate": float(jiwer.wer(*texts))}


def likeliest(outputs: Sequence[Sequence[str]]) -> Sequence[str]:
    """The most frequent of these outputs; of equally frequent ones, the one that is fewest edits from all of them.

    What a model that does not listen had best say.
    """
    counts = Counter(tuple(output) for output in outputs)
    most = max(counts.values())
    candidates = sorted(output for output, count in counts.items() if count == most)
    edits = cdist(candidates, [tuple(output) for output in outputs], scorer=Levenshtein.distance)
    return candidates[int(np.argmin(np.sum(edits, axis=1)))]
