"""The contract of a probe: its options, its measurements, and the summary of its records.

A probe reads an update (`measure`: gradients, weights, changes), or it runs the model before an update (`inspect`:
states, gates, outputs of validation examples, other losses), or both. Both run inside the compiled program. `inspect`
takes time only where a record is due.

docs/extending.md has the recipe of a new probe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.batch import WHOLE, Batch, Shard, TaskSpec
from research.errors import UserError, require_returned
from research.options import require_between
from research.recurrence.dropout import Rates
from research.recurrence.unroll import LayerInputs
from research.seq2seq.model import Seq2seq, Way


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


class Loss(Protocol):
    """The training loss of an update, with its noise, its teacher forcing and its label smoothing."""

    def __call__(
        self, params: Any, perturbation: Any = None, shard: Shard = WHOLE, *, loss_step: int = 0, way: Way = "all"
    ) -> Float[Array, ""]:
        """Return the objective with these weights; the other arguments are those of `Seq2seq.loss`."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """The model before an update, and what it may be run on."""

    model: Seq2seq
    """As in evaluation: with the averaged weights, if there are any."""
    params: Any
    """Its weights, for `Loss`."""
    spec: TaskSpec
    """Kinds and greatest lengths of inputs and targets."""
    rates: Rates
    """Rates of dropout and zoneout."""
    examples: Batch
    """Validation examples: the first of `Probe.examples` and those of other probes."""
    on_batch: Callable[[Callable[[Batch, Loss], Any]], Any]
    """`on_batch(f)` is f(batch, loss) of the update. The lengths of batches may differ, the shapes of results not."""

    def first(self, count: int) -> Batch:
        """Return the first validation examples, cut to the longest of them."""
        batch: Any = jax.tree.map(lambda x: x[:count], self.examples)
        if batch.input_lengths is not None:
            batch = replace(batch, inputs=batch.inputs[:, : max(1, int(batch.input_lengths.max()))])
        return jax.tree.map(jnp.asarray, batch)

    def layers(self, count: int) -> list[LayerInputs]:
        """Return what each layer and direction of encoder and decoder reads of the first validation examples.

        The names are such as "encoder/layer_1/forward". The decoder reads the targets, and what its attention makes of
        them.
        """
        sides = self.model.layer_inputs(self.first(count), self.rates)
        return [replace(layer, name=f"{side}/{layer.name}") for side, layers in sides.items() for layer in layers]


@dataclass(frozen=True)
class Probe:
    """Base class of all probes."""

    name: ClassVar[str]
    """Name in `PROBES`, of the section of options, and of the file of records."""
    section: ClassVar[str]
    """First part of the names of the metrics."""
    reads_profiles: ClassVar[bool] = False
    """Whether the probe reads `Observed.profiles`, which make the backward pass a little slower."""

    has_state_profile: ClassVar[bool] = False
    """Whether records have a profile of the name `state_profile` (see `summarize`)."""
    inspects: ClassVar[bool] = False
    """Whether the probe runs the model: it then defines `inspect`. An attribute or option `examples` is the number of
    validation examples that it reads; 1 by default."""

    every: int = 0
    """Record every n updates, starting before the first update; 0: never."""

    def __post_init__(self) -> None:
        require_between(self, f"probes.{self.name}", every=(0, 2**31 - 1))

    def check(self, options: Any) -> None:
        """Raise a UserError if the records would be misleading with these options of a trial (`TrialOptions`)."""

    def measure(self, observed: Observed) -> dict[str, Array]:
        """Return numbers and vectors of fixed length by name; this runs inside the compiled program."""
        return {}

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        """Return numbers and vectors of fixed length by name, of the model before the update, if it `inspects`."""
        return {}

    def axis(self, profile: str) -> str:
        """Return what the entries of a vector of `measure` or `inspect` are: "t", "unit", ..."""
        return "index"

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        """Return metrics that summarize a record; their full names start with `section`.

        Args:
            record: results of `measure` and `inspect`, and `step`, the number of updates before them.
            state_profile: name of the profile of the part that carries the gradient through time.
        """
        raise NotImplementedError

    def summary_of(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        """Return `summarize` of a record, with a check of what both hold.

        Raises:
            UserError: if the record has a matrix, or the summary anything but numbers.
        """
        for key, value in record.items():
            self._require_dims(f"{key} of a record", value, 1, "a number or a vector")
        numbers = self.summarize(record, state_profile)
        require_returned(
            isinstance(numbers, Mapping), f"probe {self.name}: summarize returns", numbers, "a dict of numbers"
        )
        for key, value in numbers.items():
            self._require_dims(f"{key} of summarize", value, 0, "a number")
        return numbers

    def require_arrays(self, method: str, found: Any) -> dict[str, Array]:
        """Return what `measure` or `inspect` has returned; raise a UserError if it is no dict of arrays."""
        arrays = found.values() if isinstance(found, dict) else [None]
        fits = all(isinstance(x, int | float) or hasattr(x, "shape") for x in arrays)
        require_returned(fits, f"probe {self.name}: {method} returns", found, "a dict of arrays by name")
        return found

    def _require_dims(self, what: str, value: Any, most: int, allowed: str) -> None:
        if np.ndim(value) > most:
            raise UserError(f"probe {self.name}: {what} has the shape {np.shape(value)}; must be {allowed}")


@dataclass(frozen=True)
class ValidationProbe(Probe):
    """Base class of probes that run the model on validation examples."""

    inspects: ClassVar[bool] = True

    examples: int = 8
    """Validation examples to average over."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, f"probes.{self.name}", examples=(1, 10_000))


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
