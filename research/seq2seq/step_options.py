"""Numbers of one update: teacher forcing, label smoothing, dropout and regularization."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float

from research.recurrence.dropout import NO_DROPOUT, Rates


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StepOptions:
    """Numbers of one update; None: off and not in the program."""

    teacher_forcing: Float[Array, ""] | None = None
    """Probability that the decoder's input is the true previous token; None: always."""
    per_sequence: Float[Array, ""] | None = None
    """1: sample the inputs of a whole target at once; 0 or None: sample each token."""
    label_smoothing: Float[Array, ""] | None = None
    """Fraction of the target's probability to spread evenly over all classes."""
    rates: Rates = NO_DROPOUT
    """Rates of dropout and zoneout."""
    gradient_regularizer: Float[Array, ""] | None = None
    """Weight of the encoder's Omega, as a mean over sequences (see `recurrence.kernels.regularizer`)."""


DEFAULT_STEP_OPTIONS = StepOptions()
