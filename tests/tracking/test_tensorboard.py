"""Events are read back by TensorBoard's format, without TensorBoard."""

import math
import struct
from pathlib import Path
from typing import Any

from tensorboardX.proto import event_pb2

from research.tracking.charts import Profiles
from research.tracking.tensorboard import TensorBoardRun


def read(directory: Path) -> list[tuple[int, str, Any]]:
    """Return the step, the name and the number of each value; of images the number of bytes."""
    (file,) = (directory / "tensorboard").iterdir()
    data, values = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = event_pb2.Event.FromString(  # pyright: ignore[reportAttributeAccessIssue]
            data[12 : 12 + length]
        )
        values += [
            (event.step, x.tag, len(x.image.encoded_image_string) or x.simple_value) for x in event.summary.value
        ]
        data = data[16 + length :]
    return values


def test_a_resumed_run_has_each_record_once(tmp_path):
    records = [{"step": step, "train/loss": float(step), "gradient/half_life": math.nan} for step in (10, 20)]
    first = TensorBoardRun(tmp_path, records)
    first.log(30, {"train/loss": 99.0})
    first.close()
    again = TensorBoardRun(tmp_path, records)
    again.log(30, {"train/loss": 30.0, "gradient/half_life": math.inf})
    again.close()
    rows = [(step, "train/loss", step) for step in (10, 20, 30)]
    assert read(tmp_path) == [*rows, (30, "gradient/half_life", math.inf)]


def test_profiles_are_a_picture(tmp_path):
    run = TensorBoardRun(tmp_path)
    run.log(5, {}, Profiles([{"step": 0, "encoder/h": [1e-3, 1.0]}], "encoder/h"))
    run.close()
    ((step, name, size),) = read(tmp_path)
    assert (step, name) == (5, "gradient/heatmap/encoder/h") and size > 100
