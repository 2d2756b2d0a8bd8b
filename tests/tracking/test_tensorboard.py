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
    assert read(tmp_path) == rows  # what is not finite is left out


def test_profiles_are_a_picture(tmp_path):
    run = TensorBoardRun(tmp_path)
    record = {"step": 0, "encoder/h": [1e-3, 1.0], "encoder/c": [1.0, 1.0], "encoder/c/from_start": [1.0, 1.0]}
    run.log(5, {}, Profiles([record], "encoder/h"))
    run.close()
    images = [found for found in read(tmp_path) if not found[1].endswith("/text_summary")]
    assert [found[:2] for found in images] == [(0, f"gradient/heatmap/encoder/{part}") for part in "hc"]
    assert all(size > 100 for _, _, size in images)


def test_a_resumed_run_has_the_pictures_of_one_that_was_not_stopped(tmp_path):
    records = [{"step": step, "h": [1e-3, 1.0]} for step in range(0, 70, 10)]
    whole, resumed = (TensorBoardRun(tmp_path / name) for name in ("whole", "resumed"))
    for count in range(1, 8):
        if count == 5:  # stopped here
            resumed.close()
            resumed = TensorBoardRun(tmp_path / "resumed", (), Profiles(records[:4], "h"))
        for run in (whole, resumed):
            profiles = Profiles(records[:count], "h")
            run.log(10 * count, {"train/seconds": 1.0 * count}, profiles if profiles.drawn else None)
            run.log(10 * count, {"train/seconds": 2.0 * count})
    for run in (whole, resumed):
        run.close(Profiles(records, "h"))
    images = [
        [step for step, name, _ in read(tmp_path / each) if name == "gradient/heatmap/h"]
        for each in ("whole", "resumed")
    ]
    assert images == [[0, 10, 30, 60]] * 2
    assert [found for found in read(tmp_path / "whole") if found[1] == "train/seconds"][:2] == [
        *((10, "train/seconds", 1.0), (20, "train/seconds", 2.0)),
    ]
