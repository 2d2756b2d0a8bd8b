from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """So that equal means equal to 1e-12, and not merely close."""
    with jax.enable_x64(True):
        yield
