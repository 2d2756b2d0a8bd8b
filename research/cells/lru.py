"""Linear recurrent unit: a diagonal complex recurrence.

    s_t = lambda * s_{t-1} + exp(gamma_log) * (B x_t)        lambda = exp(-exp(nu_log) + i exp(theta_log))
    h_t = Re(C s_t) + D x_t

Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De, Resurrecting recurrent neural networks for long sequences, 2023.

B and D are blocks of `w`: `re` and `im` compute B x_t, `skip` computes D x_t. The paper's D is elementwise; this D is a
matrix, as inputs may have another width. Each block has a bias, initially 0, which the paper does not have. C is
`c_re` + i `c_im`. There are as many states as hidden features. Matrices are initialized as in all cells.

Initially |lambda|^2 is spread over [0.9^2, 0.999^2] in equal steps, not at random, and gamma = sqrt(1 - |lambda|^2);
the phase is uniform in [0, pi/10]. The paper starts from the whole disc and uses such a ring for long sequences.

This cell is the recurrence alone, so h is linear in the inputs. The paper's block also has normalization, a gated or
multilayer map of h and a residual connection, which belong to a stack of layers. Without such a map no number of layers
can multiply two inputs. The next step reads s, so the gradient travels through time in the parts `re` and `im`; the
gradient of `h` comes from the loss alone.
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.cells.cell import Tape
from research.cells.initializers import InitScheme, Matrix, Vector
from research.cells.linear import COMPLEX, LinearCell

RADII = (0.9, 0.999)
MAX_PHASE = math.pi / 10


@dataclass(frozen=True)
class LRU(LinearCell):
    """Linear recurrent unit, computed by an associative scan (Orvieto et al. 2023).

    Gate blocks of `w` [D, 3·H], `b` [3·H]: re, im, skip. `c_re`, `c_im` [H, H], from states to h; `nu_log`,
    `theta_log`, `gamma_log` [H]. The carry is h, re, im.
    """

    name: Literal["lru"] = "lru"
    gates = ("re", "im", "skip")
    parts = COMPLEX
    state = "re"

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        return dict.fromkeys(("c_re", "c_im"), Matrix(hidden_size, hidden_size, recurrent=False))

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        initializers = {"nu_log": _nu_log, "theta_log": _theta_log, "gamma_log": _gamma_log}
        return {name: Vector(hidden_size, init) for name, init in initializers.items()}

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        re, im, _ = self.split(x_gates)
        radius, phase = jnp.exp(-jnp.exp(tape.vector("nu_log"))), jnp.exp(tape.vector("theta_log"))
        gamma = jnp.exp(tape.vector("gamma_log"))
        decay = jax.lax.complex(radius * jnp.cos(phase), radius * jnp.sin(phase))
        return decay, jax.lax.complex(gamma * re, gamma * im)

    def read(self, state: Array, x_gates: Array, tape: Tape) -> Array:
        skip = self.split(x_gates)[2]
        return tape.project("c_re", state.real) - tape.project("c_im", state.imag) + skip


def _squared_radii(noise: Float[Array, " H"]) -> Float[Array, " H"]:
    """Return the centers of H equal parts of the range of |lambda|^2."""
    low, high = (radius**2 for radius in RADII)
    return low + (high - low) * (jnp.arange(noise.size, dtype=noise.dtype) + 0.5) / noise.size


def _nu_log(_: InitScheme, noise: Float[Array, " H"]) -> Float[Array, " H"]:
    return jnp.log(-0.5 * jnp.log(_squared_radii(noise)))


def _gamma_log(_: InitScheme, noise: Float[Array, " H"]) -> Float[Array, " H"]:
    return 0.5 * jnp.log(1 - _squared_radii(noise))


def _theta_log(_: InitScheme, noise: Float[Array, " H"]) -> Float[Array, " H"]:
    return jnp.log(MAX_PHASE * (noise + 1) / 2)
