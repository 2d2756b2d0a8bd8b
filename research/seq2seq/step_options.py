"""What one update is run with: how targets are forced and smoothed, and what is dropped."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from research.recurrence.dropout import NO_DROPOUT, Rates


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StepOptions:
    """Numbers of one update; None: off, and then nothing of it is in the program."""

    teacher_forcing: Float[Array, ""] | None = None
    """Probability of the true previous token as the decoder's input; None: it always is the input."""
    per_sequence: Float[Array, ""] | None = None
    """1: one draw for all tokens of a target; 0 or None: one for each."""
    label_smoothing: Float[Array, ""] | None = None
    """Fraction of the target's probability that is spread evenly over all classes."""
    rates: Rates = NO_DROPOUT
    """Rates of dropout and zoneout."""
    gradient_regularizer: Float[Array, ""] | None = None
    """Weight of Omega of the encoder, the mean over the sequences (see `recurrence.kernels.regularizer`)."""


DEFAULT_STEP_OPTIONS = StepOptions()
