"""The config of a trial: all rooms' options side by side, their flat form, the command line's text, and experiments."""

from research.config.config import CHOICES, Config
from research.config.experiment import Column, Experiment
from research.config.flat import unflatten

__all__ = ["CHOICES", "Column", "Config", "Experiment", "unflatten"]
