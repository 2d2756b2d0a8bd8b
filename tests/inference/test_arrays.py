"""A file of one array is an input; anything else is refused in one line."""

import json

import numpy as np
import pytest

from research.batch import TaskSpec
from research.errors import UserError
from research.inference.arrays import read_array

FEATURES = TaskSpec("features", 2, 6, "value", 1)
TOKENS = TaskSpec("tokens", 5, 6, "class", 3)


def test_numpy_and_json_files_hold_the_same_input(tmp_path):
    array = np.array([[1.5, 2], [3, 4]])
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", any_name=array)
    (tmp_path / "a.json").write_text(json.dumps(array.tolist()))
    for name in ("a.npy", "a.npz", "a.json"):
        read = read_array(str(tmp_path / name), FEATURES)
        assert read.dtype == np.float32 and read.tolist() == array.tolist()
    (tmp_path / "tokens.json").write_text("[4, 0, 3]")
    read = read_array(str(tmp_path / "tokens.json"), TOKENS)
    assert read.dtype == np.int32 and read.tolist() == [4, 0, 3]


@pytest.mark.parametrize(
    ("content", "spec", "message"),
    [
        (b"", FEATURES, "must hold one array, as .npy, .npz or JSON"),
        (b"\xff\xfe\x00", FEATURES, "must hold one array"),
        (b"PK\x03\x04 but no zip", FEATURES, "must hold one array"),
        (b"\x93NUMPY\x01", FEATURES, "must hold one array"),
        (b"[[1, 2], [3]]", FEATURES, "must hold one array"),
        (b'{"a": 1}', FEATURES, r"is an array of object \[\]; must be features \[steps, 2\]"),
        (b'[["a", "b"]]', FEATURES, "is an array of <U1"),
        (b"[1, 2]", FEATURES, r"is an array of int64 \[2\]; must be features \[steps, 2\]"),
        (b"[[1, NaN]]", FEATURES, "must be finite numbers"),
        (
            json.dumps([[1, 2]] * 61).encode(),
            FEATURES,
            "has 61 steps; must have 1 to 60, 10 times the longest in train",
        ),
        (b"[1.0]", TOKENS, r"is an array of float64 \[1\]; must be tokens \[steps\]"),
        (b"[5]", TOKENS, "must be tokens from 0 to 4"),
        (b"[-1]", TOKENS, "must be tokens from 0 to 4"),
    ],
)
def test_what_is_no_input_is_refused_in_one_line(content, spec, message, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_array(str(tmp_path / "file"), spec)
    assert str(raised.value).startswith(f"{tmp_path}/file: ") and "\n" not in str(raised.value)


def test_files_of_several_arrays_and_of_objects_are_refused(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(UserError, match="it holds 2 arrays"):
        read_array(str(tmp_path / "two.npz"), FEATURES)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="must hold one array"):
        read_array(str(tmp_path / "objects.npy"), FEATURES)
