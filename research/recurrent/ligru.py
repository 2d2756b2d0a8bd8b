"""Light gated recurrent unit: a GRU without reset gate, with relu and normalised inputs.

    z = sigmoid(LN(W x_t) + U h_{t-1} + b)        n = relu(LN(W x_t) + U h_{t-1} + b)
    h_t = z * h_{t-1} + (1 - z) * n
    LN(a) = gamma * (a - mean) / sqrt(variance + 1e-5), over the features of both gates together

Ravanelli, Brakel, Omologo, Bengio, Light gated recurrent units for speech recognition, 2018. The paper normalises W x
over the batch; here a result must not depend on batch neighbours nor on padding, so it is normalised over the features,
which SpeechBrain's LiGRU offers, too. It is needed: with relu, nothing else bounds the state. b is the paper's beta.
"""

from typing import ClassVar

import jax
from jaxtyping import Array

from research.recurrent import initial
from research.recurrent.cell import Carry, Cell, activate, standardised
from research.recurrent.tape import Tape


class LiGRU(Cell):
    """Light gated recurrent unit (Ravanelli et al. 2018), with layer normalisation.

    Gate blocks of `w` [D, 2·H], `u` [H, 2·H], `b` [2·H] and `gamma` [2·H]: z, n. The carry is h.
    """

    name: ClassVar[str] = "ligru"
    gates = ("z", "n")
    keep_gate = "z"
    bias_in_step = True  # the normalisation would take a constant bias away

    def vectors(self, features: int) -> dict[str, tuple[int, initial.VectorInit]]:
        return {"gamma": (2 * features, initial.ones)}

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        x = standardised(tape.keep(x_gates)) * tape.vector("gamma") + tape.vector("b")
        z, n = self.split(tape.keep(x + tape.recur("u", h)))
        (z,), n = activate(z, "sigmoid"), jax.nn.relu(n)
        return (n + z * (h - n),)
