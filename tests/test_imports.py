"""The import direction of the design: who may import whom, and one home for each outside system."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = {"config", "dotted", "catalogue", "errors", "terminal"}
ALLOWED = {  # what the modules of a folder (or one module) may import of `research`, beside their own folder
    "errors": set(),
    "terminal": set(),
    "catalogue": set(),
    "config": {"catalogue", "errors"},
    "dotted": {"config", "errors"},
    "experiment": BASE,
    "command_line": BASE | {"experiment"},
    "batch": set(),
    "recurrent": BASE,
    "tasks": BASE | {"batch"},
    "seq2seq": BASE | {"batch", "recurrent"},
    "probes": BASE | {"batch", "recurrent"},
    "tracking": BASE | {"probes"},
    "training": BASE | {"batch", "recurrent", "tasks", "seq2seq", "probes", "tracking"},
    "sweeping": BASE | {"experiment", "command_line", "tracking", "training"},
    "reporting": BASE | {"experiment", "tracking", "probes"},
    "data": BASE | {"tasks"},
    "predicting": BASE | {"batch", "recurrent", "tasks", "seq2seq", "training", "tracking", "reporting"},
    "cli": BASE | {"data", "experiment", "command_line", "training", "sweeping", "reporting", "predicting"},
    "__main__": {"cli"},
}
HOMES = {
    "tyro": "research/command_line.py",
    "wandb": "research/tracking/wandb.py",
    "plotly": "research/tracking/wandb.py",
    "orbax": "research/training/checkpoint.py",
    "matplotlib": "research/reporting/figures/",
    "yaml": "research/sweeping/spec.py",
    "tensorflow_datasets": "research/tasks/corpora/",
    "sentencepiece": "research/tasks/units.py",
    "sacrebleu": "research/tasks/translations.py",
    "PIL": "research/tasks/",
    "resvg_py": "research/tasks/corpora/tuxpaint.py",
    "soundfile": "research/tasks/",
    "soxr": "research/tasks/audio/sound.py",
    "kaldi_native_fbank": "research/tasks/audio/fbank.py",
    "jiwer": "research/tasks/transcripts.py",
}
LIGHT = (
    "config", "dotted", "catalogue", "experiment", "errors", "command_line", "cli", "sweeping.spec",
    "sweeping.parameters", "sweeping.local", "tracking.runs", "data", "predicting.options",
)  # fmt: skip
HEAVY = {
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax",
    "wandb",
    "plotly",
    "matplotlib",
    "scipy",
    "tensorflow_datasets",
    "numpy",
}


def imports(tree: ast.Module, package: str) -> Iterator[str]:
    """The dotted names that a module imports anywhere; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def modules(folder: str) -> Iterator[tuple[str, set[str]]]:
    """The path of each module and the names that it imports."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        place = path.relative_to(ROOT)
        yield place.as_posix(), set(imports(ast.parse(path.read_text()), ".".join(place.parts[:-1])))


def violations(place: str, names: set[str]) -> list[str]:
    """The names that a module of `research` must not import."""
    unit = place.split("/")[1].removesuffix(".py")
    if unit == "__init__":
        return sorted(name for name in names if name.startswith("research"))
    return sorted(
        name
        for name in names
        if name.split(".")[0] in ("experiments", "tests")
        or (name.split(".")[0] == "research" and name.split(".")[1] not in ALLOWED[unit] | {unit})
    )


@pytest.mark.parametrize(("place", "names"), [pytest.param(*module, id=module[0]) for module in modules("research")])
def test_imports_point_one_way(place, names):
    assert not violations(place, names)


@pytest.mark.parametrize("system", HOMES)
def test_an_outside_system_has_one_home(system):
    users = [
        place
        for folder in ("research", "experiments")
        for place, names in modules(folder)
        if any(name.split(".")[0] == system for name in names)
    ]
    assert all(place.startswith(HOMES[system]) for place in users), users


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module):
    code = f"import sys, research.{module}; print(*({{name.split('.')[0] for name in sys.modules}} & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_wrong_import_would_be_seen():
    source = "def late():\n    from ..training import step\nfrom research.cli import main\nimport experiments.attention"
    names = set(imports(ast.parse(source), "research.recurrent"))
    assert names == {"research.training.step", "research.cli.main", "experiments.attention"}
    assert violations("research/recurrent/cell.py", names) == sorted(names)
    assert not violations("research/recurrent/cell.py", {"research.recurrent.vjp", "research.config.Config", "jax"})
