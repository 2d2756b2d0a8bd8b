"""Attention on validation examples while a model trains: how sharp it is, whether it moves forward, what it covers.

With teacher forcing, a_us is the weight of the source state s at the token u of the target, with sum 1 over s:

    entropy        -sum_s a_us ln a_us, in nats: 0 where one state has all weight
    monotonicity   fraction of the pairs of tokens u, u + 1 whose expected position sum_s s a_us does not move back
    coverage       mean over source states of min(1, sum_u a_us): 1 if every state is read (Tu et al. 2016)

Tokens past the end of a target, and states past the end of a source, count nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from research.errors import UserError
from research.probes.probe import Snapshot, ValidationProbe


@dataclass(frozen=True)
class AttentionProbe(ValidationProbe):
    """Entropy, monotonicity and coverage of the attention to validation examples."""

    name: ClassVar[str] = "attention"
    section: ClassVar[str] = "attention"

    def check(self, options: Any) -> None:
        if not options.attention.has_weights:
            reason = f"as attention.name={options.attention.name} has no weights"
            raise UserError(f"probes.attention.every={self.every}: must be 0 {reason}")

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        batch, model = snapshot.first(self.examples), snapshot.model
        weights = model.alignment(batch.inputs, batch.input_lengths, batch.targets, snapshot.rates)
        assert batch.target_lengths is not None  # targets of tokens have lengths
        written = jnp.arange(weights.shape[1])[None, :] < batch.target_lengths[:, None]
        encoder, count = model.encoder, weights.shape[2]
        lengths: Any = encoder.stack.shortened(encoder.front.shortened(batch.input_lengths))
        lengths = jnp.full(len(weights), count) if lengths is None else lengths
        return measures(weights, written, jnp.arange(count)[None, :] < lengths[:, None])

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        return {name: float(value) for name, value in record.items() if name != "step" and np.ndim(value) == 0}

    def axis(self, profile: str) -> str:
        return "u"


def measures(
    weights: Float[Array, "B U S"], written: Bool[Array, "B U"], read: Bool[Array, "B S"]
) -> dict[str, Float[Array, "..."]]:
    """Return `entropy`, `monotonicity` and `coverage`, and by token `entropy_by_token` and `position_by_token` [U].

    Args:
        weights: of the attention.
        written: which tokens are not padding.
        read: which states are not padding.
    """
    logarithms = jnp.log(jnp.where(weights > 0, weights, 1))
    entropy = -jnp.sum(weights * logarithms, axis=2)
    position = jnp.sum(weights * jnp.arange(weights.shape[2], dtype=weights.dtype)[None, None], axis=2)
    pairs = written[:, 1:]
    forward = position[:, 1:] >= position[:, :-1] - 1e-4  # equal but for rounding errors
    total = jnp.sum(jnp.where(written[:, :, None], weights, 0), axis=1)
    return {
        "entropy": jnp.mean(entropy, where=written),
        "monotonicity": jnp.mean(forward.astype(weights.dtype), where=pairs),
        "coverage": jnp.mean(jnp.minimum(total, 1), where=read),
        "entropy_by_token": jnp.mean(entropy, axis=0, where=written),
        "position_by_token": jnp.mean(position, axis=0, where=written),
    }
