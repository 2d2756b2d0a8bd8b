"""The config of a trial: options of all packages, their flat form, the text of the command line, and experiments."""

from research.config.config import CHOICES, Config
from research.config.experiment import Column, Experiment
from research.config.flat import unflatten

__all__ = ["CHOICES", "Column", "Config", "Experiment", "unflatten"]
