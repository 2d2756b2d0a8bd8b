"""References of the cells with a linear recurrence (see `reference`)."""

from collections.abc import Mapping

import numpy as np

from research.cells.cell import Cell

Parts = tuple[np.ndarray, ...]
Weights = Mapping[str, np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def gates(x: np.ndarray, weights: Weights, count: int) -> list[np.ndarray]:
    return np.split(x @ weights["w"] + weights["b"], count)


def mingru(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    z, n = gates(x, weights, 2)
    return (sigmoid(z) * carry[0] + (1 - sigmoid(z)) * n + nudge[0],)


def minlstm(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    f, i, n = gates(x, weights, 3)
    both = sigmoid(f) + sigmoid(i)
    return (sigmoid(f) / both * carry[0] + sigmoid(i) / both * n + nudge[0],)


def lru(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    re, im, skip = gates(x, weights, 3)
    former = carry[1] + 1j * carry[2]
    decay = np.exp(-np.exp(weights["nu_log"]) + 1j * np.exp(weights["theta_log"]))
    state = decay * former + np.exp(weights["gamma_log"]) * (re + 1j * im) + nudge[1] + 1j * nudge[2]
    h = (state @ (weights["c_re"] + 1j * weights["c_im"])).real + skip
    return h + nudge[0], state.real, state.imag
