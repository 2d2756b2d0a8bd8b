"""Scores of targets that are sequences of tokens, given the true prefix and running free.

Teacher forced, the model reads the true prefix at each position; what it says there, side by side, is its output.
Running free, it reads what it wrote itself. Both outputs are scored alike: errors are the edits that make the output of
the reference and, where an example has several references, the nearest counts. So where both outputs are the same the
gap is 0. An end mark that is said too early is one wrong symbol to the forced model, which is made to go on, where the
free one stops; one that is not said in time is one symbol too many, where the free one goes on. Metrics:

    eval/teacher_forced/loss                nats a token of the target, the end mark included
    eval/teacher_forced/error_rate          edits a symbol of the reference, the end mark not included
    eval/free_running/error_rate            the same of the free-running output
    eval/free_running/error_rate_SUBSET     the same on a subset of the examples
    eval/free_running/sequence_error_rate   share of the outputs that are no reference
    eval/forcing_gap                        free-running minus teacher-forced error rate

`by_length` has loss, both error rates and the gap of the examples of each input length, with the same denominators.

`by_position` has them for each position of the target, from 1 to the longest one's end mark. A symbol that is replaced
or missing is an error at its position in the reference; one too many, at the position of what it stands in front of,
be it the end mark (of the shortest ways to edit, one is taken). Here rates are per sequence that reaches the position,
with its end mark if need be: the loss per target (`count`), the errors per reference (`forced_references` and
`references`, as the nearest need not be the same). So the sum of free_running * references over all positions is the
sum of all edit distances.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from rapidfuzz.distance import Levenshtein

from research.batch import END, Batch
from research.tasks.task import Evaluation, Outcome

Sequences = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Edits:
    """The edits between N outputs and their nearest references."""

    errors: Float[np.ndarray, "N U"]
    """At each position of the reference, the end mark's included; zeros past it."""
    symbols: Int[np.ndarray, " N"]
    """Of the reference, without its end mark."""

    @property
    def distance(self) -> Float[np.ndarray, " N"]:
        return np.sum(self.errors, axis=1)


def evaluate(
    outcome: Outcome,
    held_out: Batch[np.ndarray],
    references: Sequence[Sequences] | None = None,
    subsets: Mapping[str, np.ndarray] | None = None,
) -> Evaluation:
    """All metrics of the model's outcome on the held-out examples.

    Args:
        references: of each example, without end marks; None: its target.
        subsets: of the examples, as masks by name.
    """
    references = [[symbols(target)] for target in held_out.targets] if references is None else references
    assert outcome.forced is not None  # it is there where targets are sequences
    rows = zip(outcome.forced, outcome.count.astype(int), strict=True)
    forced = _nearest([_forced_symbols(tokens[:count]) for tokens, count in rows], references)
    free = score(outcome.outputs, references)
    metrics = {
        "eval/teacher_forced/loss": rate(outcome.loss, outcome.count),
        "eval/teacher_forced/error_rate": rate(forced.distance, forced.symbols),
        "eval/free_running/error_rate": rate(free.distance, free.symbols),
        **{
            f"eval/free_running/error_rate_{name}": rate(free.distance[chosen], free.symbols[chosen])
            for name, chosen in (subsets or {}).items()
        },
        "eval/free_running/sequence_error_rate": float(np.mean(free.distance > 0)),
    }
    metrics["eval/forcing_gap"] = metrics["eval/free_running/error_rate"] - metrics["eval/teacher_forced/error_rate"]
    lengths = held_out.input_lengths
    lengths = np.full(len(held_out.inputs), held_out.inputs.shape[1]) if lengths is None else lengths
    return Evaluation(metrics, _by_length(outcome, forced, free, lengths), _by_position(outcome, forced, free))


def symbols(tokens: np.ndarray) -> tuple[int, ...]:
    """The tokens before the end mark; all, where there is none."""
    ids = tokens.tolist()
    return tuple(ids[: ids.index(END)] if END in ids else ids)


def score(outputs: Int[np.ndarray, "N U"], references: Sequence[Sequences]) -> Edits:
    """The edits between each output, up to its end mark, and the nearest of its references."""
    return _nearest([symbols(tokens) for tokens in outputs], references)


def _forced_symbols(said: np.ndarray) -> tuple[int, ...]:
    """What is said of each token of a target, without the end mark in its place; one elsewhere is a wrong symbol."""
    ids = tuple(said.tolist())
    return ids[:-1] if ids and ids[-1] == END else ids


def _nearest(outputs: Sequences, references: Sequence[Sequences]) -> Edits:
    pairs = [
        (output, min(listed, key=lambda reference: Levenshtein.distance(output, reference)))
        for output, listed in zip(outputs, references, strict=True)
    ]
    sizes = np.array([len(reference) for _, reference in pairs])
    errors = np.zeros((len(pairs), int(np.max(sizes)) + 1))
    for row, (output, reference) in enumerate(pairs):
        for edit in Levenshtein.editops(reference, output):
            errors[row, edit.src_pos] += 1  # an insertion's is that of the symbol behind it
    return Edits(errors, sizes)


def rate(errors: np.ndarray, count: np.ndarray) -> float:
    """Errors over what could be wrong; nan where nothing could."""
    total = float(np.sum(count, dtype=np.float64))
    return float(np.sum(errors, dtype=np.float64)) / total if total else math.nan


def _by_length(outcome: Outcome, forced: Edits, free: Edits, lengths: np.ndarray) -> dict[str, list[float]]:
    each, place = np.unique(lengths, return_inverse=True)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, np.sum(values.reshape(len(place), -1), axis=1, dtype=np.float64), len(each))

    loss = _divide(total(outcome.loss), total(outcome.count))
    wrong = _divide(total(forced.errors), total(forced.symbols))
    rates = _rates(loss, wrong, _divide(total(free.errors), total(free.symbols)))
    return {"length": each.tolist(), "count": np.bincount(place).tolist(), **rates}


def _by_position(outcome: Outcome, forced: Edits, free: Edits) -> dict[str, list[float]]:
    last = int(max(np.max(outcome.count), np.max(forced.symbols) + 1, np.max(free.symbols) + 1))
    positions = np.arange(1, last + 1)

    def total(values: np.ndarray) -> np.ndarray:
        within = values[:, :last]
        return np.pad(np.sum(within, axis=0, dtype=np.float64), (0, last - within.shape[1]))

    def reaching(ends: np.ndarray) -> np.ndarray:
        return np.sum(ends[:, None] >= positions, axis=0)

    count, forced_references, references = map(reaching, (outcome.count, forced.symbols + 1, free.symbols + 1))
    wrong = _divide(total(forced.errors), forced_references)
    rates = _rates(_divide(total(outcome.loss), count), wrong, _divide(total(free.errors), references))
    places = {
        "position": positions,
        "count": count,
        "forced_references": forced_references,
        "references": references,
    }
    return {name: column.tolist() for name, column in places.items()} | rates


def _rates(loss: np.ndarray, forced: np.ndarray, free: np.ndarray) -> dict[str, list[float]]:
    """The four columns that both tables have."""
    columns = {
        "teacher_forced_loss": loss,
        "teacher_forced": forced,
        "free_running": free,
        "forcing_gap": free - forced,
    }
    return {name: column.tolist() for name, column in columns.items()}


def _divide(errors: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.where(count > 0, errors / np.maximum(count, 1), np.nan)
