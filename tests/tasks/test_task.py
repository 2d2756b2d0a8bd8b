"""What the trainer relies on, for every task of the registry but `dataset`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import EOS, NO_LABEL, PAD, Batch, TaskSpec
from research.data.corpora import asterisk, espeak
from research.data.corpora.recordings import Recording
from research.errors import UserError
from research.tasks import TASKS
from research.tasks import task as tasks
from research.tasks.task import EvalExamples, Predictions, Task
from tests.data.recordings import spoken
from tests.tasks.outputs import check_by_example

SIZE = 16
FEWER: Mapping[str, Mapping[str, Any]] = {"selective_copying": {"noise": 60}}
"""Options for short programs."""

every_task = pytest.mark.parametrize("name", [name for name in TASKS if name != "dataset"])


def splits(kind: Callable[[int], Any], train: int = 120, others: int = 40) -> dict[str, list[Any]]:
    """Examples of each split, by their numbers."""
    ends = {"train": (0, train), "validation": (train, train + others), "test": (train + others, train + 2 * others)}
    return {name: [kind(number) for number in range(*own)] for name, own in ends.items()}


def said(words: Sequence[str], number: int, most: int) -> str:
    """Up to so many words, drawn by the number."""
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(words, rng.integers(1, most + 1)))


def recording(words: Sequence[str], most: int, number: int) -> Recording:
    """Tones in place of speech."""
    return spoken(said(words, number, most), "ab"[number % 2], draw=number)


@pytest.fixture(scope="module", autouse=True)
def small_corpora() -> Iterator[None]:
    """In place of those that are fetched with apt, or take minutes to prepare."""
    digits = splits(partial(recording, espeak.WORDS, 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(espeak.EspeakDigits, "recordings", lambda corpus, split: dict(enumerate(digits[split])))
        patch.setattr(asterisk, "digits", lambda *_: [spoken(word, "real") for word in espeak.WORDS])
        tasks.load.cache_clear()
        yield
    tasks.load.cache_clear()


def created(name: str) -> Task:
    return tasks.load(TASKS[name](**FEWER.get(name, {})))


@cache
def drawn(name: str, bucket: int):
    """Return the task's batches as a function of (seed, step), compiled once."""
    task = created(name)
    data = jax.device_put(task.data)
    return jax.jit(lambda seed, step: task.batch(data, jax.random.key(seed), step, SIZE, bucket))


def draw(name: str, seed: int, step: int, bucket: int = 0) -> Batch[np.ndarray]:
    return jax.device_get(drawn(name, bucket)(jnp.int32(seed), jnp.int32(step)))


def check(batch: Batch[np.ndarray], spec: TaskSpec, size: int, train: bool) -> None:
    """Shapes, types and ranges are those of the spec; of examples of validation and test lengths may be any."""
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(batch))
    steps = batch.inputs.shape[1]
    assert len(batch.inputs) == len(batch.targets) == size
    assert steps <= spec.input_length or not train
    if spec.inputs == "features":
        assert batch.inputs.shape == (size, steps, spec.input_size)
        assert batch.input_lengths is not None or steps == spec.input_length
        assert batch.inputs.dtype == np.float32
    else:
        lengths = np.full(size, steps, np.int32) if batch.input_lengths is None else batch.input_lengths
        check_tokens(batch.inputs, lengths, spec.input_size, end=False)
        assert batch.inputs.shape == (size, steps)
    if spec.target == "tokens":
        check_tokens(batch.targets, batch.target_lengths, spec.target_size, end=True)
        assert batch.targets.shape[1] <= spec.target_length or not train
    elif spec.target == "labels":
        labeled = batch.targets != NO_LABEL
        assert batch.targets.shape == (size, steps) and batch.targets.dtype == np.int32
        assert spec.target_length == spec.input_length
        assert batch.targets[labeled].min() >= 0 and batch.targets.max() < spec.target_size
        np.testing.assert_array_equal(np.sum(labeled, axis=1), batch.target_lengths)
    elif spec.target == "class":
        assert batch.targets.shape == (size,) and batch.targets.dtype == np.int32
        assert batch.targets.min() >= 0 and batch.targets.max() < spec.target_size
    else:
        assert batch.targets.shape == (size, spec.target_size) and batch.targets.dtype == np.float32


def check_tokens(tokens: np.ndarray, lengths: np.ndarray | None, symbols: int, end: bool) -> None:
    assert lengths is not None
    assert tokens.dtype == lengths.dtype == np.int32
    places = np.arange(tokens.shape[1])[None, :]
    assert np.all((tokens == PAD) == (places >= lengths[:, None]))
    assert np.all((tokens == EOS) == (end & (places == lengths[:, None] - 1)))
    assert lengths.min() >= 1 and tokens.max() < symbols


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_registered_under_its_name_and_says_what_it_is(name):
    task = TASKS[name]()
    assert task.name == name and task.describe() != name
    assert (TASKS[name].__doc__ or "").partition("\n")[0].endswith(".")
    assert task == TASKS[name]() and hash(task) == hash(TASKS[name]())


@every_task
def test_batches_have_the_shapes_and_types_of_the_spec(name):
    task = created(name)
    for bucket in {0, task.buckets - 1}:
        batch = draw(name, 0, 0, bucket)
        check(batch, task.spec, SIZE, train=True)
        assert batch.inputs.shape[1] <= task.spec.input_length
        assert batch.input_lengths is None or not task.same_length or np.ptp(batch.input_lengths) == 0


@every_task
def test_the_class_says_of_the_spec_what_it_is(name):
    task = created(name)
    assert (task.spec.inputs, task.spec.target) == (task.input_kind, task.target_kind)


@every_task
def test_a_batch_is_a_pure_function_of_key_and_step(name):
    first, again = draw(name, 0, 3), draw(name, 0, 3)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    for other in (draw(name, 0, 4), draw(name, 1, 3)):
        assert np.any(other.inputs != first.inputs)


@every_task
def test_eval_examples_are_those_of_their_split_and_the_same_in_every_run(name):
    task, again = created(name), TASKS[name](**FEWER.get(name, {}))
    test, validation = (task.eval_examples(split, 40) for split in ("test", "validation"))
    for split, examples in (("test", test), ("validation", validation)):
        assert examples.split == split and len(examples.references) in (0, 40)
        check(examples.batch, task.spec, 40, train=False)
    jax.tree.map(np.testing.assert_array_equal, test.batch, again.eval_examples("test", 40).batch)
    inputs, others = test.batch.inputs, validation.batch.inputs
    different = inputs.shape != others.shape or bool(np.any(inputs != others))
    assert different == (name != "memorization")  # which is scored on what it was trained on


@every_task
def test_all_that_is_evaluated_is_a_number_without_the_name_of_a_split(name):
    task = created(name)
    examples = task.eval_examples("validation", 40)
    sequence = examples.batch.targets.shape[1:] if task.target_kind in ("tokens", "labels") else (1,)
    outputs = np.zeros((40, *sequence), np.int32)
    loss, errors = (np.full((40, *sequence), value, np.float32) for value in (0.5, 1))
    metrics = task.evaluate(Predictions(loss, errors, np.ones(40), outputs, outputs), examples).metrics
    assert metrics and all(isinstance(value, float) for value in metrics.values())
    assert not any(key.startswith(("eval", "validation", "test")) for key in metrics)
    assert any(key.startswith("baseline/") for key in metrics)
    assert task.target_kind != "tokens" or {f"free_running/{task.error_rate}", "exposure_bias_gap"} <= set(metrics)


@every_task
def test_a_wrong_example_changes_its_own_part_of_the_metrics_alone(name):
    task = created(name)
    examples = task.eval_examples("test", 40)
    targets, lengths = examples.batch.targets, examples.batch.target_lengths
    sequence = task.target_kind in ("tokens", "labels")
    none = np.zeros(targets.shape if sequence else (40, 1))
    count = lengths if sequence and lengths is not None else np.ones(40)
    outputs = np.eye(task.spec.target_size)[targets] if task.target_kind == "class" else targets
    right = Predictions(none, none, count, outputs, targets if task.target_kind == "tokens" else None)
    check_by_example(task, examples, right, row=7)


def test_a_task_is_loaded_once_in_a_process():
    assert created("adding") is created("adding") is tasks.load(TASKS["adding"]())
    assert created("adding") is not tasks.load(TASKS["adding"](length=7))  # pyright: ignore[reportCallIssue]


class Wrong(Task):
    """A task of the user's own that returns what it is given."""

    spec = TaskSpec("features", 2, 4, "class", 3)  # pyright: ignore[reportAssignmentType]
    returned: Any = None

    def batch(self, data, key, step, batch_size, bucket):
        return self.returned

    def eval_examples(self, split, count):
        return EvalExamples("test", self.returned) if isinstance(self.returned, Batch) else self.returned

    def evaluate(self, predictions, examples):
        return self.returned


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (None, r"{} returns NoneType; must be (a Batch|EvalExamples)$"),
        (
            Batch(np.zeros((4, 5, 3)), None, np.zeros(4, int)),
            r"{} has as inputs an array \[4, 5, 3\] of float64; must be features \[B, S, 2\], as its spec says$",
        ),
        (
            Batch(np.zeros((4, 5, 2)), None, np.zeros((4, 1), int)),
            r"{} has as targets an array \[4, 1\] of int64; must be class \[B\], as its spec says$",
        ),
    ],
)
def test_what_a_task_returns_that_its_spec_does_not_say_is_one_line(returned, line, monkeypatch):
    monkeypatch.setattr(Wrong, "returned", returned)
    task: Any = Wrong("wrong")
    with pytest.raises(UserError, match="^task wrong: " + line.format("batch")):
        tasks.training_batch(task, None, jax.random.key(0), jnp.int32(0), 4, 0)
    tasks.eval_examples.cache_clear()
    with pytest.raises(UserError, match="^task wrong: " + line.format("eval_examples")):
        tasks.eval_examples(task, "test", 4)
    predictions = Predictions(*[np.zeros((4, 1))] * 4)
    examples = EvalExamples("test", Batch(np.zeros((4, 5, 2)), None, np.zeros(4, int)))
    with pytest.raises(UserError, match="^task wrong: evaluate returns (NoneType|Batch); must be an Evaluation$"):
        tasks.evaluate(task, predictions, examples)


def test_the_standard_error_of_a_ratio_is_about_that_of_its_bootstrap():
    generator = np.random.default_rng(0)
    count = generator.integers(0, 9, 400)
    errors = generator.binomial(count, 0.2)
    resamples = generator.integers(0, 400, (4000, 400))
    ratios = errors[resamples].sum(1) / count[resamples].sum(1)
    assert tasks.standard_error(errors, count) == pytest.approx(ratios.std(), rel=0.03)
    correct = np.arange(10) < 3
    assert tasks.standard_error(correct, np.ones(10)) == pytest.approx(correct.std(ddof=1) / 10**0.5)
    found = tasks.Evaluation.of({"x": (errors, count), "none": (np.zeros(1), np.zeros(1))}, {}).sampling
    assert found == {"x": {"error": tasks.standard_error(errors, count), "examples": int((count > 0).sum())}}
