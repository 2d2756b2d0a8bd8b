"""Compare recurrent networks: the Python API, as `docs/api.md` shows it.

    layer = research.Layer("lstm", weights)                     a layer with given weights
    research.hidden_gradients(loss, layer, xs)                  dL/dh_t
    result = research.train("attention", {"training.steps": 100})
    model = research.load(result.path)                          predictions, alignments, parameters
    runs = research.load_runs("runs/attention")                 results as a pandas DataFrame
    profiles = research.load_profiles("runs/attention")         what probes recorded, as a pandas DataFrame

Each is imported when it is first used, so `import research` takes no time.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from research.api import train
    from research.inference.model import load
    from research.recurrence.layer import Layer, hidden_gradients
    from research.reporting import load as load_runs
    from research.reporting import load_profiles

__all__ = ["Layer", "hidden_gradients", "load", "load_profiles", "load_runs", "train"]

PLACES = {
    "Layer": ("research.recurrence.layer", "Layer"),
    "hidden_gradients": ("research.recurrence.layer", "hidden_gradients"),
    "load": ("research.inference.model", "load"),
    "load_runs": ("research.reporting", "load"),
    "load_profiles": ("research.reporting", "load_profiles"),
    "train": ("research.api", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'research' has no attribute {name!r}")
    module, attribute = PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
