"""Programs are compiled without most optimisations: the tests are of what surrounds them."""

import io
from types import SimpleNamespace

import pytest

from tests.training.conftest import quick_compilation as quick_compilation


@pytest.fixture(autouse=True)
def _quick(quick_compilation):
    """For all tests of this folder."""


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on the standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return put
