"""Cells and their unrolling in float64 NumPy, from the equations alone: one sequence and one step at a time.

`nudge` is added to each part of the carry when it is computed, before anything is formed from it.
"""

from collections.abc import Callable

import numpy as np

Parts = tuple[np.ndarray, ...]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def rnn(x: np.ndarray, carry: Parts, w: np.ndarray, u: np.ndarray, b: np.ndarray, nudge: Parts) -> Parts:
    return (np.tanh(x @ w + carry[0] @ u + b) + nudge[0],)


def lstm(x: np.ndarray, carry: Parts, w: np.ndarray, u: np.ndarray, b: np.ndarray, nudge: Parts) -> Parts:
    h, c = carry
    n = len(h)

    def gate(k: int) -> np.ndarray:
        return x @ w[:, k * n : (k + 1) * n] + h @ u[:, k * n : (k + 1) * n] + b[k * n : (k + 1) * n]

    c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * np.tanh(gate(2)) + nudge[1]
    return sigmoid(gate(3)) * np.tanh(c) + nudge[0], c


def gru(x: np.ndarray, carry: Parts, w: np.ndarray, u: np.ndarray, b: np.ndarray, nudge: Parts) -> Parts:
    (h,) = carry
    n = len(h)
    w_r, w_z, w_n = w[:, :n], w[:, n : 2 * n], w[:, 2 * n :]
    u_r, u_z, u_n = u[:, :n], u[:, n : 2 * n], u[:, 2 * n :]
    r = sigmoid(x @ w_r + h @ u_r + b[:n])
    z = sigmoid(x @ w_z + h @ u_z + b[n : 2 * n])
    new = np.tanh(x @ w_n + b[2 * n :] + r * (h @ u_n))
    return ((1 - z) * new + z * h + nudge[0],)


CELLS: dict[str, Callable[..., Parts]] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def unroll(
    name: str,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray,
    xs: np.ndarray,
    carry: Parts,
    lengths: np.ndarray,
    reverse: bool,
    nudges: np.ndarray | None = None,
) -> tuple[np.ndarray, Parts]:
    """Hidden states [B, T, H] and the last carry; nudges are [T, P, B, H]."""
    batch, steps, _ = xs.shape
    features = u.shape[0]
    if nudges is None:
        nudges = np.zeros((steps, len(carry), batch, features))
    ys = np.zeros((batch, steps, features))
    last = tuple(np.array(part) for part in carry)
    for row in range(batch):
        state = tuple(part[row] for part in carry)
        order = range(int(lengths[row]))
        for t in reversed(order) if reverse else order:
            state = CELLS[name](xs[row, t], state, w, u, b, tuple(nudges[t, :, row]))
            ys[row, t] = state[0]
        for part, value in zip(last, state, strict=True):
            part[row] = value
    return ys, last
