from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Use float64, so that tests compare to 1e-12."""
    with jax.enable_x64(True):
        yield
