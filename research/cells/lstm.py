"""Long short-term memory, with options that remove or add gates and connections.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)        g = tanh(W x_t + U h_{t-1} + b)
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

Hochreiter & Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000. The options:

    input_gate, forget_gate, output_gate=false    i = 1, f = 1, o = 1 (Greff et al. 2017)
    output_activation=false    h_t = o * c_t (Greff et al. 2017)
    coupled_gates    i = 1 - f (Greff et al. 2017)
    peephole    + p_i * c_{t-1}, + p_f * c_{t-1}, + p_o * c_t in the sigmoids (Gers, Schraudolph, Schmidhuber 2002)
    layer_norm    LN(W x_t) + LN(U h_{t-1}) + b replaces W x_t + U h_{t-1} + b, and LN(c_t) replaces c_t in the last
                  line (Ba, Kiros, Hinton 2016)
    projection_size    h_t = (o * tanh(c_t)) R (Sak, Senior, Beaufays 2014)

LN(z) = gain * (z - mean) / sqrt(variance + 1e-5), over all gates of a product together, as in the paper. b is added
after the normalization, so the forget bias keeps its effect and LN(W x_t) and LN(U h_{t-1}) need no shift.
"""

# Properties replace class attributes, as they depend on options:
# pyright: reportIncompatibleVariableOverride=false

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from research.cells.cell import Activation, Carry, Cell, Tape, activate, normalize
from research.cells.initializers import Matrix, Vector, gate_vector, ones, zeros
from research.options import require, require_between


@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory (Gers et al. 2000), with the options of Greff et al. 2017.

    Gate blocks of `w` [D, G·H], `u` [H, G·H], `b` [G·H]: i, f, g, o, without the gates that are removed, and without i
    if it is coupled to f. The carry is h, c.

    projection_size: `projection` [H, P] is R; h has P features and `u` is [P, G·H].
    peephole: `peephole_i`, `peephole_f`, `peephole_o` [H].
    layer_norm: `gain_x`, `gain_h` [G·H], `gain_c`, `shift_c` [H].
    """

    name: Literal["lstm"] = "lstm"
    input_gate: bool = True
    """False: i = 1 (Greff et al. 2017)."""
    forget_gate: bool = True
    """False: f = 1 (Greff et al. 2017)."""
    output_gate: bool = True
    """False: o = 1 (Greff et al. 2017)."""
    output_activation: bool = True
    """False: h = o * c (Greff et al. 2017)."""
    coupled_gates: bool = False
    """Couple the input gate to the forget gate: i = 1 - f (Greff et al. 2017)."""
    peephole: bool = False
    """Let the gates read the cell state, by one weight per unit (Gers, Schraudolph, Schmidhuber 2002)."""
    projection_size: int = 0
    """Features of h after a linear projection (Sak, Senior, Beaufays 2014), initialized by `init.recurrent` with gain
    1; 0: no projection."""
    layer_norm: bool = False
    """Layer normalization of both products and of the cell state (Ba, Kiros, Hinton 2016)."""

    parts = ("h", "c")

    def __post_init__(self) -> None:
        require_between(self, "cell", projection_size=(0, 2**20))
        for name in ("input_gate", "forget_gate"):
            exists = getattr(self, name) or not self.coupled_gates
            allowed = f"False with cell.{name}=False, as coupling needs both gates"
            require(exists, "cell.coupled_gates", self.coupled_gates, allowed)
        gated = self.input_gate or self.forget_gate or self.output_gate or not self.peephole
        require(gated, "cell.peephole", self.peephole, "False without input, forget and output gate")

    @property
    def gates(self) -> tuple[str, ...]:
        exists = {
            "i": self.input_gate and not self.coupled_gates,
            "f": self.forget_gate,
            "g": True,
            "o": self.output_gate,
        }
        return tuple(gate for gate in exists if exists[gate])

    @property
    def keep_gate(self) -> str | None:
        return "f" if self.forget_gate else None

    @property
    def write_gate(self) -> str | None:
        return "i" if self.input_gate and not self.coupled_gates else None

    @property
    def bias_in_step(self) -> bool:
        return self.layer_norm

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        h, c = carry
        z = self._normalized(x_gates, h, tape) if self.layer_norm else tape.keep(x_gates + tape.recur("u", h))
        if self.peephole:
            z = z + self._peephole_sums(c, tape)
        activations: list[Activation] = ["tanh" if name == "g" else "sigmoid" for name in self.gates]
        gate = dict(zip(self.gates, activate(z, *activations), strict=True))
        for name in [name for name in self.gates if name in ("i", "f")]:
            gate[name] = tape.gate(name, gate[name])

        kept = gate["f"] * c if self.forget_gate else c
        i = 1 - gate["f"] if self.coupled_gates else gate.get("i")
        written = gate["g"] if i is None else i * gate["g"]
        c = tape.part("c", kept + written)

        shown = normalize(c) * tape.vector("gain_c") + tape.vector("shift_c") if self.layer_norm else c
        h = jnp.tanh(shown) if self.output_activation else shown
        if self.output_gate and self.peephole:  # the output gate reads c_t
            h = tape.gate("o", activate(self.split(z)[-1] + tape.vector("peephole_o") * c, "sigmoid")[0]) * h
        elif self.output_gate:
            h = tape.gate("o", gate["o"]) * h
        return tape.project("projection", h) if self.projection_size else h, c

    def widths(self, hidden_size: int) -> tuple[int, ...]:
        return self.projection_size or hidden_size, hidden_size

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        recurrent = super().matrices(hidden_size)
        if not self.projection_size:
            return recurrent
        return recurrent | {"projection": Matrix(hidden_size, self.projection_size, recurrent=False)}

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        vectors: dict[str, Vector] = {}
        if self.peephole:
            peephole = Vector(hidden_size, gate_vector, recurrent=True)
            vectors |= {f"peephole_{gate}": peephole for gate in self.gates if gate != "g"}
        if self.layer_norm:
            vectors |= dict.fromkeys(("gain_x", "gain_h"), Vector(len(self.gates) * hidden_size, ones))
            vectors |= {"gain_c": Vector(hidden_size, ones), "shift_c": Vector(hidden_size, zeros)}
        return vectors

    def _normalized(self, x_gates: Float[Array, "B GH"], h: Array, tape: Tape) -> Float[Array, "B GH"]:
        """Return LN(W x_t) + LN(U h_{t-1}) + b."""
        x_part = normalize(tape.keep(x_gates)) * tape.vector("gain_x")
        h_part = normalize(tape.keep(tape.recur("u", h))) * tape.vector("gain_h")
        return x_part + h_part + tape.vector("b")

    def _peephole_sums(self, c: Float[Array, "B H"], tape: Tape) -> Float[Array, "B GH"]:
        """Return the peephole terms of c_{t-1} for all gates: zeros except for i and f."""
        early = ("i", "f")
        sums = [tape.vector(f"peephole_{gate}") * c if gate in early else jnp.zeros_like(c) for gate in self.gates]
        return jnp.concatenate(sums, axis=-1)
