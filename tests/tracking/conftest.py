"""A place of its own for tests that use W&B: nobody is logged in, or only at a server of the test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from wandb.sdk.lib import wbauth

from drills.wandb_server import Server
from research.tracking import wandb_session as session

FAKE_KEY = "0" * 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide an empty home folder, nobody logged in, no failure remembered."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for cached in (session.warn, session.logged_in, session._ask, session.saves_code):
        cached.cache_clear()
    wbauth.unauthenticate_session(update_settings=False)  # a test before, perhaps of another file, has left it
    return folder


@pytest.fixture(scope="module")
def teardown() -> Iterator[None]:
    yield
    wandb.teardown()
    os.environ.pop("WANDB_SERVICE", None)  # that of a service that has ended, which `home` has put back


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Provide a server that the user is logged in at."""
    wandb.teardown()
    monkeypatch.setenv("WANDB_API_KEY", FAKE_KEY)
    monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")
    monkeypatch.setattr(session, "ANSWER_SECONDS", 2.0)
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server
        wandb.teardown()
