"""Programs are compiled without most optimizations: the tests are of what surrounds them."""

import io
from types import SimpleNamespace

import pytest

from tests.training.conftest import quick_compilation as quick_compilation


@pytest.fixture(autouse=True)
def _quick(quick_compilation):
    """Apply to all tests of this folder."""


@pytest.fixture
def stdin(monkeypatch):
    """Return a function that puts bytes on the standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return put
