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
from collections.abc import Mapping, Sequence
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
LONG_NAMES = {"cer": "character_error_rate", "wer": "word_error_rate"}
COMPARED = 5000
"""Texts among which the most frequent ones are compared."""


def scores(
    chosen: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]], language: str
) -> dict[str, float]:
    """Return metrics of outputs, each of which may have several references: for cer and wer the nearest counts.

    Args:
        chosen: names of the metrics, as in `task.metrics`.
        outputs: texts, for which cer and wer need references that are not empty.
        references: those of each output.
        language: two-letter code.
    """
    found: dict[str, float] = {}
    if {"cer", "wer"} & set(chosen):
        pairs = zip(references, outputs, strict=True)
        nearest = [min(texts, key=lambda known: Levenshtein.distance(output, known)) for texts, output in pairs]
        found = {"cer": float(jiwer.cer(nearest, list(outputs))), "wer": float(jiwer.wer(nearest, list(outputs)))}
    if set(chosen) - {"cer", "wer"}:
        bleu, chrf = _metrics(language)
        columns = [list(column) for column in itertools.zip_longest(*references)]
        exact = [output in texts for output, texts in zip(outputs, references, strict=True)]
        found |= {
            "bleu": bleu.corpus_score(outputs, columns).score if _is_measurable(bleu, references) else math.nan,
            "chrf": chrf.corpus_score(outputs, columns).score,
            "exact_match": float(np.mean(exact)),
        }
    return {LONG_NAMES.get(name, name): found[name] for name in chosen}


def signatures(language: str, references: Sequence[Sequence[str]]) -> dict[str, str]:
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
    texts: Sequence[Sequence[str]] | None = None,
    chosen: Sequence[str] = (),
    language: str = "en",
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
        texts: references of each text; None: texts are not scored.
        chosen: metrics of texts, as in `scores`.
        language: as in `scores`.
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
    used: dict[str, str] = {}
    if texts is not None:
        free = [target.decode(edits.symbols(tokens)) for tokens in predictions.outputs]
        scored = {"free_running": free, "baseline/most_frequent": [most_frequent] * len(texts), **baselines}
        for prefix, outputs in scored.items():
            found = scores(chosen, outputs, texts, language)
            metrics |= {f"{prefix}/{metric}": value for metric, value in found.items()}
        if "free_running/exact_match" in metrics:
            exact = [output in known for output, known in zip(free, texts, strict=True)]
            by_example["free_running/exact_match"] = np.array(exact), ones
        if lengths is not None and evaluation.by_length:
            for length in evaluation.by_length["length"]:
                rows = np.flatnonzero(lengths == length).tolist()
                outputs, known = [free[row] for row in rows], [texts[row] for row in rows]
                for metric, value in scores(chosen, outputs, known, language).items():
                    evaluation.by_length.setdefault(metric, []).append(value)
        if {"bleu", "chrf"} & set(chosen):
            used = {metric: way for metric, way in signatures(language, texts).items() if metric in chosen}
    return replace(evaluation, metrics=evaluation.metrics | metrics, by_example=by_example, signatures=used or None)


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


def _is_measurable(bleu: Any, references: Sequence[Sequence[str]]) -> bool:
    texts = itertools.chain.from_iterable(references)
    return any(len(bleu.tokenizer(text).split()) >= bleu.max_ngram_order for text in texts)


def _metrics(language: str) -> tuple[Any, Any]:
    from sacrebleu.metrics.bleu import BLEU  # slow to import
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(tokenize=TOKENIZERS.get(language, "13a")), CHRF()
