"""Errors between what was said and what a model wrote, as text (jiwer).

    character error rate   edits (replaced, missing, too many) a character of the references, spaces included
    word error rate        edits a word of the references; words are what spaces separate

Nothing is done to the texts but that spaces at their ends do not count: a model writes in the form that its corpus
has them in, which the corpus states.
"""

from collections import Counter
from collections.abc import Sequence

import jiwer
import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist


def error_rates(references: Sequence[str], outputs: Sequence[str]) -> dict[str, float]:
    """Character and word error rate, over all texts.

    Args:
        references: none is empty.
    """
    texts = list(references), list(outputs)
    return {"character_error_rate": float(jiwer.cer(*texts)), "word_error_rate": float(jiwer.wer(*texts))}


def likeliest(outputs: Sequence[str]) -> str:
    """The most frequent of these outputs; of equally frequent ones, the one that is fewest edits from all of them.

    What a model that does not listen had best say.
    """
    counts = Counter(outputs)
    most = max(counts.values())
    candidates = sorted(output for output, count in counts.items() if count == most)
    edits = cdist(candidates, outputs, scorer=Levenshtein.distance)
    return candidates[int(np.argmin(np.sum(edits, axis=1)))]
