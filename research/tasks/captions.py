"""Scores of what is said of pictures: those of sequences, and those of texts against the texts as they stand.

eval/free_running/bleu, chrf, exact_match   of what the model says on its own (`research/tasks/translations.py`)
eval/baseline/bleu, chrf, exact_match       of the text that is most frequent in training, said of every picture
eval/baseline/error_rate                    its edits a token of the reference
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from research.batch import END, Batch
from research.tasks import sequences, translations
from research.tasks.task import Evaluation, Outcome


@dataclass(frozen=True)
class Language:
    """Between tokens and texts."""

    name: str
    """As a two-letter code."""
    ids: Callable[[str], Sequence[int]]
    text: Callable[[Sequence[int]], str]


def evaluate(
    outcome: Outcome,
    held_out: Batch[np.ndarray],
    references: Sequence[str | Sequence[str]],
    most_frequent: str,
    language: Language,
) -> Evaluation:
    """All metrics of the model's outcome on the held-out pictures.

    Args:
        references: the text of each, or its texts; tokens are compared with those of `held_out`.
        most_frequent: the text of the baseline.
    """
    found = sequences.evaluate(outcome, held_out)
    said = [language.text(sequences.symbols(tokens)) for tokens in outcome.outputs]
    texts = {"free_running/": said, "baseline/": [most_frequent] * len(said)}
    metrics = {
        f"eval/{kind}{name}": value
        for kind, own in texts.items()
        for name, value in translations.scores(own, references, language.name).items()
    }
    outputs = np.tile(np.array([*language.ids(most_frequent), END], np.int32), (len(said), 1))
    free = sequences.score(outputs, [[sequences.symbols(target)] for target in held_out.targets])
    metrics["eval/baseline/error_rate"] = sequences.rate(free.distance, free.symbols)
    return replace(found, metrics=found.metrics | metrics, signatures=translations.signatures(language.name))
