"""Scores of texts against references, as people read them: with case and punctuation.

    character_error_rate   edits (replaced, missing, too many) per character of the references, spaces included (jiwer)
    word_error_rate        edits per word of the references; spaces separate words
    bleu                   Papineni et al. 2002: n-grams up to 4 and brevity of the whole corpus, from 0 to 100
    chrf                   Popović 2015: F-score of character n-grams up to 6, recall counting twice, from 0 to 100
    exact_match            fraction of the outputs that are a reference

For the error rates, spaces at the ends of a text do not count. bleu and chrf are sacrebleu's (Post 2018), which cuts
texts into tokens itself: 13a, the tokens of the WMT campaigns, where spaces separate words; char, each character a
token, for Japanese (words of MeCab, which are usual as well, would need its dictionary). Figures are comparable where
signatures are equal.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import jiwer
import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from research.tasks.task import Evaluation

Tokenizer = Literal["13a", "char"]
TOKENIZERS: Mapping[str, Tokenizer] = {"ja": "char"}
"""sacrebleu's tokenizer by language, where it is not 13a."""


def error_rates(outputs: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return character_error_rate and word_error_rate over all texts; no reference is empty."""
    texts = list(references), list(outputs)
    return {"character_error_rate": float(jiwer.cer(*texts)), "word_error_rate": float(jiwer.wer(*texts))}


def translation_scores(
    outputs: Sequence[str], references: Sequence[str | Sequence[str]], language: str
) -> dict[str, float]:
    """Return bleu, chrf and exact_match of the outputs; of several references of an output, any is right.

    `language` is a two-letter code.
    """
    bleu, chrf = _metrics(language)
    candidates = [[texts] if isinstance(texts, str) else list(texts) for texts in references]
    columns = [list(column) for column in itertools.zip_longest(*candidates)]
    return {
        "bleu": bleu.corpus_score(outputs, columns).score,
        "chrf": chrf.corpus_score(outputs, columns).score,
        "exact_match": float(np.mean([output in texts for output, texts in zip(outputs, candidates, strict=True)])),
    }


def signatures(language: str) -> dict[str, str]:
    """Return sacrebleu's names for the way in which bleu and chrf are computed, its version included."""
    names = {}
    for name, metric in zip(("bleu", "chrf"), _metrics(language), strict=True):
        metric.corpus_score([""], [[""]])  # it counts the references, so the signature is known after a score only
        names[name] = str(metric.get_signature())
    return names


def with_scores(
    evaluation: Evaluation,
    outputs: Mapping[str, Sequence[str]],
    score: Callable[[Sequence[str]], Mapping[str, float]],
) -> Evaluation:
    """Add the scores of several outputs, each under its prefix."""
    scores = {f"{prefix}/{name}": value for prefix, texts in outputs.items() for name, value in score(texts).items()}
    return replace(evaluation, metrics=evaluation.metrics | scores)


def with_translation_scores(
    evaluation: Evaluation,
    outputs: Mapping[str, Sequence[str]],
    references: Sequence[str | Sequence[str]],
    language: str,
) -> Evaluation:
    """Add bleu, chrf and exact_match of several outputs, each under its prefix, and their signatures."""
    evaluation = with_scores(evaluation, outputs, lambda texts: translation_scores(texts, references, language))
    return replace(evaluation, signatures=signatures(language))


def most_frequent(texts: Sequence[str]) -> str:
    """Return the most frequent text; of equally frequent ones, the one that is fewest edits from all of them.

    It is the best output of a model that does not read its input.
    """
    counts = Counter(texts)
    highest = max(counts.values())
    candidates = sorted(text for text, count in counts.items() if count == highest)
    edits = cdist(candidates, texts, scorer=Levenshtein.distance)
    return candidates[int(np.argmin(np.sum(edits, axis=1)))]


def _metrics(language: str) -> tuple[Any, Any]:
    from sacrebleu.metrics.bleu import BLEU  # slow to import
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(tokenize=TOKENIZERS.get(language, "13a")), CHRF()
