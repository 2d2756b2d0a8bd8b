"""What every probe has: options, what it reads of an update, and how its records are summarized.

A new probe is a subclass in a file of its own and a line in `PROBES`:

    @dataclass(frozen=True)
    class WeightNorms(Probe):
        '''Norm of every weight array.'''

        name: ClassVar[str] = "weight_norms"
        section: ClassVar[str] = "weights"

        def measure(self, observed):
            return {"norm": jnp.stack([jnp.linalg.norm(leaf) for leaf in jax.tree.leaves(observed.params)])}

        def summarize(self, record, state_profile):
            return {"largest_norm": max(record["norm"])}

It is on with `--probes.weight_norms.every=100`. What it measures is written to `weight_norms.jsonl`; its summaries are
metrics `weights/largest_norm`, and `weights/initial/…` and `weights/final/…` in the result.
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
    """What one update offers to probes."""

    loss: Float[Array, ""]
    """What is minimized."""
    params: Any
    """Weights before the update."""
    grads: Any
    """Gradient of the loss, before it is clipped."""
    updates: Any
    """What the update adds to the weights."""
    profiles: dict[str, Float[Array, " T"]]
    """Norm of dL/d(state) after every step of the encoder's top layer, by the names of its parts, such as
    "encoder/layer_1/forward/h"; {} unless a probe `reads_profiles`."""


@dataclass(frozen=True)
class Probe:
    """The base of all probes."""

    name: ClassVar[str]
    """Name in the registry, of its section of options, and of its file of records."""
    section: ClassVar[str]
    """First part of the names of its metrics."""
    reads_profiles: ClassVar[bool] = False
    """Whether it needs `Observed.profiles`, which make the backward pass a little slower."""

    every: int = 0
    """Updates between two records, the first before the first update; 0: none."""

    def __post_init__(self) -> None:
        require_between(self, f"probes.{self.name}", every=(0, 2**31 - 1))

    def check(self, options: Any) -> None:
        """Reject options under which the records would not mean what they say.

        Args:
            options: of the trial (`research.training.options.TrialOptions`).

        Raises:
            UserError: naming the option.
        """

    def measure(self, observed: Observed) -> dict[str, Array]:
        """Return vectors of fixed length by name; runs in the compiled program."""
        raise NotImplementedError

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        """Return numbers that sum up a record, by the last part of their names.

        Args:
            record: what `measure` gave, with `step`, the updates before it.
            state_profile: name of the profile of the cell's own state.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Probes:
    """The options of all probes: a subclass has a field for each entry of the registry."""

    def enabled(self) -> dict[str, Probe]:
        """Return the probes that are on, by name."""
        return {item.name: probe for item in fields(self) if (probe := getattr(self, item.name)).every}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the options be copied and sent to other processes: the subclass has no module that pickle could name."""
        from research import probes

        return probes.probes_of, ({item.name: getattr(self, item.name) for item in fields(self)},)
