"""The contract of a task: its options, what it asks of a model, its batches, its evaluation examples and its metrics.

A task is a frozen dataclass in one file of this folder and one line of `TASKS` in `research/tasks/__init__.py`.
Creating it only checks its options; its corpus is read when `spec`, `data` or a batch is asked for. Everything that a
model is built from (`spec`) comes from training data alone.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, InputKind, TargetKind, TaskSpec
from research.data.processor import Processor
from research.errors import require_returned

Split = Literal["validation", "test"]
"""validation: looked at while a model trains, and to choose options by; test: scored once, at the end."""

TaskT = TypeVar("TaskT", bound="Task")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Predictions:
    """Losses, errors and outputs of a model on N evaluation examples; all arrays are NumPy."""

    loss: np.ndarray
    """Teacher-forced loss of each token or label, [N, U], zeros in padding; U = 1 if the target is no sequence."""
    errors: np.ndarray
    """Teacher-forced errors of each token or label, [N, U]; absolute errors of values. A loss that is not a number, as
    after a divergence, is an error."""
    count: np.ndarray
    """Valid tokens or labels of each example, [N]."""
    outputs: np.ndarray
    """Free-running output: tokens [N, max_length], labels [N, U], logits or values."""
    teacher_forced: np.ndarray | None = None
    """Most likely token after each true prefix, [N, U]; None if the target is no sequence."""

    def __post_init__(self) -> None:
        if self.loss.shape == self.errors.shape and np.any(undefined := np.isnan(self.loss)):
            errors = np.where(undefined, np.maximum(self.errors, 1), self.errors)
            object.__setattr__(self, "errors", errors.astype(self.errors.dtype))


@dataclass(frozen=True)
class EvalExamples:
    """Examples of a split, and what they are scored against."""

    split: Split
    batch: Batch[np.ndarray]
    references: Sequence[Any] = ()
    """What the task's `evaluate` compares the output of each example with, where that is not in the batch."""
    places: Sequence[str] = ()
    """Where each example is from, such as "pairs.tsv:17"; empty: not known."""
    inputs: Sequence[str] = ()
    """Text of each input; empty: inputs are no text."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics without the name of a split; where the target is a sequence, also losses and errors in parts."""

    metrics: dict[str, float]
    by_length: dict[str, list[float]] | None = None
    """Columns by the length of the input (`research/tasks/metrics/edits.py`)."""
    by_position: dict[str, list[float]] | None = None
    """Columns by the position in the target."""
    signatures: dict[str, str] | None = None
    """Exact definition of metrics that have several, by the metric's name."""
    samples: Any = None
    """What is predicted for a few examples (`research/training/evaluation.py`), for who looks on."""
    num_examples: int | None = None
    """That the metrics are over."""
    by_example: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """By metric, numerator and denominator of each example [N]: the metric is the ratio of their sums. Not of all
    metrics: BLEU, for one, is no such ratio."""

    @property
    def sampling(self) -> dict[str, dict[str, float]]:
        """By metric of `by_example`: its standard error by the choice of examples, and how many examples it is over."""
        found = {name: standard_error(*pair) for name, pair in self.by_example.items()}
        counts = {name: int(np.count_nonzero(count)) for name, (_, count) in self.by_example.items()}
        return {name: {"error": error, "examples": counts[name]} for name, error in found.items() if error >= 0}

    @classmethod
    def of(
        cls, by_example: Mapping[str, tuple[np.ndarray, np.ndarray]], metrics: Mapping[str, float], **parts: Any
    ) -> "Evaluation":
        """Return an evaluation with the metrics of `by_example`, and with others."""
        return cls(
            {name: rate(*pair) for name, pair in by_example.items()} | {**metrics}, by_example=by_example, **parts
        )


@dataclass(frozen=True)
class Task:
    """The base of all tasks: a subclass has its options as fields, and the methods below."""

    name: str = ""

    error_rate: ClassVar[str] = "edit_error_rate"
    """Name of the edits per token, in `teacher_forced/…` and `free_running/…`, where the target is of tokens."""
    length_unit: ClassVar[str] = "length of the input"
    """What `by_length` counts, for the label of an axis."""
    token_unit: ClassVar[str] = "token"
    """What a token of the target is, for the label of an axis."""

    @functools.cached_property
    def spec(self) -> TaskSpec:
        """The kinds and sizes that a model is built from; of training data alone."""
        raise NotImplementedError

    @property
    def input_kind(self) -> InputKind:
        """The kind of the inputs, known without reading a corpus."""
        return self.spec.inputs

    @property
    def target_kind(self) -> TargetKind:
        """The kind of the targets, known without reading a corpus."""
        return self.spec.target

    @property
    def same_length(self) -> bool:
        """Whether all inputs are equally long, so that a step is equally far from the loss in all of them."""
        return True

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of data that may change; "" if they are fixed, or cannot be read."""
        return ""

    @functools.cached_property
    def data(self) -> Any:
        """What the train step reads, held on the device; None: nothing."""
        return None

    @functools.cached_property
    def stream(self) -> Any:
        """What reads the batches while the model trains (`research/data/streaming.py`), instead of `data`; or None."""
        return None

    @functools.cached_property
    def buckets(self) -> int:
        """How many shapes training batches have; each is compiled into the program once."""
        return 1

    @functools.cached_property
    def padding(self) -> float | None:
        """Fraction of the steps of training batches that are padding, source and target; None: none can be."""
        return None

    def bucket(self, step: Int[Array, ""], batch_size: int) -> Int[Array, ""] | int:
        """Return the bucket of this step's batch: the same for all trials, so that a batched pack computes only one."""
        return 0

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        """Return this step's batch, a pure function of key and step; `bucket` is static, and so are the shapes."""
        raise NotImplementedError

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        """Return the first `count` examples of the split's fixed random order, or all; the same in every run."""
        raise NotImplementedError

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        """Return the metrics of predictions for these examples."""
        raise NotImplementedError

    def recording(self, examples: EvalExamples, row: int) -> tuple[np.ndarray, int] | None:
        """Return samples and sample rate of an evaluation example whose input is audio; None of others."""
        return None

    def processor(self) -> Processor | None:
        """Return what turns a user's input into the model's and its output into text, to be saved with a run."""
        return None

    def describe(self) -> str:
        """Return the task and its size in a few words, for the caption of a table."""
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        """Return the options alone: processes that read examples get no copy of the data."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def per_example(values: np.ndarray) -> np.ndarray:
    """Return the sums [N] over all axes but the first."""
    return np.asarray(np.sum(values.reshape(len(values), -1), axis=1, dtype=np.float64))


def rate(errors: np.ndarray, count: np.ndarray) -> float:
    """Return the sum of errors over that of counts; NaN where the latter is 0."""
    total = float(np.sum(count, dtype=np.float64))
    return float(np.sum(errors, dtype=np.float64)) / total if total else math.nan


def standard_error(errors: np.ndarray, count: np.ndarray) -> float:
    """Return the standard error of `rate` by the choice of examples, by its linear approximation; NaN: not known."""
    size, total = len(count), float(np.sum(count, dtype=np.float64))
    if size < 2 or not total:
        return math.nan
    with np.errstate(invalid="ignore"):
        away = errors - rate(errors, count) * count
        return math.sqrt(np.sum(away**2, dtype=np.float64) * size / (size - 1)) / total


@functools.lru_cache(maxsize=16)
def load(task: TaskT) -> TaskT:
    """Return the one instance of these options in the process, whose corpus is read once."""
    return task


@functools.lru_cache(maxsize=16)
def eval_examples(task: Task, split: Split, count: int) -> EvalExamples:
    """Return the task's `eval_examples`, which are read once.

    Raises:
        UserError: if they are not what the task's `spec` says.
    """
    examples = task.eval_examples(split, count)
    fits = isinstance(examples, EvalExamples)
    require_returned(fits, f"task {task.name}: eval_examples returns", examples, "EvalExamples")
    _require_batch(task, "eval_examples", examples.batch)
    return examples


def training_batch(
    task: Task, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int
) -> Batch[Array]:
    """Return the task's `batch`.

    Raises:
        UserError: if it is not what the task's `spec` says.
    """
    batch = task.batch(data, key, step, batch_size, bucket)
    _require_batch(task, "batch", batch)
    return batch


def evaluate(task: Task, predictions: Predictions, examples: EvalExamples) -> Evaluation:
    """Return what the task's `evaluate` returns; raise a UserError if that is no Evaluation."""
    evaluation = task.evaluate(predictions, examples)
    require_returned(
        isinstance(evaluation, Evaluation), f"task {task.name}: evaluate returns", evaluation, "an Evaluation"
    )
    return evaluation


def _require_batch(task: Task, method: str, batch: Any) -> None:
    """Check the kinds and the axes of a batch."""
    what, spec = f"task {task.name}: {method}", task.spec
    require_returned(isinstance(batch, Batch), f"{what} returns", batch, "a Batch")
    last = {"features": (spec.input_size,), "value": (spec.target_size,)}  # all other axes are of any size
    axes = {"tokens": "B S", "features": "B S", "labels": "B S", "class": "B", "value": "B"}
    for name, kind in {"inputs": spec.inputs, "targets": spec.target}.items():
        array, before = getattr(batch, name), axes[kind].split()
        shape, size = np.shape(array), last.get(kind, ())
        fits = len(shape) == len(before) + len(size) and shape[len(before) :] == size
        wanted = f"{kind} [{', '.join(map(str, (*before, *size)))}], as its spec says"
        require_returned(fits, f"{what} has as {name}", array, wanted)
