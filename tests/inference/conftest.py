import io
from types import SimpleNamespace

import pytest


@pytest.fixture
def stdin(monkeypatch):
    """Return a function that puts bytes on the standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return put
