"""The two fields of a data set, by name. A new one is one file and one line here."""

from research.data.fields.audio import AudioInput
from research.data.fields.field_options import FieldOptions, InputOptions, TargetOptions
from research.data.fields.image import ImageInput
from research.data.fields.label import LabelsTarget, LabelTarget
from research.data.fields.number import NumberTarget
from research.data.fields.series import SeriesInput
from research.data.fields.text import TextInput, TextTarget

INPUTS: dict[str, type[InputOptions]] = {
    "text": TextInput,
    "audio": AudioInput,
    "image": ImageInput,
    "series": SeriesInput,
}
TARGETS: dict[str, type[TargetOptions]] = {
    "text": TextTarget,
    "label": LabelTarget,
    "labels": LabelsTarget,
    "number": NumberTarget,
}

__all__ = ["INPUTS", "TARGETS", "FieldOptions", "InputOptions", "TargetOptions"]
