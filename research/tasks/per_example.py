"""What a model predicts for each example of an evaluation, next to what is right."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from research.batch import FIRST_SYMBOL, NO_LABEL, TargetKind
from research.data.processor import Processor
from research.tasks.metrics import edits
from research.tasks.task import EvalExamples, Predictions


def lines(
    processor: Processor | None,
    kind: TargetKind,
    examples: EvalExamples,
    predictions: Predictions,
    rows: Sequence[int] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a JSON object for each example: `source`, `target`, `prediction`, and how far they are apart.

    tokens: `edits` and `loss`; class and labels: `correct`; value: `error`. Without a processor numbers stand for
    symbols. Examples are those of `rows`, in this order; by default all, in the order of their source.
    """
    batch = examples.batch

    def names(tokens: list[int]) -> list[str]:
        return processor.symbols(tokens) if processor else [str(token) for token in tokens]

    for row in sorted(range(len(batch.inputs)), key=lambda row: _place(examples, row)) if rows is None else rows:
        line: dict[str, Any] = {"source": examples.places[row]} if examples.places else {}
        line |= {"input": examples.inputs[row]} if examples.inputs else {}
        target, output = batch.targets[row], predictions.outputs[row]
        if kind == "tokens":
            tokens, right = edits.symbols(output), edits.symbols(target)
            text = processor.decode if processor else lambda ids: " ".join(map(str, ids))
            references = examples.references[row] if examples.places else [text(right)]
            known = [processor.text.tokens(text) for text in references] if processor else [right]
            distance = edits.score(output[None], [known]).distance[0]
            scores = {"edits": int(distance), "loss": float(np.sum(predictions.loss[row]))}
            line |= {"target": references, "prediction": text(tokens), **scores}
        elif kind == "value":
            values = [processor.values(x).tolist() if processor else x.tolist() for x in (target, output)]
            error = float(np.mean(np.abs(np.subtract(*values))))
            line |= {"target": values[0], "prediction": values[1], "error": error}
        else:
            single = kind == "class"
            right = np.atleast_1d(target)
            valid = right != NO_LABEL
            predicted = np.atleast_1d(np.argmax(output)) if single else output[: len(right)]
            parts = [names([int(k) + FIRST_SYMBOL for k in x[valid]]) for x in (right, predicted)]
            target, prediction = (part[0] if single else part for part in parts)
            line |= {"target": target, "prediction": prediction, "correct": bool(parts[0] == parts[1])}
        yield line


def _place(examples: EvalExamples, row: int) -> tuple[str, int]:
    """Return where an example is from, as file and number."""
    if not examples.places:
        return "", row
    file, number = re.split(r"(?=\d+$)", examples.places[row], maxsplit=1)
    return file, int(number)
