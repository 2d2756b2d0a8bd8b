"""Cells and their unrolling in float64 NumPy, one sequence and one step at a time.

A reference takes x [D], the carry, the weights by name, the cell with its options, and `nudge`, which it adds to each
part of the carry as soon as it has computed the part. A cell without a reference is tested by all other tests.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from research.cells import GRU, LSTM, RNN
from tests.cells import reference_gated as gated
from tests.cells import reference_linear as linear
from tests.cells.cases import CASES

Parts = tuple[np.ndarray, ...]
Weights = Mapping[str, np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def normalize(z: np.ndarray) -> np.ndarray:
    """Return layer normalization without gain and shift."""
    return (z - np.mean(z)) / np.sqrt(np.var(z) + 1e-5)


def rnn(x: np.ndarray, carry: Parts, weights: Weights, cell: RNN, nudge: Parts) -> Parts:
    z = x @ weights["w"] + carry[0] @ weights["u"] + weights["b"]
    return ((np.maximum(z, 0) if cell.activation == "relu" else np.tanh(z)) + nudge[0],)


def lstm(x: np.ndarray, carry: Parts, weights: Weights, cell: LSTM, nudge: Parts) -> Parts:
    (h, c), n = carry, len(carry[1])
    has_i = cell.input_gate and not cell.coupled_gates
    exists = {"i": has_i, "f": cell.forget_gate, "g": True, "o": cell.output_gate}
    order = [gate for gate in exists if exists[gate]]
    from_x, from_h = x @ weights["w"], h @ weights["u"]
    if cell.layer_norm:
        from_x, from_h = weights["gain_x"] * normalize(from_x), weights["gain_h"] * normalize(from_h)

    def before_activation(gate: str) -> np.ndarray:
        block = slice(order.index(gate) * n, (order.index(gate) + 1) * n)
        return from_x[block] + from_h[block] + weights["b"][block]

    def opened(gate: str, cell_state: np.ndarray) -> np.ndarray:
        if gate not in order:
            return np.ones(n)
        seen = weights[f"peephole_{gate}"] * cell_state if cell.peephole else 0
        return sigmoid(before_activation(gate) + seen)

    f = opened("f", c)
    i = 1 - f if cell.coupled_gates else opened("i", c)
    c = f * c + i * np.tanh(before_activation("g")) + nudge[1]
    o = opened("o", c)
    shown = weights["gain_c"] * normalize(c) + weights["shift_c"] if cell.layer_norm else c
    h = o * (np.tanh(shown) if cell.output_activation else shown)
    if cell.projection_size:
        h = h @ weights["projection"]
    return h + nudge[0], c


def gru(x: np.ndarray, carry: Parts, weights: Weights, cell: GRU, nudge: Parts) -> Parts:
    (h,), w, u, b = carry, weights["w"], weights["u"], weights["b"]
    n = len(h)
    w_r, w_z, w_n = w[:, :n], w[:, n : 2 * n], w[:, 2 * n :]
    u_r, u_z = u[:, :n], u[:, n : 2 * n]
    r = sigmoid(x @ w_r + h @ u_r + b[:n])
    z = sigmoid(x @ w_z + h @ u_z + b[n : 2 * n])
    from_h = (r * h) @ weights["u_n"] if cell.reset == "before" else r * (h @ u[:, 2 * n :] + weights.get("b_n", 0))
    new = np.tanh(x @ w_n + b[2 * n :] + from_h)
    return ((1 - z) * new + z * h + nudge[0],)


CELLS: dict[str, Callable[..., Parts]] = {"rnn": rnn, "lstm": lstm, "gru": gru}
CELLS |= gated.CELLS
CELLS |= {"mingru": linear.mingru, "minlstm": linear.minlstm, "lru": linear.lru}


def unroll(
    case: str,
    weights: Weights,
    xs: np.ndarray,
    carry: Parts,
    lengths: np.ndarray,
    reverse: bool,
    nudges: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, Parts]:
    """Return the hidden states [B, T, H] and the last carry; nudges are [T, B, H] for each part."""
    batch, steps, _ = xs.shape
    cell = CASES[case]
    if nudges is None:
        nudges = [np.zeros((steps, *part.shape)) for part in carry]
    ys = np.zeros((batch, steps, carry[0].shape[1]))
    last = tuple(np.array(part) for part in carry)
    for row in range(batch):
        state = tuple(part[row] for part in carry)
        order = range(int(lengths[row]))
        for t in reversed(order) if reverse else order:
            nudge = tuple(part[t, row] for part in nudges)
            state = CELLS[cell.name](xs[row, t], state, weights, cell, nudge)
            ys[row, t] = state[0]
        for part, value in zip(last, state, strict=True):
            part[row] = value
    return ys, last
