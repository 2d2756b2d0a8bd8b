"""Registry of learning rate schedules. A module outside the project may add its own."""

from research.training.schedules.constant import Constant
from research.training.schedules.cosine import Cosine
from research.training.schedules.inverse_sqrt import InverseSqrt
from research.training.schedules.plateau import Plateau
from research.training.schedules.schedule import Schedule

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "cosine": Cosine,
    "inverse_sqrt": InverseSqrt,
    "plateau": Plateau,
}
