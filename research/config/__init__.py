"""The config of a trial: its options, their flat form, their flags, and experiments."""

from research.config.config import CHOICES, Config
from research.config.experiment import Column, Experiment
from research.config.flat import unflatten

__all__ = ["CHOICES", "Column", "Config", "Experiment", "unflatten"]
