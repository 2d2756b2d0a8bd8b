"""Gates of encoder and decoder: how far they are open over time and in each unit, and how long a unit remembers.

A gate is a factor between 0 and 1 that the equations of the cell name (`Tape.gate`). Over validation examples:

    mean            open on average: 0 is closed, 1 is open
    closed, open    fraction of the values below 0.1, above 0.9: saturated gates (Karpathy, Johnson, Li 2015)
    horizon         -1 / ln f of the gate that keeps the state: after so many steps a unit has kept 1/e of its state

The horizon of a unit takes the mean of ln f over steps and examples, so that exp(-t / horizon) is what a unit keeps on
average (in the geometric mean) over t steps. Profiles over time are means over units and examples; t counts from the
step that is read first. `dead_units` are closed and `saturated_units` are closed or open at all steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.errors import UserError
from research.probes.probe import Snapshot, ValidationProbe
from research.recurrence.trajectory import Trajectory, gate_names
from research.recurrence.unroll import LayerInputs

CLOSED, OPEN = 0.1, 0.9
"""A gate below is closed, above is open; both are saturated."""


@dataclass(frozen=True)
class Gates(ValidationProbe):
    """Mean and saturation of each gate over time and units, and the memory horizon."""

    name: ClassVar[str] = "gates"
    section: ClassVar[str] = "gates"

    def check(self, options: Any) -> None:
        if not gate_names(options.cell):
            raise UserError(f"probes.gates.every={self.every}: must be 0 as cell.name={options.cell.name} has no gates")

    def inspect(self, snapshot: Snapshot) -> dict[str, Array]:
        measured: dict[str, Array] = {}
        for layer in snapshot.layers(self.examples):
            for gate, profiles in gate_profiles(layer).items():
                measured |= {f"{layer.name}/{gate}/{name}": profile for name, profile in profiles.items()}
        return measured

    def summarize(self, record: Mapping[str, Any], state_profile: str) -> dict[str, float]:
        summary: dict[str, float] = {}
        for name, profile in record.items():
            gate, _, kind = name.rpartition("/")
            values = np.asarray(profile, np.float64)
            if kind == "unit_mean":
                summary[f"{gate}/mean"] = float(np.mean(values))
            elif kind in ("unit_closed", "unit_open"):
                summary[f"{gate}/{kind.removeprefix('unit_')}_fraction"] = float(np.mean(values))
            elif kind == "unit_horizon":
                summary[f"{gate}/horizon"] = float(np.median(values))
        for gate in sorted(name.rpartition("/")[0] for name in record if name.endswith("/unit_mean")):
            closed, opened = (np.asarray(record[f"{gate}/unit_{kind}"], np.float64) for kind in ("closed", "open"))
            summary[f"{gate}/dead_units"] = float(np.mean(closed == 1))
            summary[f"{gate}/saturated_units"] = float(np.mean(closed + opened > 1 - 1e-6))
        return summary

    def axis(self, profile: str) -> str:
        return "unit" if profile.rpartition("/")[2].startswith("unit_") else "t"


def gate_profiles(layer: LayerInputs) -> dict[str, dict[str, Float[Array, " N"]]]:
    """Return the profiles of each gate of a layer.

    `mean`, `closed` and `open` are over the steps t in the order of reading, NaN where no example has the step;
    `unit_mean`, `unit_closed`, `unit_open` and, of the gate that keeps the state, `unit_horizon` are over units.
    """
    weight = layer.valid[:, :, None].astype(layer.xs.dtype)
    profiles: dict[str, dict[str, Array]] = {}
    for gate, values in Trajectory(layer).gates().items():
        size = values.shape[2]
        kinds = {"mean": values, "closed": values < CLOSED, "open": values > OPEN}
        sums = {kind: weight * value for kind, value in kinds.items()}
        over_time = {kind: jnp.sum(x, axis=(1, 2)) / (size * jnp.sum(weight, axis=(1, 2))) for kind, x in sums.items()}
        over_units = {f"unit_{kind}": jnp.sum(x, axis=(0, 1)) / jnp.sum(weight) for kind, x in sums.items()}
        profiles[gate] = over_time | over_units
        if gate == layer.cell.keep_gate:
            tiny = jnp.finfo(values.dtype).tiny
            logarithm = jnp.sum(weight * jnp.log(jnp.maximum(values, tiny)), axis=(0, 1)) / jnp.sum(weight)
            profiles[gate]["unit_horizon"] = 1 / jnp.abs(logarithm)
    return profiles
