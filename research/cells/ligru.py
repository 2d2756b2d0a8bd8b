"""Light gated recurrent unit: a GRU without reset gate, with relu and normalized inputs.

    z = sigmoid(LN(W x_t) + U h_{t-1} + b)        n = relu(LN(W x_t) + U h_{t-1} + b)
    h_t = z * h_{t-1} + (1 - z) * n
    LN(a) = gamma * (a - mean) / sqrt(variance + 1e-5), over the features of both gates together

Ravanelli, Brakel, Omologo, Bengio, Light gated recurrent units for speech recognition, 2018. The paper normalizes W x
over the batch. Results of this project do not depend on batch neighbors or padding, so this cell normalizes over the
features, as SpeechBrain's LiGRU can. With relu, nothing but the normalization bounds the state. b is the paper's beta.
"""

from dataclasses import dataclass
from typing import Literal

import jax
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate, normalize
from research.cells.initializers import Vector, ones


@dataclass(frozen=True)
class LiGRU(Cell):
    """Light gated recurrent unit (Ravanelli et al. 2018), with layer normalization.

    Gate blocks of `w` [D, 2·H], `u` [H, 2·H], `b` [2·H] and `gamma` [2·H]: z, n. The carry is h.
    """

    name: Literal["ligru"] = "ligru"
    gates = ("z", "n")
    keep_gate = "z"
    bias_in_step = True  # normalization removes a constant

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        return {"gamma": Vector(2 * hidden_size, ones)}

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        x = normalize(tape.keep(x_gates)) * tape.vector("gamma") + tape.vector("b")
        z, n = self.split(tape.keep(x + tape.recur("u", h)))
        (z,), n = activate(z, "sigmoid"), jax.nn.relu(n)
        z = tape.gate("z", z)
        return (n + z * (h - n),)
