"""References of the gated and elementwise cells (see `reference`)."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import expit as sigmoid

from research.cells.cell import Cell

Parts = tuple[np.ndarray, ...]
Weights = Mapping[str, np.ndarray]


def blocks(array: np.ndarray, count: int) -> list[np.ndarray]:
    return np.split(array, count, axis=-1)


def mgu(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    """Use the paper's gate, which is 1 - f."""
    (h,) = carry
    (w_f, w_n), (b_f, b_n) = blocks(weights["w"], 2), blocks(weights["b"], 2)
    forget = sigmoid(x @ -w_f + h @ -weights["u"] - b_f)
    new = np.tanh(x @ w_n + (forget * h) @ weights["u_n"] + b_n)
    return ((1 - forget) * h + forget * new + nudge[0],)


def ugrnn(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    (h,) = carry
    g, c = blocks(x @ weights["w"] + h @ weights["u"] + weights["b"], 2)
    g = sigmoid(g)
    return (g * h + (1 - g) * np.tanh(c) + nudge[0],)


def ligru(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    (h,) = carry
    wx = x @ weights["w"]
    normalized = weights["gamma"] * (wx - wx.mean()) / np.sqrt(wx.var() + 1e-5) + weights["b"]
    (x_z, x_n), (u_z, u_n) = blocks(normalized, 2), blocks(weights["u"], 2)
    z = sigmoid(x_z + h @ u_z)
    return (z * h + (1 - z) * np.maximum(x_n + h @ u_n, 0) + nudge[0],)


def indrnn(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    return (np.maximum(x @ weights["w"] + np.diag(weights["u"]) @ carry[0] + weights["b"], 0) + nudge[0],)


def cfn(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    (h,), (u_f, u_i, _) = carry, blocks(weights["u"], 3)
    (w_f, w_i, w_x), (b_f, b_i, b_x) = blocks(weights["w"], 3), blocks(weights["b"], 3)
    f, i = sigmoid(x @ w_f + h @ u_f + b_f), sigmoid(x @ w_i + h @ u_i + b_i)
    return (f * np.tanh(h) + i * np.tanh(x @ w_x + b_x) + nudge[0],)


def slstm(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    h, c, n, m = carry
    a_i, a_f, a_z, a_o = blocks(x @ weights["w"] + h @ weights["u"] + weights["b"], 4)
    log_f = -np.log1p(np.exp(-a_f))
    former = np.where(n == 0, -np.inf, m)
    m = np.maximum(log_f + former, a_i) + nudge[3]
    i, f = np.exp(a_i - m), np.exp(log_f + former - m)
    c = f * c + i * np.tanh(a_z) + nudge[1]
    n = f * n + i + nudge[2]
    return sigmoid(a_o) * c / np.maximum(n, 0.5) + nudge[0], c, n, m


def sru(x: np.ndarray, carry: Parts, weights: Weights, cell: Cell, nudge: Parts) -> Parts:
    _, c = carry
    (w_f, w_r, w_n, w_s), (b_f, b_r, b_n, b_s) = blocks(weights["w"], 4), blocks(weights["b"], 4)
    f = sigmoid(x @ w_f + weights["v_f"] * c + b_f)
    r = sigmoid(x @ w_r + weights["v_r"] * c + b_r)
    c = f * c + (1 - f) * (x @ w_n + b_n) + nudge[1]
    return r * c + (1 - r) * (x @ w_s + b_s) + nudge[0], c


CELLS: dict[str, Callable[..., Parts]] = {
    "mgu": mgu,
    "ugrnn": ugrnn,
    "ligru": ligru,
    "indrnn": indrnn,
    "cfn": cfn,
    "slstm": slstm,
    "sru": sru,
}
