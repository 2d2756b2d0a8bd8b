"""The devices that are taken, and the facts that are recorded about them."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import pytest

from research.cells import GRU
from research.training import devices
from tests.training.trials import of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, devices.cores()), ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, 3)],
    ids=["by default a device a core", "XLA's own setting"],
)
def test_the_number_of_devices(environment, expected):
    program = "import jax; from research.training import devices; devices.use_all_cores(); print(jax.device_count())"
    env = {key: value for key, value in os.environ.items() if key not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**env, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == expected


def test_the_environment_is_recorded_in_plain_values():
    found = devices.environment(of())
    assert json.loads(json.dumps(found)) == found
    assert (found["platform"], found["devices"]) == ("cpu", 2)  # as tests/conftest.py sets it
    assert found["cores"] == devices.cores() >= 1
    assert set(found) >= {"machine", "instructions", "python", "jax"}
    assert len(found["source"]) == 64


def test_the_source_fingerprint_changes_with_a_name_and_with_a_content(tmp_path):
    def fingerprint(name: str, content: str) -> str:
        folder = tmp_path / f"{name}{len(content)}"
        (folder / "cells").mkdir(parents=True)
        (folder / "cells" / f"{name}.py").write_text(content)
        (folder / "cells" / "notes.txt").write_text(name)
        (folder / "main.py").write_text(name)
        return devices._sha256(frozenset(), folder)

    assert len({fingerprint("a", ""), fingerprint("b", ""), fingerprint("a", "x = 1")}) == 3


def test_the_source_fingerprint_covers_a_cell_of_the_users_own():
    @dataclass(frozen=True)
    class Own(GRU):
        """A cell that is defined here."""

    assert devices.source_fingerprint(of()) == devices.source_fingerprint(of(seed=1))
    assert devices.source_fingerprint(of()) != devices.source_fingerprint(replace(of(), cell=Own()))


@pytest.mark.parametrize("changed", ["base.py", "helper.py", "package/inner.py"])
def test_the_source_fingerprint_covers_what_a_cell_of_the_users_own_imports(changed, tmp_path, monkeypatch):
    found = []
    for number, value in enumerate(("0.9", "0.1", "0.9")):
        folder = tmp_path / str(number)
        (folder / "package").mkdir(parents=True)
        for name, text in {
            "mine.py": "from base import Base\nclass Mine(Base): pass\n",
            "base.py": "import helper\nfrom research.cells import GRU\nclass Base(GRU): pass\n",
            "helper.py": "from package import inner\n",
            "package/__init__.py": "from . import inner\n",
            "package/inner.py": "import numpy\n",
            "other.py": f"X = {number}\n",
        }.items():
            (folder / name).write_text(text + f"X = {value}\n" * (name == changed))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            for name in ("mine", "base", "helper", "package", "package.inner", "other"):
                patch.delitem(sys.modules, name, raising=False)
            for name in ("other", "mine"):
                module = importlib.import_module(name)
            devices._own_sources.cache_clear()
            devices._sha256.cache_clear()
            found.append(devices.source_fingerprint(replace(of(), cell=module.Mine())))
            for name in ("mine", "base", "helper", "package", "package.inner", "other"):
                sys.modules.pop(name, None)
    assert found[0] == found[2] != found[1]


def test_the_commit_is_that_of_the_sources_and_says_whether_they_differ(tmp_path):
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=name", "-c", "user.email=name@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    commit = devices.git_commit.__wrapped__
    file = tmp_path / "__init__.py"
    file.touch()
    assert commit(tmp_path) == "unknown"
    git("init", "--quiet")
    assert commit(tmp_path) == "unknown"  # a repository of something else
    git("add", "__init__.py")
    git("commit", "--quiet", "--message=first")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    file.write_text("x = 1")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"


def test_jaxs_own_setting_of_the_number_of_devices_stands(monkeypatch):
    monkeypatch.setattr(jax.config, "update", lambda *_: pytest.fail("updated"))
    devices.use_all_cores()  # 2, as tests/conftest.py sets it


@pytest.mark.parametrize("named", ["cuda", pytest.param("nonsense", marks=pytest.mark.slow)])
def test_a_platform_that_is_not_there_is_one_line(named):
    code = (
        "from research.training import devices\ntry: devices.require()\nexcept devices.UserError as error: print(error)"
    )
    env = {**os.environ, "JAX_PLATFORMS": named}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"JAX_PLATFORMS={named}: ") and done.stdout.count("\n") == 1
