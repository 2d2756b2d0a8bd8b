"""What the trainer relies on, for every task of the catalogue."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from research.tasks.corpora import asterisk, espeak, gcin, libreoffice, tuxpaint
from research.tasks.corpora.recordings import Recording
from research.tasks.corpora.stock_sets import STOCK_SETS
from tests.tasks.recordings import spoken

from research import catalogue
from research.batch import EOS, NO_LABEL, PAD, Batch, TaskSpec
from research.tasks import STAMP, task_types
from research.tasks import task as tasks
from research.tasks.task import Predictions, Task
from tests import quick

SIZE = 16
FEWER = {"translation": {"source_vocab_size": 60, "target_vocab_size": 60}, "image_stamps": {"pieces": 60}}
"""Options of tasks whose own are more than small corpora have."""

pytestmark = pytest.mark.parametrize("name", [name for name in catalogue.names("tasks") if name not in STOCK_SETS])
"""Those of TFDS's own corpora need archives, and have tests of their own."""


def splits(kind: Callable[[int], Any], train: int = 120, others: int = 40) -> dict[str, list[Any]]:
    """Examples of each split, by their numbers."""
    ends = {"train": (0, train), "validation": (train, train + others), "test": (train + others, train + 2 * others)}
    return {name: [kind(number) for number in range(*own)] for name, own in ends.items()}


def said(words: Sequence[str], number: int, most: int) -> str:
    """Up to so many words, drawn by the number."""
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(words, rng.integers(1, most + 1)))


def pair(number: int) -> libreoffice.Pair:
    english = f"the {number} " + said(("document", "opens", "again", "window", "closes"), number, 8)
    return libreoffice.Pair(english, english.replace("the", "das").replace("window", "Fenster").upper())


def stamp(number: int) -> tuxpaint.Stamp:
    picture = np.random.default_rng(number).integers(0, 256, (STAMP, STAMP, 3), np.uint8)
    return tuxpaint.Stamp(picture, f"a {number} {said(('red', 'blue', 'old', 'cat', 'dog'), number, 5)}")


def recording(words: Sequence[str], most: int, number: int) -> Recording:
    """Tones in place of speech."""
    return spoken(said(words, number, most), "ab"[number % 2], draw=number)


@pytest.fixture(scope="module", autouse=True)
def small_corpora() -> Iterator[None]:
    """In place of those that are fetched with apt, or take minutes to prepare."""
    digits = splits(partial(recording, espeak.WORDS, 7))
    loads = {
        espeak: lambda: digits,
        asterisk: lambda _: splits(partial(recording, ("press", "one", "for", "more"), 4)),
        gcin: lambda _: splits(lambda k: recording([f"ㄅㄚ{1 + k % 4}", f"ㄇㄛ{1 + k % 4}"], 1, k)),
        libreoffice: lambda _: splits(pair),
        tuxpaint: lambda _: splits(stamp),
    }
    with pytest.MonkeyPatch.context() as patch:
        for corpus, load in loads.items():
            patch.setattr(corpus, "load", load)
        patch.setattr(asterisk, "digits", lambda *_: [spoken(word, "real") for word in espeak.WORDS])
        tasks.create.cache_clear()
        yield
    tasks.create.cache_clear()


def created(name: str) -> Task:
    return tasks.create(task_types()[name](**FEWER.get(name, {})))


@cache
def drawn(name: str, bucket: int):
    """The task's batches as a function of (seed, step), compiled once."""
    task = created(name)
    data = jax.device_put(task.data)
    return quick.jit(lambda seed, step: task.batch(data, jax.random.key(seed), step, SIZE, bucket))


def draw(name: str, seed: int, step: int, bucket: int = 0) -> Batch[np.ndarray]:
    return jax.device_get(drawn(name, bucket)(jnp.int32(seed), jnp.int32(step)))


def check(batch: Batch[np.ndarray], interface: TaskSpec, size: int) -> None:
    """Shapes, types and ranges are those of the interface."""
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(batch))
    steps = batch.inputs.shape[1]
    assert len(batch.inputs) == len(batch.targets) == size
    if interface.inputs == "features":
        assert batch.inputs.shape == (size, steps, interface.input_size)
        assert steps == interface.input_length if batch.input_lengths is None else steps <= interface.input_length
        assert batch.inputs.dtype == np.float32
    else:
        lengths = np.full(size, steps, np.int32) if batch.input_lengths is None else batch.input_lengths
        check_tokens(batch.inputs, lengths, interface.input_size, end=False)
        assert batch.inputs.shape == (size, steps)
    if interface.target == "tokens":
        check_tokens(batch.targets, batch.target_lengths, interface.target_size, end=True)
        assert batch.targets.shape[1] <= interface.target_length
    elif interface.target == "labels":
        asked = batch.targets != NO_LABEL
        assert batch.targets.shape == (size, steps) and batch.targets.dtype == np.int32
        assert interface.target_length == interface.input_length
        assert batch.targets[asked].min() >= 0 and batch.targets.max() < interface.target_size
        np.testing.assert_array_equal(np.sum(asked, axis=1), batch.target_lengths)
    elif interface.target == "class":
        assert batch.targets.shape == (size,) and batch.targets.dtype == np.int32
        assert batch.targets.min() >= 0 and batch.targets.max() < interface.target_size
    else:
        assert batch.targets.shape == (size, interface.target_size) and batch.targets.dtype == np.float32


def check_tokens(tokens: np.ndarray, lengths: np.ndarray | None, symbols: int, end: bool) -> None:
    assert lengths is not None
    assert tokens.dtype == lengths.dtype == np.int32
    places = np.arange(tokens.shape[1])[None, :]
    assert np.all((tokens == PAD) == (places >= lengths[:, None]))
    assert np.all((tokens == EOS) == (end & (places == lengths[:, None] - 1)))
    assert lengths.min() >= 1 and tokens.max() < symbols


def test_batches_have_the_shapes_and_types_of_the_interface(name):
    task = created(name)
    for bucket in range(task.buckets):
        batch = draw(name, 0, 0, bucket)
        check(batch, task.spec, SIZE)
        assert batch.inputs.shape[1] <= task.spec.input_length


def test_held_out_examples_have_the_shapes_and_types_of_the_interface(name):
    task = created(name)
    check(task.held_out(40), task.spec, 40)


def test_the_options_say_of_the_interface_what_it_is(name):
    options, interface = task_types()[name], created(name).spec
    assert options.embedded == (interface.inputs == "tokens")
    assert options.decodes == (interface.target == "tokens")
    assert (options.labelled, options.valued) == (interface.target == "labels", interface.target == "value")


def test_a_batch_is_a_pure_function_of_key_and_step(name):
    first, again = draw(name, 0, 3), draw(name, 0, 3)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    for other in (draw(name, 0, 4), draw(name, 1, 3)):
        assert np.any(other.inputs != first.inputs)


def test_held_out_examples_are_the_same_in_every_run(name):
    task, anew = created(name), catalogue.load("tasks", name)(task_types()[name](**FEWER.get(name, {})))
    jax.tree.map(np.testing.assert_array_equal, task.held_out(40), anew.held_out(40))


def test_a_task_is_made_once_in_a_process(name):
    assert created(name) is created(name)


def test_all_that_is_evaluated_is_a_number_named_eval(name):
    task = created(name)
    interface, count = task.spec, 40
    outputs = np.zeros((count, interface.target_length), np.int32)
    loss, errors = (np.full((count, interface.target_length), value, np.float32) for value in (0.5, 1))
    predictions = Predictions(loss, errors, np.ones(count, np.float32), outputs, outputs)
    metrics = task.evaluate(predictions).metrics
    assert metrics and all(key.startswith("") and isinstance(value, float) for key, value in metrics.items())
