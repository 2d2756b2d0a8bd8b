"""A parameter budget decides the hidden size, without creating models."""

from typing import Any

import jax
import pytest
from flax import nnx

from research.batch import TaskSpec
from research.cells import CELLS
from research.cells.lstm import LSTM
from research.errors import UserError
from research.seq2seq import budget
from research.seq2seq.attention import ATTENTIONS
from research.seq2seq.attention.multi_head import MultiHeadAttention
from research.seq2seq.budget import count_parameters, resolve_hidden_size
from research.seq2seq.model import Seq2seq
from research.seq2seq.options import ModelOptions, Seq2seqOptions

ADDING = TaskSpec("features", 2, 100, "value", 1)
PRONUNCIATION = TaskSpec("tokens", 29, 22, "tokens", 42, 20)
QUICK = ("lstm", "indrnn", "lru")
"""Cells that stand for the others: recurrent weights that grow with the square of the size, by its size, and none."""


@pytest.fixture(autouse=True)
def clear_cache():
    """Clear the cached searches, as tests replace the counts."""
    yield
    budget._nearest.cache_clear()


@pytest.mark.parametrize(
    "cell", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in CELLS]
)
def test_every_cell_gets_about_as_many_weights_as_the_budget(cell):
    resolved = resolve_hidden_size(Seq2seqOptions(ModelOptions(parameter_budget=50_000), CELLS[cell]()), ADDING)
    assert count_parameters(resolved, ADDING) == pytest.approx(50_000, rel=0.02)
    assert resolved == Seq2seqOptions(ModelOptions(resolved.model.hidden_size), CELLS[cell]())


@pytest.mark.parametrize(
    ("weights", "heads"),
    [
        (lambda size: 3 * size**2 + 40 * size + 7, 1),
        (lambda size: 5 * size + 900, 1),
        (lambda size: 2 * size**2, 7),
        (lambda size: size + 10 ** (size // 10), 1),
    ],
)
def test_the_hidden_size_is_the_allowed_one_with_the_nearest_count(weights, heads, monkeypatch):
    monkeypatch.setattr(budget, "count_parameters", lambda options, _: weights(options.model.hidden_size))
    monkeypatch.setattr(budget, "TOLERANCE", float("inf"))
    sizes = range(heads, 300, heads)
    for wanted in range(1, weights(30 * heads), 1 + weights(30 * heads) // 50):
        options = Seq2seqOptions(ModelOptions(parameter_budget=wanted), attention=MultiHeadAttention(num_heads=heads))
        sized = resolve_hidden_size(options, PRONUNCIATION).model
        assert sized.hidden_size == min(sizes, key=lambda size: abs(weights(size) - wanted)), wanted
        assert sized.parameter_budget == 0


@pytest.mark.parametrize(
    "options",
    [
        {"cell": CELLS["gru"](), "attention": ATTENTIONS["additive"](), "model": {"bidirectional": True}},
        {"cell": LSTM(projection_size=3), "model": {"num_layers": 2, "skip_connections": True}},
    ],
)
def test_the_count_grows_with_the_hidden_size_and_is_that_of_a_model(options):
    def sized(hidden_size: int) -> Seq2seqOptions:
        model: dict[str, Any] = options["model"]
        sections = {name: value for name, value in options.items() if name != "model"}
        return Seq2seqOptions(ModelOptions(hidden_size, **model), **sections)

    counts = [count_parameters(sized(size), PRONUNCIATION) for size in (3, 4, 9)]
    assert counts == sorted(set(counts))
    built = nnx.eval_shape(lambda: Seq2seq(sized(4), PRONUNCIATION, budget.CHEAP, nnx.Rngs(params=jax.random.key(0))))
    assert counts[1] == sum(leaf.size for leaf in jax.tree.leaves(nnx.state(built, nnx.Param)))


def test_a_budget_that_no_hidden_size_meets_is_one_line_with_the_nearest(monkeypatch):
    allowed = "must be within 5% of what a hidden size gives"
    rnn = Seq2seqOptions(ModelOptions(parameter_budget=107), CELLS["rnn"]())
    with pytest.raises(UserError, match=rf"^model\.parameter_budget=107: {allowed}: 97 weights with 8$"):
        resolve_hidden_size(rnn, ADDING)
    monkeypatch.setattr(budget, "MAX_HIDDEN_SIZE", 20)
    with pytest.raises(UserError, match=rf"{allowed}: 481 weights with 20$"):
        resolve_hidden_size(Seq2seqOptions(ModelOptions(parameter_budget=700), CELLS["rnn"]()), ADDING)


def test_without_a_budget_the_options_stay():
    options = Seq2seqOptions(ModelOptions(hidden_size=5))
    assert resolve_hidden_size(options, ADDING) is options
