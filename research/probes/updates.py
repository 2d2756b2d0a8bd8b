"""Size of gradients, weights and updates by group of weights, and spread of the gradient over examples.

    gradient_norm    norm of the gradient of the objective, before clipping
    weight_norm      norm of the weights before the update
    update_ratio     norm of the change of the weights / weight_norm

A ratio near 1e-3 is common for a sound learning rate; groups whose ratios differ by orders of magnitude learn at
different speeds. The gradient of an example b is that of its part L_b of the objective L = sum_b L_b, times the batch
size: their mean is the gradient of the batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.batch import Batch, Shard
from research.probes.probe import Loss, Observed, Probe, Snapshot
from research.recurrence.norms import global_norm, norm

QUANTITIES = ("gradient_norm", "weight_norm", "update_ratio")


@dataclass(frozen=True)
class Updates(Probe):
    """Gradient norm, weight norm and update-to-weight ratio by group of weights."""

    name: ClassVar[str] = "updates"
    section: ClassVar[str] = "updates"

    per_example: bool = False
    """Record the norm of the gradient of each example of the batch as well, by a backward pass for each."""

    @property
    def inspects(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.per_example

    def measure(self, observed: Observed) -> dict[str, Array]:
        gradients, weights, changes = map(group_norms, (observed.grads, observed.params, observed.updates))
        measured: dict[str, Array] = {}
        for group, weight in weights.items():
            values = (gradients[group], weight, changes[group] / weight)
            measured |= {f"{group}/{name}": value for name, value in zip(QUANTITIES, values, strict=True)}
        return measured

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        return {"example_gradient_norms": snapshot.on_batch(lambda *of: example_norms(snapshot.params, *of))}

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        summary = {name: float(value) for name, value in record.items() if name.endswith(QUANTITIES)}
        if (norms := record.get("example_gradient_norms")) is not None:
            found = np.quantile(np.asarray(norms, np.float64), (0.5, 0.9, 1))
            names = (f"example_gradient_norm/{name}" for name in ("median", "p90", "max"))
            summary |= dict(zip(names, map(float, found), strict=True))
        return summary

    def axis(self, profile: str) -> str:
        return "example"


def group_norms(tree: Any) -> dict[str, Float[Array, ""]]:
    """Return the norm of each group of weights, or of what has the structure of the weights."""
    leaves: dict[str, list[Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")
        leaves.setdefault(group_of(name), []).append(norm(leaf))
    return {group: norm(jnp.stack(norms)) for group, norms in leaves.items()}


def group_of(name: str) -> str:
    """Return the group of a weight, such as "encoder/input_weights" of "encoder.stack.layers.0.0.w"."""
    words = name.split(".")
    side = "decoder" if "decoder" in words else words[0]
    if "embed" in words:
        return f"{side}/embedding"
    if "layers" in words:
        kind = {"w": "input_weights", "b": "biases"}.get(words[-1], "recurrent_weights")
        return f"{side}/{kind}"
    if "attention" in words:
        return "attention"
    if words[0] == "head" and not {"bridges", "stack"} & {*words}:
        return "head"
    return f"{side}/other"


def example_norms(params: Any, batch: Batch, loss: Loss) -> Float[Array, " B"]:
    """Return the norm of the gradient of each example's part of the objective, times B."""
    size = len(batch.inputs)

    def of_example(index: Array) -> Array:
        gradient = jax.grad(lambda params: loss(params, None, Shard(index, size)))(params)
        return size * global_norm(gradient)

    return jax.lax.map(of_example, jnp.arange(size))
