"""Edit errors of targets that are sequences of tokens: teacher-forced and free-running.

Teacher-forced, the model reads the true prefix at each position, and the most likely tokens of all positions form its
output. Free-running, it reads its own output. Both outputs are scored alike: the errors are the edits that turn the
reference into the output. If an example has several references, the nearest one counts. So the gap is 0 where both
outputs are equal. A teacher-forced end mark that comes too early is one wrong symbol, as the output continues behind
it; a missing one is one additional symbol. A task may rename `edit_error_rate` (`Task.error_rate`). Metrics:

    teacher_forced/loss                   nats per token of the target, with the end mark
    teacher_forced/edit_error_rate        edits per symbol of the reference, without the end mark
    free_running/edit_error_rate          the same for the free-running output
    free_running/edit_error_rate_SUBSET   the same on a subset of the examples
    free_running/sequence_error_rate      fraction of the outputs that equal no reference
    exposure_bias_gap                     free-running minus teacher-forced error rate

`by_length` has the columns `length`, `count` (examples), `teacher_forced_references` and `free_running_references`
(symbols of the nearest references, which the rates are per), `teacher_forced_loss`, `teacher_forced_error_rate`,
`free_running_error_rate` and `exposure_bias_gap`, computed for the examples of each input length.

`by_position` has these columns for each `position` of the target, from 1 to the end mark of the longest one. A replaced
or missing symbol is an error at its position in the reference. An additional symbol is an error at the position of the
next symbol, or of the end mark. If several edit paths are shortest, one is taken. Rates here are per sequence that
reaches the position: the loss per target (`count`), the errors per reference (`teacher_forced_references` and
`free_running_references`, as the nearest references may differ). So the sum of free_running_error_rate *
free_running_references over all positions is the sum of all edit distances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from rapidfuzz.distance import Levenshtein

from research.batch import EOS, Batch
from research.tasks.task import Evaluation, Predictions, per_example, rate

Sequences = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Edits:
    """The edits between N outputs and their nearest references."""

    errors: Float[np.ndarray, "N U"]
    """At each position of the reference, the end mark's included; zeros past it."""
    symbols: Int[np.ndarray, " N"]
    """Symbols of the reference, without its end mark."""

    @property
    def distance(self) -> Float[np.ndarray, " N"]:
        """Edits of each output."""
        return np.sum(self.errors, axis=1)


def evaluate(
    predictions: Predictions,
    batch: Batch[np.ndarray],
    references: Sequence[Sequences] | None = None,
    *,
    name: str = "edit_error_rate",
    lengths: Int[np.ndarray, " N"] | None = None,
    subsets: Mapping[str, np.ndarray] | None = None,
) -> Evaluation:
    """Return all metrics of predictions for evaluation examples.

    References are without end marks, by default the targets; `lengths` are those of the inputs, in another unit than
    steps; `subsets` are masks of the examples. `name` is that of the error rate.
    """
    references = targets(batch) if references is None else references
    assert predictions.teacher_forced is not None  # targets are sequences
    rows = zip(predictions.teacher_forced, predictions.count.astype(int), strict=True)
    forced = _nearest([_forced_symbols(tokens[:count]) for tokens, count in rows], references)
    free = score(predictions.outputs, references)
    gap = free.distance - forced.distance * rate(free.symbols, forced.symbols)  # per symbol of the free references
    by_example = {
        "teacher_forced/loss": (per_example(predictions.loss), predictions.count),
        f"teacher_forced/{name}": (forced.distance, forced.symbols),
        f"free_running/{name}": (free.distance, free.symbols),
        **{
            f"free_running/{name}_{subset}": (free.distance * mask, free.symbols * mask)
            for subset, mask in (subsets or {}).items()
        },
        "free_running/sequence_error_rate": (free.distance > 0, np.ones(len(references))),
        "exposure_bias_gap": (gap, free.symbols),
    }
    if lengths is None:
        steps = np.full(len(batch.inputs), batch.inputs.shape[1])
        lengths = steps if batch.input_lengths is None else batch.input_lengths
    return Evaluation.of(
        by_example,
        {},
        by_length=_by_length(predictions, forced, free, lengths),
        by_position=_by_position(predictions, forced, free),
    )


def targets(batch: Batch[np.ndarray]) -> list[Sequences]:
    """Return the one reference of each example: its target, without the end mark."""
    return [[symbols(row)] for row in batch.targets]


def symbols(tokens: np.ndarray) -> tuple[int, ...]:
    """Return the tokens before the end mark; all, where there is none."""
    ids = tokens.tolist()
    return tuple(ids[: ids.index(EOS)] if EOS in ids else ids)


def score(outputs: Int[np.ndarray, "N U"], references: Sequence[Sequences]) -> Edits:
    """Return the edits between each output, up to its end mark, and the nearest of its references."""
    return _nearest([symbols(tokens) for tokens in outputs], references)


def _forced_symbols(tokens: np.ndarray) -> tuple[int, ...]:
    """Return the predicted tokens without a final end mark; one in another place is a wrong symbol."""
    ids = tuple(tokens.tolist())
    return ids[:-1] if ids and ids[-1] == EOS else ids


def _nearest(outputs: Sequences, references: Sequence[Sequences]) -> Edits:
    pairs = [
        (output, min(candidates, key=lambda reference: Levenshtein.distance(output, reference)))
        for output, candidates in zip(outputs, references, strict=True)
    ]
    sizes = np.array([len(reference) for _, reference in pairs])
    errors = np.zeros((len(pairs), int(np.max(sizes)) + 1))
    for row, (output, reference) in enumerate(pairs):
        for edit in Levenshtein.editops(reference, output):
            errors[row, edit.src_pos] += 1  # an insertion's position is that of the symbol behind it
    return Edits(errors, sizes)


def _by_length(predictions: Predictions, forced: Edits, free: Edits, lengths: np.ndarray) -> dict[str, list[float]]:
    values, place = np.unique(lengths, return_inverse=True)

    def total(array: np.ndarray) -> np.ndarray:
        return np.bincount(place, np.sum(array.reshape(len(place), -1), axis=1, dtype=np.float64), len(values))

    both = {"teacher_forced": forced, "free_running": free}
    loss = _divide(total(predictions.loss), total(predictions.count))
    forced_rate = _divide(total(forced.errors), total(forced.symbols))
    columns = _rates(loss, forced_rate, _divide(total(free.errors), total(free.symbols)))
    references = {f"{name}_references": total(found.symbols).tolist() for name, found in both.items()}
    return {"length": values.tolist(), "count": np.bincount(place).tolist(), **references, **columns}


def _by_position(predictions: Predictions, forced: Edits, free: Edits) -> dict[str, list[float]]:
    last = int(max(np.max(predictions.count), np.max(forced.symbols) + 1, np.max(free.symbols) + 1))
    positions = np.arange(1, last + 1)

    def total(values: np.ndarray) -> np.ndarray:
        within = values[:, :last]
        return np.pad(np.sum(within, axis=0, dtype=np.float64), (0, last - within.shape[1]))

    def reaching(ends: np.ndarray) -> np.ndarray:
        return np.sum(ends[:, None] >= positions, axis=0)

    count, forced_count, free_count = map(reaching, (predictions.count, forced.symbols + 1, free.symbols + 1))
    forced_rate = _divide(total(forced.errors), forced_count)
    rates = _rates(_divide(total(predictions.loss), count), forced_rate, _divide(total(free.errors), free_count))
    counts = {
        "position": positions,
        "count": count,
        "teacher_forced_references": forced_count,
        "free_running_references": free_count,
    }
    return {name: column.tolist() for name, column in counts.items()} | rates


def _rates(loss: np.ndarray, forced: np.ndarray, free: np.ndarray) -> dict[str, list[float]]:
    """Return the four columns that both tables have."""
    columns = {
        "teacher_forced_loss": loss,
        "teacher_forced_error_rate": forced,
        "free_running_error_rate": free,
        "exposure_bias_gap": free - forced,
    }
    return {name: column.tolist() for name, column in columns.items()}


def _divide(errors: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.where(count > 0, errors / np.maximum(count, 1), np.nan)
