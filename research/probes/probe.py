"""The contract of a probe: its options, its measurements of an update, and the summary of its records.

To add a probe, write a subclass in a file of its own and enter it in `PROBES`:

    @dataclass(frozen=True)
    class WeightNorms(Probe):
        '''Norm of every weight array.'''

        name: ClassVar[str] = "weight_norms"
        section: ClassVar[str] = "weights"

        def measure(self, observed):
            return {"norm": jnp.stack([jnp.linalg.norm(leaf) for leaf in jax.tree.leaves(observed.params)])}

        def summarize(self, record, state_profile):
            return {"largest_norm": max(record["norm"])}

`--probes.weight_norms.every=100` switches it on. Its measurements are written to `weight_norms.jsonl`. Its summaries
are the metric `weights/largest_norm`, and `weights/initial/largest_norm` and `weights/final/largest_norm` in the
result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from research.options import require_between


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Observed:
    """Arrays of one update that probes may read."""

    loss: Float[Array, ""]
    """The objective."""
    params: Any
    """Weights before the update."""
    grads: Any
    """Gradient of the objective, before clipping."""
    updates: Any
    """Change of the weights."""
    profiles: dict[str, Float[Array, " T"]]
    """Norm of dL/d(state) after every step of the encoder's top layer, by names such as "encoder/layer_1/forward/h"; {}
    unless a probe `reads_profiles`."""


@dataclass(frozen=True)
class Probe:
    """Base class of all probes."""

    name: ClassVar[str]
    """Name in `PROBES`, of the section of options, and of the file of records."""
    section: ClassVar[str]
    """First part of the names of the metrics."""
    reads_profiles: ClassVar[bool] = False
    """Whether the probe reads `Observed.profiles`, which make the backward pass a little slower."""

    every: int = 0
    """Record every n updates, starting before the first update; 0: never."""

    def __post_init__(self) -> None:
        require_between(self, f"probes.{self.name}", every=(0, 2**31 - 1))

    def check(self, options: Any) -> None:
        """Raise a UserError if the records would be misleading with these options of a trial (`TrialOptions`)."""

    def measure(self, observed: Observed) -> dict[str, Array]:
        """Return vectors of fixed length by name; this runs inside the compiled program."""
        raise NotImplementedError

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        """Return metrics that summarize a record; their full names start with `section`.

        Args:
            record: results of `measure`, and `step`, the number of updates before them.
            state_profile: name of the profile of the part that carries the gradient through time.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Probes:
    """What is measured inside the model while it trains.

    A subclass has a field for each entry of `PROBES`.
    """

    def enabled(self) -> dict[str, Probe]:
        """Return the probes that are on, by name."""
        return {item.name: probe for item in fields(self) if (probe := getattr(self, item.name)).every}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle copy the options, although their class is in no module."""
        from research import probes

        return probes.probes_of, ({item.name: getattr(self, item.name) for item in fields(self)},)
