"""Long short-term memory, and what Greff et al. take away from it or add to it.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)        g = tanh(W x_t + U h_{t-1} + b)
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

Hochreiter & Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000. Options, each with any other unless it is refused:

    no input, forget or output gate    i = 1, f = 1 or o = 1 (Greff et al. 2017)
    no output activation    h_t = o * c_t (Greff et al. 2017)
    coupled    i = 1 - f (Greff et al. 2017)
    peephole    + p_i * c_{t-1}, + p_f * c_{t-1}, + p_o * c_t in the sigmoids (Gers, Schraudolph, Schmidhuber 2002)
    layer_norm    LN(W x_t) + LN(U h_{t-1}) + b for W x_t + U h_{t-1} + b, and LN(c_t) for c_t in the last line
                  (Ba, Kiros, Hinton 2016)
    projection    h_t = (o * tanh(c_t)) R (Sak, Senior, Beaufays 2014)

LN(z) = gain * (z - mean) / sqrt(variance + 1e-5), over all gates of a product together, as in the paper, so without b:
a forget bias stays what it is. Of the paper's shifts only that of LN(c_t) is there, as b does for the others.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from research.config import CellConfig
from research.recurrent import initial
from research.recurrent.cell import Activation, Carry, Cell, activate, standardised
from research.recurrent.tape import Tape


class LSTM(Cell):
    """Long short-term memory (Gers et al. 2000), with the options of Greff et al. 2017.

    Gate blocks of `w` [D, G·H], `u` [H, G·H], `b` [G·H]: i, f, g, o; one that is taken away is left out, as is i where
    it is coupled to f. The carry is h, c.

    projection: `projection` [H, P] is R; h has P features and `u` is [P, G·H].
    peephole: `peephole_i`, `peephole_f`, `peephole_o` [H], of those gates that are there.
    layer_norm: `gain_x`, `gain_h` [G·H], `gain_c`, `shift_c` [H].
    """

    name: ClassVar[str] = "lstm"
    options = (
        "input_gate",
        "forget_gate",
        "output_gate",
        "output_activation",
        "coupled",
        "peephole",
        "projection",
        "layer_norm",
    )
    parts = ("h", "c")

    def __init__(self, config: CellConfig = CellConfig()) -> None:
        super().__init__(config)
        there = {
            "i": config.input_gate and not config.coupled,
            "f": config.forget_gate,
            "g": True,
            "o": config.output_gate,
        }
        self.gates = tuple(gate for gate in there if there[gate])
        self.keep_gate = "f" if there["f"] else None
        self.write_gate = "i" if there["i"] else None
        self.bias_in_step = config.layer_norm

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        options, (h, c) = self.config, carry
        z = self._normalised(x_gates, h, tape) if options.layer_norm else tape.keep(x_gates + tape.recur("u", h))
        if options.peephole:
            z = z + self._seen_by_input_and_forget_gate(c, tape)
        gate = dict(zip(self.gates, activate(z, *self._activations()), strict=True))

        kept = gate["f"] * c if options.forget_gate else c
        i = 1 - gate["f"] if options.coupled else gate.get("i")
        written = gate["g"] if i is None else i * gate["g"]
        c = tape.part("c", kept + written)

        shown = standardised(c) * tape.vector("gain_c") + tape.vector("shift_c") if options.layer_norm else c
        h = jnp.tanh(shown) if options.output_activation else shown
        if options.output_gate:
            o = self._late_output_gate(z, c, tape) if options.peephole else gate["o"]
            h = o * h
        return tape.project("projection", h) if options.projection else h, c

    def widths(self, features: int) -> tuple[int, ...]:
        return self.config.projection or features, features

    def matrices(self, features: int) -> dict[str, tuple[int, int, int]]:
        projection = {"projection": (features, self.config.projection, 1)} if self.config.projection else {}
        return super().matrices(features) | projection

    def vectors(self, features: int) -> dict[str, tuple[int, initial.VectorInit]]:
        found: dict[str, tuple[int, initial.VectorInit]] = {}
        if self.config.peephole:
            found |= {f"peephole_{gate}": (features, initial.gate_vector) for gate in self.gates if gate != "g"}
        if self.config.layer_norm:
            found |= {name: (len(self.gates) * features, initial.ones) for name in ("gain_x", "gain_h")}
            found |= {"gain_c": (features, initial.ones), "shift_c": (features, initial.zeros)}
        return found

    def _activations(self) -> tuple[Activation, ...]:
        return tuple("tanh" if gate == "g" else "sigmoid" for gate in self.gates)

    def _normalised(self, x_gates: Float[Array, "B GH"], h: Array, tape: Tape) -> Float[Array, "B GH"]:
        """LN(W x_t) + LN(U h_{t-1}) + b."""
        x_part = standardised(tape.keep(x_gates)) * tape.vector("gain_x")
        h_part = standardised(tape.keep(tape.recur("u", h))) * tape.vector("gain_h")
        return x_part + h_part + tape.vector("b")

    def _seen_by_input_and_forget_gate(self, c: Float[Array, "B H"], tape: Tape) -> Float[Array, "B GH"]:
        """What c_{t-1} adds through peepholes, in one block, which one tanh then takes."""
        seeing = ("i", "f")
        peepholes = [
            tape.vector(f"peephole_{gate}") * c if gate in seeing else jnp.zeros_like(c) for gate in self.gates
        ]
        return jnp.concatenate(peepholes, axis=-1)

    def _late_output_gate(self, z: Float[Array, "B GH"], c: Float[Array, "B H"], tape: Tape) -> Float[Array, "B H"]:
        """The output gate that has seen c_t."""
        return activate(self.split(z)[-1] + tape.vector("peephole_o") * c, "sigmoid")[0]
