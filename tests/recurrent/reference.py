"""Cells and their unrolling in float64 NumPy, from the equations alone: one sequence and one step at a time.

A reference takes x [D], the carry, the weights by name, the options, and `nudge`.

`nudge` is added to each part of the carry when it is computed, before anything is formed from it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from research.config import CellConfig
from tests.recurrent.cases import CASES

Parts = tuple[np.ndarray, ...]
Weights = Mapping[str, np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def rnn(x: np.ndarray, carry: Parts, weights: Weights, options: CellConfig, nudge: Parts) -> Parts:
    return (np.tanh(x @ weights["w"] + carry[0] @ weights["u"] + weights["b"]) + nudge[0],)


def lstm(x: np.ndarray, carry: Parts, weights: Weights, options: CellConfig, nudge: Parts) -> Parts:
    (h, c), w, u, b = carry, weights["w"], weights["u"], weights["b"]
    n = len(h)

    def gate(k: int) -> np.ndarray:
        return x @ w[:, k * n : (k + 1) * n] + h @ u[:, k * n : (k + 1) * n] + b[k * n : (k + 1) * n]

    c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * np.tanh(gate(2)) + nudge[1]
    return sigmoid(gate(3)) * np.tanh(c) + nudge[0], c


def gru(x: np.ndarray, carry: Parts, weights: Weights, options: CellConfig, nudge: Parts) -> Parts:
    (h,), w, u, b = carry, weights["w"], weights["u"], weights["b"]
    n = len(h)
    w_r, w_z, w_n = w[:, :n], w[:, n : 2 * n], w[:, 2 * n :]
    u_r, u_z, u_n = u[:, :n], u[:, n : 2 * n], u[:, 2 * n :]
    r = sigmoid(x @ w_r + h @ u_r + b[:n])
    z = sigmoid(x @ w_z + h @ u_z + b[n : 2 * n])
    new = np.tanh(x @ w_n + b[2 * n :] + r * (h @ u_n))
    return ((1 - z) * new + z * h + nudge[0],)


CELLS: dict[str, Callable[..., Parts]] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def unroll(
    case: str,
    weights: Weights,
    xs: np.ndarray,
    carry: Parts,
    lengths: np.ndarray,
    reverse: bool,
    nudges: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, Parts]:
    """Hidden states [B, T, H] and the last carry; nudges are [T, B, H] for each part."""
    batch, steps, _ = xs.shape
    name, options = CASES[case]
    if nudges is None:
        nudges = [np.zeros((steps, *part.shape)) for part in carry]
    ys = np.zeros((batch, steps, carry[0].shape[1]))
    last = tuple(np.array(part) for part in carry)
    for row in range(batch):
        state = tuple(part[row] for part in carry)
        order = range(int(lengths[row]))
        for t in reversed(order) if reverse else order:
            nudge = tuple(part[t, row] for part in nudges)
            state = CELLS[name](xs[row, t], state, weights, CellConfig(**options), nudge)
            ys[row, t] = state[0]
        for part, value in zip(last, state, strict=True):
            part[row] = value
    return ys, last
