"""Scores of texts against references: BLEU, chrF and exact match, by sacrebleu (Post 2018).

    BLEU          Papineni et al. 2002: n-grams up to 4 and brevity of the whole corpus, from 0 to 100
    chrF          Popović 2015: F-score of character n-grams up to 6, recall counting twice (beta 2), from 0 to 100
    exact match   share of texts that are the reference

Texts are compared as people read them, with case and punctuation; BLEU cuts them into tokens itself: 13a, that of the
WMT campaigns, where words are separated by spaces; char, each character a token, for Japanese (words of MeCab, which
are usual as well, would need its dictionary). Figures are comparable where signatures are equal.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

Tokenizer = Literal["13a", "char"]
TOKENIZERS: Mapping[str, Tokenizer] = {"ja": "char"}
"""By language, where it is not 13a."""


def scores(outputs: Sequence[str], references: Sequence[str | Sequence[str]], language: str) -> dict[str, float]:
    """bleu, chrf and exact_match of the outputs.

    Args:
        references: one of each output, or several, any of which is right.
        language: in which they are, as a two-letter code.
    """
    bleu, chrf = _metrics(language)
    each = [[listed] if isinstance(listed, str) else list(listed) for listed in references]
    columns = [list(column) for column in itertools.zip_longest(*each)]
    return {
        "bleu": bleu.corpus_score(outputs, columns).score,
        "chrf": chrf.corpus_score(outputs, columns).score,
        "exact_match": float(np.mean([output in listed for output, listed in zip(outputs, each, strict=True)])),
    }


def signatures(language: str) -> dict[str, str]:
    """What sacrebleu calls the way in which bleu and chrf are computed, its version included."""
    found = {}
    for name, metric in zip(("bleu", "chrf"), _metrics(language), strict=True):
        metric.corpus_score([""], [[""]])  # it counts the references, so the signature is known after a score only
        found[name] = str(metric.get_signature())
    return found


def _metrics(language: str) -> tuple[BLEU, CHRF]:
    return BLEU(tokenize=TOKENIZERS.get(language, "13a")), CHRF()
