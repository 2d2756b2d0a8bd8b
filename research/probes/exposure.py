"""Errors by position while a model trains: reading the true previous tokens, and reading its own.

A position counts in the examples whose target reaches it, with the end mark. The output has an error there if its token
is another one than that of the target; there is no alignment of edits, so one symbol too many is an error at all
positions behind it. The evaluation at the end of a training counts edits (`tasks.metrics.edits`).

The gap between the two is the exposure bias (Bengio et al. 2015; Ranzato et al. 2016).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.errors import UserError
from research.probes.probe import Snapshot, ValidationProbe


@dataclass(frozen=True)
class Exposure(ValidationProbe):
    """Teacher-forced and free-running error at each position of validation targets."""

    name: ClassVar[str] = "exposure"
    section: ClassVar[str] = "exposure"

    examples: int = 32
    """Validation examples to average over."""

    def check(self, options: Any) -> None:
        if options.task.target_kind != "tokens":
            reason = f"as the target of {options.task.name} is no sequence of tokens"
            raise UserError(f"probes.exposure.every={self.every}: must be 0 {reason}")

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        batch = snapshot.first(self.examples)
        assert batch.target_lengths is not None  # targets of tokens have lengths
        score, outputs = snapshot.model.predict(batch, snapshot.rates, jax.random.key(0))
        assert score.predictions is not None
        targets: Any = batch.targets
        return {
            "teacher_forced_error": error_by_position(score.predictions, targets, batch.target_lengths),
            "free_running_error": error_by_position(outputs, targets, batch.target_lengths),
            "count": jnp.sum(jnp.arange(targets.shape[1])[:, None] < batch.target_lengths[None, :], axis=1) + 0.0,
        }

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        count = np.asarray(record["count"], np.float64)
        names = ("teacher_forced_error", "free_running_error")
        forced, free = (float(np.nansum(np.asarray(record[name]) * count) / np.sum(count)) for name in names)
        return {"teacher_forced_error": forced, "free_running_error": free, "gap": free - forced}

    def axis(self, profile: str) -> str:
        return "u"


def error_by_position(
    outputs: Int[Array, "B N"], targets: Int[Array, "B U"], lengths: Int[Array, " B"]
) -> Float[Array, " U"]:
    """Return the fraction of the targets with another token in the output, for each position; NaN past all ends."""
    steps = targets.shape[1]
    outputs = jnp.pad(outputs[:, :steps], ((0, 0), (0, max(0, steps - outputs.shape[1]))))  # padding is an error
    valid = jnp.arange(steps)[None, :] < lengths[:, None]
    wrong = jnp.sum(valid & (outputs != targets), axis=0) + 0.0
    return wrong / jnp.sum(valid, axis=0)
