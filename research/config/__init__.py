"""The config of a trial: its options, their flat form, their flags, experiments and claims."""

from research.config.claim import Claim, Condition, Slope
from research.config.config import CHOICES, Config
from research.config.experiment import Column, Experiment, load
from research.config.flat import override, unflatten

__all__ = [
    "CHOICES",
    "Claim",
    "Column",
    "Condition",
    "Config",
    "Experiment",
    "Slope",
    "load",
    "override",
    "unflatten",
]
