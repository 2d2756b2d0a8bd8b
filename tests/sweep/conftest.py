"""Sweep files of the tests."""

from typing import Any

import pytest
import yaml

from research.sweep import spec
from research.sweep.spec import Sweep

COMMAND = ["${env}", "${interpreter}", "-m", "research", "train", "gradient_norms", "${args}"]


def content(parameters: Any = None, **changes: Any) -> dict[str, Any]:
    keys = {"command": COMMAND, "method": "grid", "parameters": parameters or {"seed": {"values": [0, 1]}}}
    return {key: value for key, value in (keys | changes).items() if value is not ...}


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str | dict[str, Any]) -> Sweep:
        path = tmp_path / "some.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
        return spec.read(path)

    return write_and_read
