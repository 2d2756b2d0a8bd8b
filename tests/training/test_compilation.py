"""What a second process takes from the first, and where it is kept."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from research.errors import UserError
from research.training import compilation
from tests.training.trials import assert_same_run

ROOT = Path(__file__).parents[2]
TRAIN = """
import json, sys, pathlib, jax
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
from research.training.trainer import train_trials
from tests.training.trials import TINY
train_trials([("trial", TINY)], pathlib.Path(sys.argv[1]))
print(json.dumps([events.count("cache_misses"), events.count("cache_hits")]))
"""


def train(directory: Path, cache: Path) -> list[int]:
    """In a process of its own: how many programs it has compiled and stored, and how many it has found stored."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}
    command = [sys.executable, "-c", TRAIN, str(directory)]
    env["XDG_CACHE_HOME"] = str(cache)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr and "error" not in done.stderr.lower()
    return json.loads(done.stdout)


def test_a_second_process_finds_what_the_first_has_stored_and_gets_the_same_bits(tmp_path):
    misses, hits = train(tmp_path / "first", tmp_path / "cache")
    assert misses >= 1 and hits == 0  # to train, at least
    assert train(tmp_path / "second", tmp_path / "cache")[1] == misses  # all that was worth a file
    assert_same_run(tmp_path / "first" / "trial", tmp_path / "second" / "trial")


@pytest.fixture
def no_cache() -> Iterator[None]:
    """As JAX is before anyone has set its cache."""
    keys = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {key: jax.config.values[key] for key in keys}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for key, value in before.items():
        jax.config.update(key, value)


def chosen() -> str | None:
    compilation.enable_cache()
    return jax.config.values["jax_compilation_cache_dir"]


@pytest.mark.usefixtures("no_cache")
def test_the_folder_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert chosen() == str(tmp_path / "recurrent-research" / "jax")


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("named", ["", "relative"])
def test_without_an_absolute_xdg_cache_home_it_is_in_the_home(named, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chosen() == str(tmp_path / ".cache" / "recurrent-research" / "jax")


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("set_by_caller", ["elsewhere", ""], ids=["a folder", "none"])
def test_what_the_caller_has_set_stands(set_by_caller, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", set_by_caller)
    assert chosen() == set_by_caller and not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_cache")
def test_where_no_folder_can_be_made_there_is_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert chosen() is None


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("open_to_all", ["programs/jax", "programs"])
@pytest.mark.parametrize("configured", [True, False])
def test_a_cache_that_all_users_can_write_to_is_refused(configured, open_to_all, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "programs" / "jax").mkdir(parents=True)
    (tmp_path / "recurrent-research").symlink_to(tmp_path / "programs")
    if configured:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "programs" / "jax"))
    (tmp_path / open_to_all).chmod(0o777)
    with pytest.raises(UserError, match="all users can write to this cache of compiled programs; run chmod o-w "):
        chosen()
    (tmp_path / open_to_all).chmod(0o1777)
    if open_to_all == "programs":  # where all may write, but not replace
        assert chosen()


@pytest.mark.usefixtures("no_cache")
def test_the_oldest_programs_make_room(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compilation, "MAX_BYTES", 250)
    folder = tmp_path / "recurrent-research" / "jax"
    folder.mkdir(parents=True)
    for age, name in enumerate(["newest", "older", "oldest"]):
        (folder / f"{name}-cache").write_bytes(bytes(100))
        os.utime(folder / f"{name}-cache", (1e9 - age, 1e9 - age))
    chosen()
    assert {path.name for path in folder.iterdir()} == {"newest-cache", "older-cache"}
