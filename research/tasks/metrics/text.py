"""Scores of texts against references, as people read them: with case and punctuation.

    character_error_rate   edits (replaced, missing, too many) per character of the references, spaces included (jiwer)
    word_error_rate        edits per word of the references; spaces separate words
    bleu                   Papineni et al. 2002: n-grams up to 4 and brevity of the whole corpus, from 0 to 100;
                           NaN where no reference has 4 tokens, as no output could then have more than 0
    chrf                   Popović 2015: F-score of character n-grams up to 6, recall counting twice, from 0 to 100
    exact_match            fraction of the outputs that are a reference

For the error rates, spaces at the ends of a text do not count. bleu and chrf are sacrebleu's (Post 2018), which cuts
texts into tokens itself: 13a, the tokens of the WMT campaigns, where spaces separate words; char, each character a
token, for Japanese (words of MeCab, which are usual as well, would need its dictionary). Figures are comparable where
signatures are equal.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import jiwer
import numpy as np
from jaxtyping import Int
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from research.batch import EOS, Batch
from research.data.text import Text
from research.tasks.metrics import edits
from research.tasks.task import Evaluation, Predictions, rate

Tokenizer = Literal["13a", "char"]
TOKENIZERS: Mapping[str, Tokenizer] = {"ja": "char"}
"""sacrebleu's tokenizer by language, where it is not 13a."""
COMPARED = 5000
"""Texts among which the most frequent ones are compared."""


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
    candidates = list(map(_candidates, references))
    columns = [list(column) for column in itertools.zip_longest(*candidates)]
    return {
        "bleu": bleu.corpus_score(outputs, columns).score if _is_measurable(bleu, references) else math.nan,
        "chrf": chrf.corpus_score(outputs, columns).score,
        "exact_match": float(np.mean([output in texts for output, texts in zip(outputs, candidates, strict=True)])),
    }


def signatures(language: str, references: Sequence[str | Sequence[str]]) -> dict[str, str]:
    """Return sacrebleu's names for the way in which bleu and chrf are computed, its version included."""
    names = {}
    for name, metric in zip(("bleu", "chrf"), _metrics(language), strict=True):
        metric.corpus_score([""], [[""]])  # it counts the references, so the signature is known after a score only
        names[name] = str(metric.get_signature())
    if not _is_measurable(_metrics(language)[0], references):
        names["bleu"] = f"not measurable, as no reference has 4 tokens; {names['bleu']}"
    return names


def evaluate(
    predictions: Predictions,
    batch: Batch[np.ndarray],
    target: Text,
    most_frequent: str,
    *,
    name: str = "edit_error_rate",
    references: Sequence[edits.Sequences] | None = None,
    lengths: Int[np.ndarray, " N"] | None = None,
    subsets: Mapping[str, np.ndarray] | None = None,
    texts: Sequence[Any] | None = None,
    score: Callable[[Sequence[str], Sequence[Any]], Mapping[str, float]] = error_rates,
    baselines: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Evaluation:
    """Return the metrics of `edits.evaluate`, those of texts, and both of the most frequent training text for all.

    Where `lengths` is given, `by_length` has the metrics of texts, too.

    Args:
        predictions: predictions of a model for the examples.
        batch: the examples.
        target: turns predicted tokens into texts.
        most_frequent: the most frequent text of training.
        name: as in `edits.evaluate`.
        references: as in `edits.evaluate`.
        lengths: as in `edits.evaluate`.
        subsets: as in `edits.evaluate`.
        texts: reference or references of each text; None: texts are not scored.
        score: metrics of texts, by name.
        baselines: other texts to score, by the prefix of their metrics.
    """
    references = edits.targets(batch) if references is None else references
    evaluation = edits.evaluate(predictions, batch, references, name=name, lengths=lengths, subsets=subsets)
    constant = edits.score(np.tile(np.array([*target.tokens(most_frequent), EOS]), (len(references), 1)), references)
    by_example, ones = {**evaluation.by_example}, np.ones(len(references))
    metrics = {
        f"baseline/most_frequent/{name}": rate(constant.distance, constant.symbols),
        "baseline/most_frequent/sequence_error_rate": float(np.mean(constant.distance > 0)),
    }
    if texts is not None:
        free = [target.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
        scored = {"free_running": free, "baseline/most_frequent": [most_frequent] * len(texts), **baselines}
        for prefix, outputs in scored.items():
            metrics |= {f"{prefix}/{metric}": value for metric, value in score(outputs, texts).items()}
        if "free_running/exact_match" in metrics:
            exact = [output in _candidates(known) for output, known in zip(free, texts, strict=True)]
            by_example["free_running/exact_match"] = np.array(exact), ones
        if lengths is not None and evaluation.by_length:
            for length in evaluation.by_length["length"]:
                rows = np.flatnonzero(lengths == length).tolist()
                for metric, value in score([free[row] for row in rows], [texts[row] for row in rows]).items():
                    evaluation.by_length.setdefault(metric, []).append(value)
    return replace(evaluation, metrics=evaluation.metrics | metrics, by_example=by_example)


def most_frequent(texts: Sequence[str]) -> str:
    """Return the most frequent text; of equally frequent ones, the one that is fewest edits from all of them.

    It is the best output of a model that does not read its input. Of many texts, `COMPARED` are compared.
    """
    counts = Counter(texts)
    highest = max(counts.values())
    candidates = sorted(text for text, count in counts.items() if count == highest)[:COMPARED]
    others = [texts[row] for row in np.linspace(0, len(texts) - 1, min(COMPARED, len(texts))).astype(int)]
    edits = cdist(candidates, others, scorer=Levenshtein.distance)
    return candidates[int(np.argmin(np.sum(edits, axis=1)))]


def _candidates(texts: str | Sequence[str]) -> list[str]:
    """Return the references of one output."""
    return [texts] if isinstance(texts, str) else list(texts)


def _is_measurable(bleu: Any, references: Sequence[str | Sequence[str]]) -> bool:
    texts = itertools.chain.from_iterable(map(_candidates, references))
    return any(len(bleu.tokenizer(text).split()) >= bleu.max_ngram_order for text in texts)


def _metrics(language: str) -> tuple[Any, Any]:
    from sacrebleu.metrics.bleu import BLEU  # slow to import
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(tokenize=TOKENIZERS.get(language, "13a")), CHRF()
