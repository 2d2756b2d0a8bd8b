"""Imports between packages go in one direction, and each external library is imported in one place."""

import ast
from pathlib import Path

import pytest

import research
from benchmarks.import_graph import Module, graph, imported, modules, rows

BASE = {"errors", "options", "batch"}
MODEL = BASE | {"cells", "recurrence", "seq2seq"}
TRAINING = MODEL | {"data", "tasks", "probes", "tracking", "training"}
ALLOWED = {  # the packages of `research`, or files outside of packages, that each may import
    "errors": set(),
    "options": {"errors"},
    "batch": set(),
    "terminal": set(),
    "cells": BASE,
    "recurrence": BASE | {"cells"},
    "seq2seq": BASE | {"cells", "recurrence"},
    "data": BASE | {"terminal"},
    "tasks": BASE | {"data"},
    "probes": MODEL,
    "tracking": BASE | {"terminal", "probes"},
    "training": TRAINING - {"training"},
    "config": TRAINING,
    "sweep": TRAINING | {"config"},
    "reporting": BASE | {"tasks", "probes", "tracking", "config"},
    "inference": TRAINING | {"config", "reporting"},
    "api": TRAINING | {"config"},
    "cli": TRAINING | {"config", "sweep", "reporting", "inference"},
    "__main__": {"cli"},
}
REGISTRIES = {"config", "cells", "seq2seq", "tasks", "data", "training", "recurrence", "probes", "tracking"}
"""What a file of `experiments` may import: the config and the options that it contains."""
HOMES = {
    "tyro": ("research/config/flags.py", "research/config/help.py", "research/cli/parser.py"),
    "wandb": ("research/tracking/wandb_session.py",),
    "wandb_workspaces": ("research/tracking/workspace.py",),
    "plotly": ("research/tracking/charts.py", "research/reporting/interactive/render.py"),
    "tensorboardX": ("research/tracking/tensorboard.py",),
    "orbax": ("research/training/checkpoint.py",),
    "matplotlib": ("research/reporting/figures/",),
    "pandas": ("research/reporting/", "research/api.py"),
    "tabulate": ("research/reporting/",),
    "great_tables": ("research/reporting/formats.py",),
    "optuna": ("research/sweep/search.py",),
    "ray": ("research/sweep/executors/ray.py",),
    "submitit": ("research/sweep/executors/slurm.py",),
    "yaml": ("research/config/strict_yaml.py",),
    "tensorflow_datasets": ("research/data/corpora/",),
    "tensorflow": ("research/data/corpora/",),
    "grain": ("research/training/loader.py",),
    "sentencepiece": ("research/data/text.py",),
    "PIL": ("research/data/images/", "research/data/corpora/"),
    "resvg_py": ("research/data/corpora/",),
    "soundfile": ("research/data/",),
    "soxr": ("research/data/audio/",),
    "kaldi_native_fbank": ("research/data/audio/",),
    "sacrebleu": ("research/tasks/metrics/",),
    "jiwer": ("research/tasks/metrics/",),
    "rapidfuzz": ("research/tasks/metrics/",),
}
FILES = modules("research")


def violations(file: Module) -> list[str]:
    """Return the names that a module of `research` must not import."""
    if file.package == "__init__":
        return sorted(name for name in file.names if name.startswith("research"))
    return sorted(
        name
        for name in file.names
        if (parts := name.split("."))[0] in ("experiments", "benchmarks", "tests")
        or (parts[0] == "research" and (len(parts) < 2 or parts[1] not in ALLOWED[file.package] | {file.package}))
    )


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package):
    wrong = {file.path: violations(file) for file in FILES if file.package == package}
    assert wrong, f"{package}: contains no file"
    assert not any(wrong.values()), {path: names for path, names in wrong.items() if names}


def test_every_package_has_its_imports_declared():
    assert {file.package for file in FILES} - {"__init__"} == set(ALLOWED)
    rows(graph(FILES))  # no cycle


def test_experiments_are_declarations():
    for file in modules("experiments"):
        external = {name for name in file.names if name.split(".")[0] not in ("research", "typing", "dataclasses")}
        assert not external, (file.path, external)
        assert file.packages <= REGISTRIES, (file.path, file.packages - REGISTRIES)


@pytest.mark.parametrize("library", HOMES)
def test_an_external_library_is_imported_in_one_place(library):
    users = [file.path for file in FILES if any(name.split(".")[0] == library for name in file.names)]
    assert all(path.startswith(HOMES[library]) for path in users), users


def test_the_package_itself_imports_nothing_until_it_is_used():
    tree = ast.parse(Path(research.__file__ or "").read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.If)]  # what is for type checkers alone
    assert set(imported(tree, "research")) == {"importlib", "typing.TYPE_CHECKING", "typing.Any"}
    assert all(callable(getattr(research, name)) for name in research.__all__)


def test_a_wrong_import_would_be_seen():
    source = "def late():\n    from ..training import step\nfrom research.cli import main\nimport experiments.attention"
    names = frozenset(imported(ast.parse(source), "research.cells"))
    assert names == {"research.training.step", "research.cli.main", "experiments.attention"}
    assert violations(Module("research/cells/cell.py", names, 4)) == sorted(names)
    legal = frozenset({"research.cells.gru", "research.options.require", "jax"})
    assert not violations(Module("research/cells/cell.py", legal, 4))


def test_a_cycle_would_be_seen():
    with pytest.raises(ValueError, match="a, b: import each other"):
        rows({"a": {"b"}, "b": {"a"}, "c": {"a"}})
