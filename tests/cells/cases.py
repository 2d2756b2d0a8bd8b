"""The cells under test: all of `CELLS`, variants by options, and a cell defined here."""

import itertools
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import pytest
from jaxtyping import Array

from research.cells import CELLS, GRU, LSTM, RNN
from research.cells.cell import Carry, Cell, Tape, activate


@dataclass(frozen=True)
class CFN(Cell):
    """Chaos-free network (Laurent, von Brecht 2017): h = f * tanh(h) + i * tanh(x), not an interpolation."""

    name: Literal["cfn"] = "cfn"
    gates = ("f", "i", "x")
    keep_gate = "f"
    write_gate = "i"

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        split = 2 * h.shape[-1]
        f, i = activate(tape.keep(x_gates[:, :split] + tape.recur("u", h)[:, :split]), "sigmoid", "sigmoid")
        return (f * jnp.tanh(h) + i * jnp.tanh(tape.keep(x_gates[:, split:])),)


VARIANTS: dict[str, Cell] = {
    "rnn-relu": RNN(activation="relu"),
    "gru-before": GRU(reset="before"),
    "gru-recurrent-bias": GRU(recurrent_bias=True),
    "lstm-no-input-gate": LSTM(input_gate=False),
    "lstm-no-forget-gate": LSTM(forget_gate=False),
    "lstm-no-output-gate": LSTM(output_gate=False),
    "lstm-no-output-activation": LSTM(output_activation=False),
    "lstm-coupled": LSTM(coupled_gates=True),
    "lstm-peephole": LSTM(peephole=True),
    "lstm-projection": LSTM(projection_size=2),
    "lstm-layer-norm": LSTM(layer_norm=True),
    "lstm-peephole-coupled": LSTM(peephole=True, coupled_gates=True, output_activation=False),
    "lstm-peephole-output-gate": LSTM(peephole=True, input_gate=False, forget_gate=False),
    "lstm-peephole-projection-layer-norm": LSTM(peephole=True, projection_size=2, layer_norm=True),
    "cfn": CFN(),
}
CASES: dict[str, Cell] = {name: kind() for name, kind in CELLS.items()} | VARIANTS
IMPLIED = ("lstm-no-output-activation", "lstm-coupled", "lstm-projection", "lstm-layer-norm")
"""Variants whose option another has as well, together with more: slow tests."""
EVERY_WAY = ("lstm", "lru")
"""Cells that run with and without lengths, forward and in reverse: one scan and one associative scan."""
STRUCTURES = ("lstm", "slstm", "lru", "mingru")
"""One cell of each structure, for what is the same code for all that share it."""
WAYS: dict[str, Any] = {"masked": ("full", "lengths"), "reverse": ("forward", "reverse")}


def each_case(*ways: str, variants: bool = True, cells: Container[str] | None = None) -> pytest.MarkDecorator:
    """Parametrize by `name`, and by `masked` and `reverse` if named in `ways`.

    Most cases run with lengths and in reverse only, as the other ways run the same code for all cells.

    Args:
        ways: the other parameters.
        variants: whether to include variants; False if the test does not depend on the equations of a step.
        cells: names of the cells to include; all by default.
    """
    parameters = []
    for name, cell in CASES.items():
        if (name in VARIANTS and not variants) or (cells is not None and cell.name not in cells):
            continue
        for values in itertools.product(*([False, True] if name in EVERY_WAY else [True] for _ in ways)):
            labels = [WAYS[way][value] for way, value in zip(ways, values, strict=True)]
            marks = [pytest.mark.slow] if name in IMPLIED else []
            parameters.append(pytest.param(name, *values, id="-".join([name, *labels]), marks=marks))
    return pytest.mark.parametrize(("name", *ways), parameters)


def cell_of(case: str) -> Cell:
    return CASES[case]
