"""Options of the tasks: what they reject, and how; what follows from them."""

import math
import re

import pytest

from research.data.fields import INPUTS, TARGETS
from research.errors import UserError
from research.tasks import TASKS


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pixels", {"pixels_per_step": 5}, "task.pixels_per_step=5: must be a divisor of 784"),
        ("pixels", {"pixels_per_step": 0}, "task.pixels_per_step=0: must be a divisor of 784"),
        ("copy", {"min_length": 9, "max_length": 8}, "task.max_length=8: must be between 9 and "),
        ("copy", {"bits": 17}, "task.bits=17: must be between 1 and 16"),
        ("repeat_copy", {"max_repeats": 1}, "task.max_repeats=1: must be between 2 and "),
        ("reverse", {"symbols": 1}, "task.symbols=1: must be between 2 and "),
        ("copying_memory", {"delay": 0}, "task.delay=0: must be between 1 and "),
        ("selective_copying", {"num_memorized": 0}, "task.num_memorized=0: must be between 1 and "),
        ("multiplication", {"length": 19}, "task.length=19: must be between 20 and "),
        ("temporal_order", {"symbols": 4}, "task.symbols=4: must be between 2 and 3"),
        (
            "temporal_order",
            {"symbols": 3, "definition": "pascanu_2013"},
            "task.definition=pascanu_2013: must be hochreiter_1997 or pascanu_2013_code with task.symbols=3",
        ),
        ("delayed_recall", {"classes": 1}, "task.classes=1: must be between 2 and "),
        ("dyck", {"depth": 65}, "task.depth=65: must be between 1 and 64"),
        ("image_digits", {"digits": 0}, "task.digits=0: must be between 1 and 20"),
        ("image_digits", {"gap": -1}, "task.gap=-1: must be between 0 and 100"),
        ("image_digits", {"scale": math.nan}, "task.scale=nan: must be between 0 and 0.5"),
        ("dataset", {"joined": -1}, "task.joined=-1: must be between 0 and 1000000"),
        ("dataset", {"joined": 1}, "task.joined=1: must be 0 unless audio is the input and text the target"),
        ("speech_digits", {"flite_strings": 501}, "task.flite_strings=501: must be between 0 and 500"),
        ("speech_digits", {"hop_ms": 30.0}, "task.hop_ms=30.0: must be at most task.frame_ms=25"),
        ("speech_digits", {"num_mels": 3}, "task.num_mels=3: must be between 4 and 256"),
        ("speech_digits", {"normalize": "speaker"}, "task.normalize=speaker: must be none, corpus or utterance"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, options, message):
    with pytest.raises(UserError) as raised:
        TASKS[name](**options)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (INPUTS["image"], {"size": 513}, "task.input.size=513: must be between 4 and 512"),
        (INPUTS["image"], {"patch": 5}, "task.input.patch=5: must be a divisor of task.input.size=32"),
        (INPUTS["image"], {"patch": 0}, "task.input.patch=0: must be a divisor of task.input.size=32"),
        (
            INPUTS["image"],
            {"scan_order": "rows", "patch": 4},
            "task.input.patch=4: must be 8, as task.input.scan_order=rows does not use it",
        ),
        (INPUTS["image"], {"channels": 2}, "task.input.channels=2: must be 3 or 1"),
        (INPUTS["image"], {"shear": -0.1}, "task.input.shear=-0.1: must be between 0 and 1"),
        (
            TARGETS["text"],
            {"vocab_size": 9},
            "task.target.vocab_size=9: must be 2000, as task.target.tokenizer=characters does not use it",
        ),
    ],
)
def test_a_wrong_value_of_a_field_is_named_with_what_is_allowed(kind, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        kind(**options)


def test_rows_may_have_a_size_that_no_patch_divides():
    assert INPUTS["image"](scan_order="rows", size=30).steps(None) == 30  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("name", "options", "same"),
    [
        ("adding", {}, True),
        ("adding", {"definition": "hochreiter_1997"}, False),
        ("adding", {"definition": "pascanu_2013"}, False),
        ("temporal_order", {}, False),
        ("temporal_order", {"definition": "pascanu_2013"}, True),
        ("dataset", {"input": INPUTS["image"]()}, True),
        ("dataset", {"input": INPUTS["text"]()}, False),
        ("image_digits", {}, False),
        ("pixels", {}, True),
    ],
)
def test_the_definition_decides_whether_all_inputs_are_equally_long(name, options, same):
    assert TASKS[name](**options).same_length == same


def test_a_caption_of_a_table_tells_the_task_and_its_size():
    assert TASKS["pixels"](pixels_per_step=4).describe() == "MNIST, 196 steps of 4 pixels"  # pyright: ignore
    adding = TASKS["adding"](definition="pascanu_2013")  # pyright: ignore
    assert adding.describe() == "adding problem, 100 steps, as pascanu 2013"
    assert TASKS["adding"]().describe() == "adding problem, 100 steps"
