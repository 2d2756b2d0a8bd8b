"""A budget of weights decides the width, one of time the updates; models are counted, none is built."""

import math
import types
from typing import Any

import jax
import pytest

from research import catalogue
from research.batch import TaskSpec
from research.config import AddingConfig, Config, PronunciationConfig
from research.config.flat import override
from research.errors import UserError
from research.recurrent.cell import create
from research.training import budget
from research.training.budget import Stopwatch, count, settled
from tests.training.trials import hparams_of, of, program

TASKS = {
    "adding": (AddingConfig(), TaskSpec("features", 2, 100, "value", 1)),
    "pronunciation": (PronunciationConfig(), TaskSpec("tokens", 29, 22, "tokens", 42, 20)),
}
TOKENS = TaskSpec("tokens", 5, 6, "tokens", 6, 6)


def config(task: str = "pronunciation", **changes: Any) -> Config:
    return override(Config(task=TASKS[task][0]), {key.replace("__", "."): value for key, value in changes.items()})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cell", catalogue.names("cells"))
def test_every_cell_gets_as_many_weights_as_the_budget_within_1_percent(cell, task):
    for wanted in (100_000, 300_000):
        found = settled(config(task, cell__name=cell, model__parameter_budget=wanted), TASKS[task][1])
        assert count(found, TASKS[task][1]) == pytest.approx(wanted, rel=0.01)
        assert found == config(task, cell__name=cell, model__hidden_size=found.model.hidden_size)


@pytest.mark.parametrize("attention", ["none", "additive", "multi_head"])
@pytest.mark.parametrize("cell", catalogue.names("cells"))
def test_where_a_step_of_the_width_is_too_coarse_the_read_out_takes_what_is_left(cell, attention):
    given = config(cell__name=cell, attention__name=attention, model__bidirectional=True)
    wanted, interface = 60_000, TASKS["pronunciation"][1]
    found = settled(override(given, {"model.parameter_budget": wanted}), interface)
    assert count(found, interface) == pytest.approx(wanted, rel=0.01)
    plain = override(given, {"model.hidden_size": found.model.hidden_size})
    if found.model.readout:
        assert count(plain, interface) < 0.99 * wanted and found.model.readout > found.model.hidden_size
    else:
        assert found == plain


@pytest.mark.parametrize("wanted", [60_000, 72_000, 84_000])
def test_where_a_step_of_the_read_out_is_coarse_too_another_width_below_may_do(wanted):
    large = TaskSpec("tokens", 3000, 22, "tokens", 3000, 20)
    found = settled(config(attention__name="additive", model__parameter_budget=wanted), large)
    assert count(found, large) == pytest.approx(wanted, rel=0.01)


def test_a_tied_vocabulary_leaves_the_read_out_alone():
    given = config(model__tie_embeddings=True, attention__name="multi_head", model__parameter_budget=60_000)
    with pytest.raises(UserError, match="model.parameter_budget=60000: must be within 1% of what a width"):
        settled(given, TASKS["pronunciation"][1])


@pytest.mark.parametrize(
    "options",
    [
        {"cell.name": "gru", "attention.name": "additive", "model.bidirectional": True},
        {"cell.name": "rnn", "model.num_layers": 2, "model.skip_connections": True, "model.initial_state": "learned"},
        {"cell.name": "lstm", "cell.projection": 3},
        {"cell.name": "mgu", "attention.name": "multi_head", "attention.heads": 3},
    ],
)
def test_the_width_is_the_one_with_the_nearest_count(options, monkeypatch):
    monkeypatch.setattr(budget, "TOLERANCE", math.inf)
    step = options.get("attention.heads", 1)
    base = override(Config(task=PronunciationConfig()), {**options, "model.hidden_size": step})
    counts = {width: count(override(base, {"model.hidden_size": width}), TOKENS) for width in range(step, 8 * step, step)}
    assert list(counts.values()) == sorted(counts.values())
    middle = (counts[3 * step] + counts[4 * step]) // 2
    for wanted in (1, counts[step], middle - 1, middle + 1, counts[4 * step]):
        found = settled(override(base, {"model.parameter_budget": wanted}), TOKENS).model
        assert found.features == min(counts, key=lambda width: abs(counts[width] - wanted))
        assert found.parameter_budget == 0


@pytest.mark.parametrize(
    ("weights", "step"),
    [
        (lambda width: 3 * width**2 + 40 * width + 7, 1),
        (lambda width: 5 * width + 900, 1),
        (lambda width: width**3, 1),
        (lambda width: 2 * width**2, 7),
        (lambda width: 10 * width + 1000 * (width // 21), 3),
        (lambda width: width + 10 ** (width // 10), 1),
    ],
)
def test_however_the_weights_grow_with_the_width_the_nearest_count_is_found(weights, step, monkeypatch):
    monkeypatch.setattr(budget, "count", lambda one, _: weights(one.model.hidden_size))
    monkeypatch.setattr(budget, "TOLERANCE", math.inf)
    budget._widths.cache_clear()
    widths = range(step, 300, step)
    options = {"attention__name": "multi_head", "attention__heads": step} if step > 1 else {}
    for wanted in range(1, weights(30 * step), 1 + weights(30 * step) // 100):
        found = settled(config(**options, model__parameter_budget=wanted), TOKENS).model.hidden_size
        assert found == min(widths, key=lambda width: abs(weights(width) - wanted)), wanted
    budget._widths.cache_clear()


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        (100, "nearest to it are 97 (model.hidden_size=8) and 118 (model.hidden_size=9)"),
        (5, "nearest to it is 6 (model.hidden_size=1)"),
    ],
)
def test_a_budget_that_no_width_meets_is_one_line_with_the_nearest(wanted, nearest):
    adding = config("adding", cell__name="rnn", model__parameter_budget=wanted)
    with pytest.raises(UserError) as raised:
        settled(adding, TASKS["adding"][1])
    expected = f"model.parameter_budget={wanted}: must be within 1% of what a width of cell.name=rnn gives: {nearest}"
    assert str(raised.value).startswith(expected) and "\n" not in str(raised.value)


def test_a_budget_beyond_the_widest_model_is_told(monkeypatch):
    monkeypatch.setattr(budget, "WIDEST", 20)
    with pytest.raises(UserError, match=r"nearest to it is 481 \(model\.features=20\)"):
        settled(config("adding", cell__name="rnn", model__parameter_budget=700), TASKS["adding"][1])
    heads = config(attention__name="multi_head", attention__heads=32, model__parameter_budget=700)
    with pytest.raises(UserError, match="gives: no width is allowed"):
        settled(heads, TOKENS)


def test_without_a_budget_the_width_is_the_configs():
    assert settled(given := config(model__hidden_size=5), TOKENS) is given


def test_what_is_counted_is_what_is_trained():
    one = of(model__parameter_budget=1038, cell__name="gru")
    trained = program(one)
    state = jax.eval_shape(trained.init, hparams_of(one))
    weights = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    assert trained.config == settled(one, trained.interface)
    assert weights == count(trained.config, trained.interface) == 1038
    assert trained.cell == create("gru")


def test_a_stopwatch_counts_what_it_times_and_goes_on_from_before(monkeypatch):
    clock = iter([10.0, 12.0, 50.0, 51.0])
    monkeypatch.setattr(budget, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Stopwatch(4.0, 1.0)
    assert watch.time(lambda x: x + 1, 1) == 2
    assert (watch.seconds, watch.over) == (3.0, False)
    watch.time(lambda: None)
    assert (watch.seconds, watch.over) == (4.0, True)


def test_a_stopwatch_without_a_budget_counts_on_until_it_pauses(monkeypatch):
    clock = iter([10.0, 12.0, 15.0, 50.0, 51.0])
    monkeypatch.setattr(budget, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Stopwatch(0.0, 1.0)
    assert watch.elapsed == 1.0
    assert watch.time(lambda: 3) == 3
    assert (watch.seconds, watch.elapsed) == (1.0, 3.0)
    watch.time(lambda: 4)
    watch.pause()
    assert (watch.seconds, watch.elapsed, watch.over) == (6.0, 6.0, False)
    watch.pause()
    watch.time(lambda: 5)
    assert watch.elapsed == 7.0
