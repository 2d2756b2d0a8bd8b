"""Options of the tasks of pictures: what they reject, and how."""

import pytest

from research.config import ImageDigitsConfig, ImageStampsConfig
from research.errors import UserError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": 0}, "^task.digits=0: must be between 1 and 20$"),
        ({"gap": -1}, "^task.gap=-1: must be between 0 and 100$"),
        ({"shift": 33.0}, "^task.shift=33.0: must be between 0 and 32$"),
        ({"scale": float("nan")}, "^task.scale=nan: must be between 0 and 0.5$"),
        ({"shear": -0.1}, "^task.shear=-0.1: must be between 0 and 1$"),
    ],
)
def test_wrong_options_of_strips_are_named_with_what_is_allowed(options, message):
    with pytest.raises(UserError, match=message):
        ImageDigitsConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 97}, "^task.size=97: must be between 8 and 96$"),
        ({"patch": 5}, "^task.patch=5: must be a divisor of task.size=32$"),
        ({"patch": 0}, "^task.patch=0: must be a divisor of task.size=32$"),
        ({"reading": "rows", "patch": 4}, "^task.patch=4: must be 8, as task.reading=rows does not read it$"),
        ({"units": "characters", "pieces": 9}, "^task.pieces=9: must be 400, as task.units=characters does not read"),
        ({"scale": 0.6}, "^task.scale=0.6: must be between 0 and 0.5$"),
    ],
)
def test_wrong_options_of_stamps_are_named_with_what_is_allowed(options, message):
    with pytest.raises(UserError, match=message):
        ImageStampsConfig(**options)


def test_rows_may_have_a_size_that_no_square_divides():
    assert ImageStampsConfig(reading="rows", size=30).size == 30
