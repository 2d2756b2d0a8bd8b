"""Probes by name: measurements of a model while it trains.

The options of a probe are the section `probes.NAME`. A module of yours registers a probe by `PROBES["mine"] = Mine`.
"""

import functools
from dataclasses import field, fields, make_dataclass
from typing import Any

from research.options import find_class
from research.probes.attention import AttentionProbe
from research.probes.exposure import Exposure
from research.probes.gates import Gates
from research.probes.gradient_flow import GradientFlow
from research.probes.jacobian import Jacobian
from research.probes.probe import Observed, Probe, Probes, Snapshot
from research.probes.updates import Updates

__all__ = ["PROBES", "Observed", "Probe", "Probes", "Snapshot", "default_probes", "probes_of", "registered"]

PROBES: dict[str, type[Probe]] = {
    "gradient_flow": GradientFlow,
    "jacobian": Jacobian,
    "gates": Gates,
    "updates": Updates,
    "attention": AttentionProbe,
    "exposure": Exposure,
}


def default_probes() -> Probes:
    """Return the options of all registered probes, which are off by default."""
    return _probes_type(tuple(PROBES.items()))()


def probes_of(options: dict[str, Any]) -> Probes:
    """Return the options of all registered probes, with these instead of the defaults."""
    return _probes_type(tuple(PROBES.items()))(**options)


def registered(probes: Probes) -> Probes:
    """Return the options with those of all probes that are registered now: some may be newer than the options."""
    options = {item.name: getattr(probes, item.name) for item in fields(probes) if item.name in PROBES}
    current = probes_of(options)
    return probes if type(current) is type(probes) else current


@functools.cache
def _probes_type(entries: tuple[tuple[str, type[Probe]], ...]) -> type[Probes]:
    kinds = [find_class(dict(entries), name, "probes") for name, _ in entries]
    sections = [(kind.name, kind, field(default_factory=kind)) for kind in kinds]
    return make_dataclass("Probes", sections, bases=(Probes,), frozen=True, namespace={"__doc__": Probes.__doc__})
