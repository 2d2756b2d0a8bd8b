from typing import get_args

import pytest

from research.config import Config
from research.config.synthetic import SyntheticConfig
from research.dotted import flatten, override
from research.reporting import drawn


def test_every_drawn_task_has_words_and_no_other():
    assert set(drawn.WORDS) == {options().name for options in get_args(SyntheticConfig)}
    assert drawn.words(flatten(Config())) is None


@pytest.mark.parametrize("task", drawn.WORDS)
def test_all_that_the_words_tell_are_options(task):
    found = drawn.words(flatten(override(Config(), {"task.name": task})))
    assert found and "None" not in found


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"task.name": "adding", "task.length": 50}, "adding problem, 50 steps"),
        (
            {"task.name": "adding", "task.definition": "hochreiter_1997"},
            "adding problem, 100 steps, as hochreiter 1997",
        ),
        (
            {"task.name": "temporal_order", "task.definition": "pascanu_2013_code"},
            "temporal order of 2 symbols, 100 steps, as pascanu 2013 code",
        ),
        ({"task.name": "copying_memory"}, "copying memory, 10 of 8 symbols over 100 steps"),
    ],
)
def test_the_words_are_of_the_options(options, shown):
    assert drawn.words(flatten(override(Config(), options))) == shown


def test_an_option_that_a_config_does_not_have_is_none():
    assert drawn.words({"task.name": "adding"}) == "adding problem, None steps"
