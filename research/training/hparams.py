"""Hyperparameters: the traced numbers of a trial's options, which are arguments of the compiled program."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.cells.initializers import InitScheme
from research.options import bind, numbers
from research.recurrence.dropout import Rates
from research.seq2seq.step_options import StepOptions
from research.seq2seq.teacher_forcing import TeacherForcing
from research.training.optimizers import Optimizer
from research.training.options import TrialOptions
from research.training.schedules import Schedule

SECTIONS = ("optimizer", "schedule", "training", "dropout", "zoneout")
"""Sections whose traced numbers are passed unchanged."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hparams:
    """Scalars for one trial; arrays with a leading axis K for a pack."""

    seed: Int[Array, "*K"]
    init: InitScheme
    teacher_forcing: TeacherForcing | None
    """None: always on."""
    numbers: dict[str, dict[str, Array]]
    """By section and option. Options that are off are absent."""

    @classmethod
    def of(cls, options: TrialOptions) -> "Hparams":
        """Return one trial's numbers as NumPy scalars of the compiled types."""
        seed: Any = np.int32(options.seed)
        by_section: Any = {section: numbers(getattr(options, section)) for section in SECTIONS}
        return cls(seed, InitScheme.of(options.init), TeacherForcing.of(options.teacher_forcing), by_section)

    def number(self, section: str, name: str) -> Array | None:
        """Return a number; None if its option is off."""
        return self.numbers[section].get(name)

    def optimizer(self, options: TrialOptions) -> Optimizer:
        return bind(options.optimizer, self.numbers["optimizer"])

    def schedule(self, options: TrialOptions) -> Schedule:
        return bind(options.schedule, self.numbers["schedule"])

    @property
    def rates(self) -> Rates:
        return Rates.of(self.numbers["dropout"], self.numbers["zoneout"])

    def forcing_probability(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Return the probability of teacher forcing in update number `step`, from 0."""
        return jnp.float32(1) if self.teacher_forcing is None else self.teacher_forcing.probability(step)

    def step_options(self, step: Int[Array, ""], gradient_regularizer: Array | None) -> StepOptions:
        """Return the options of update number `step`, from 0.

        The weight of Omega is an argument of its own because the loss is differentiated by it.
        """
        schedule = self.teacher_forcing
        return StepOptions(
            teacher_forcing=None if schedule is None else schedule.probability(step),
            per_sequence=None if schedule is None else schedule.per_sequence,
            label_smoothing=self.number("training", "label_smoothing"),
            rates=self.rates,
            gradient_regularizer=gradient_regularizer,
        )


def stack(trials: Sequence[Hparams]) -> Hparams:
    """Return the hyperparameters of a pack, with a leading axis K."""
    return jax.tree.map(lambda *values: np.stack(values), *trials)
