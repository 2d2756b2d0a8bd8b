"""Tasks: what a model is trained for and scored on. A new task is one file and one line of `TASKS`."""

from research.tasks.adding import Adding
from research.tasks.copy import Copy
from research.tasks.copying_memory import CopyingMemory
from research.tasks.dataset import Dataset
from research.tasks.delayed_recall import DelayedRecall
from research.tasks.dyck import Dyck
from research.tasks.image_digits import ImageDigits
from research.tasks.memorization import Memorization
from research.tasks.multiplication import Multiplication
from research.tasks.pixels import Pixels
from research.tasks.repeat_copy import RepeatCopy
from research.tasks.reverse import Reverse
from research.tasks.selective_copying import SelectiveCopying
from research.tasks.speech_digits import SpeechDigits
from research.tasks.task import Task
from research.tasks.temporal_order import TemporalOrder

TASKS: dict[str, type[Task]] = {
    "pixels": Pixels,
    "dataset": Dataset,
    "speech_digits": SpeechDigits,
    "image_digits": ImageDigits,
    "copy": Copy,
    "repeat_copy": RepeatCopy,
    "reverse": Reverse,
    "copying_memory": CopyingMemory,
    "selective_copying": SelectiveCopying,
    "adding": Adding,
    "multiplication": Multiplication,
    "temporal_order": TemporalOrder,
    "delayed_recall": DelayedRecall,
    "dyck": Dyck,
    "memorization": Memorization,
}
