"""Registry of optimizers. A module outside the project may add its own."""

from research.training.optimizers.adam import Adam
from research.training.optimizers.adamw import AdamW
from research.training.optimizers.optimizer import Optimizer
from research.training.optimizers.rmsprop import RMSProp
from research.training.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": SGD,
    "rmsprop": RMSProp,
}
