"""What is better of a metric, by its name: less or more."""

from typing import Literal

HIGHER = {"accuracy", "bleu", "chrf", "f1", "match"}
"""Words in the names of metrics of which more is better."""
LOWER = {"cer", "error", "gap", "loss", "mae", "mse", "wer"}
"""Words in the names of metrics of which less is better."""


def direction(name: str) -> Literal["min", "max", ""]:
    """Return whether less or more of a metric is better; "" if its name does not say it."""
    words = {*name.rpartition("/")[2].split("_")}
    return "min" if words & LOWER else "max" if words & HIGHER else ""
