"""README.md, CONTRIBUTING.md and docs/ against the code: links, commands, options, names, blocks of code."""

import ast
import functools
import importlib
import re
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from research.cli import compare, data, evaluate, parser, report, status, sweep, verdicts, wandb_workspace
from research.cli import list as list_command
from research.cli.main import COMMANDS
from research.config import experiment
from research.config.config import Config
from research.config.extensions import import_modules
from research.config.flags import config_of, read_flags
from research.config.naming import name_trial
from research.inference.options import PredictOptions
from research.probes import PROBES
from research.sweep import spec
from tests.pages import PAGES, ROOT, TARGETS, anchors, blocks, commands, entries, prose, spans, tables

DOCS = [page for page in PAGES if page != "README.md"]


def test_commands_are_written_as_they_are_typed_after_make_install():
    files = [*(ROOT / "experiments").rglob("*.py"), *(ROOT / "sweeps").glob("*.yaml")]
    texts = PAGES | {path.name: path.read_text() for path in files}
    assert not [name for name, text in texts.items() if "python -m research " in text]


def test_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 200


@pytest.mark.parametrize("page", DOCS)
def test_a_page_starts_with_what_its_reader_can_do(page):
    title, _, first = PAGES[page].splitlines()[:3]
    assert title.startswith("# ")
    assert first.startswith(("After this page you can ", "After this page you know "))


def test_readme_has_the_numbers_of_the_experiments_and_the_count_of_the_verdicts():
    known = {cell for table in tables() if table.page == "docs/experiments.md" for row in table.rows for cell in row}
    numbers = re.compile(r"-?\d[\d.e-]* \(.*\)")
    shown = {
        cell
        for table in tables()
        if table.page == "README.md"
        for row in table.rows
        for cell in row
        if numbers.match(cell)
    }
    assert len(shown) > 30 and shown <= known
    (count,) = re.findall(r"^\d+ claims: .*\.$", PAGES["docs/verdicts.md"], re.MULTILINE)
    assert count in " ".join(PAGES["README.md"].split())  # README.md must say the line of docs/verdicts.md


def test_readme_links_every_page():
    linked = set(re.findall(r"\]\(([\w/-]+\.md)\)", prose("README.md")))
    assert linked >= set(DOCS)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert path.exists(), f"{page}: {target}: no such file"
        other = path.relative_to(ROOT).as_posix()
        assert not anchor or anchor in anchors(other), f"{page}: {target}: no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    recipes = {block.file for block in blocks()}
    for span in spans(page):
        if (
            re.fullmatch(r"(research|experiments|sweeps|tests|docs|benchmarks|drills)/[\w/.-]*", span)
            and span not in recipes
        ):
            assert (ROOT / span).exists(), f"{page}: {span}: no such file"


def test_the_map_of_the_code_names_files_of_the_folder_that_it_is_about():
    checked = 0
    for table in [table for table in tables() if table.page == "CONTRIBUTING.md" and "command" not in table.head]:
        for row in table.rows:
            folder, *names = re.findall(r"`([\w/.]+(?:\.py|/))`", " ".join([table.head[0], *row]))
            for name in names:
                places = [ROOT / folder / name, ROOT / name]
                assert any(path.exists() for path in places), f"CONTRIBUTING.md: {folder}{name}: no such file"
                checked += 1
    assert checked > 20


def test_python_blocks_compile_and_import_what_there_is():
    for block in blocks("python"):
        tree = ast.parse(block.text, block.page)
        for node in ast.walk(tree):
            names = [alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)]
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("research"):
                module = importlib.import_module(node.module or "")
                for name in names:
                    if not hasattr(module, name):
                        importlib.import_module(f"{node.module}.{name}")
            elif isinstance(node, ast.Import):
                for name in names:
                    importlib.import_module(name)


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Iterator[Path]:
    """Follow all recipes in this process: a folder like the repository, and their classes in the registries."""
    folder = tmp_path_factory.mktemp("followed")
    registries = [getattr(importlib.import_module(entry.package), entry.registry) for entry in entries()]
    registries.append(PROBES)
    before = [dict(registry) for registry in registries]
    for kind, suffix in (("experiments", "py"), ("sweeps", "yaml")):
        (folder / kind).mkdir()
        for path in (ROOT / kind).glob(f"*.{suffix}"):
            shutil.copy(path, folder / kind)
    for block in blocks():
        if block.file.startswith(("experiments/", "sweeps/")):
            (folder / block.file).parent.mkdir(exist_ok=True)
            (folder / block.file).write_text(block.text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(experiment, "ROOT", folder)
        for block in blocks("python"):
            if block.file and not block.file.startswith("experiments/"):
                module = types.ModuleType(f"recipe_{Path(block.file).stem}")
                patch.setitem(sys.modules, module.__name__, module)
                patch.setitem(sys.modules, Path(block.file).stem, module)  # of `--import`
                exec(compile(block.text, block.file, "exec"), module.__dict__)
        for entry in entries():
            registry = getattr(importlib.import_module(entry.package), entry.registry)
            registry[entry.name] = getattr(sys.modules[f"recipe_{Path(entry.file).stem}"], entry.kind)
        yield folder
    for registry, kinds in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kinds)


def test_sweep_files_can_be_read(followed):
    for block in blocks("yaml"):
        sweep = spec.read(followed / block.file)
        assert sweep.trials or sweep.method == "bayes", f"{block.page}: {block.file}"


def test_commands_can_be_parsed(followed):
    different = {tuple(words): (page, words) for page, words in commands()}
    for page, words in different.values():
        try:
            _check(words)
        except Exception as error:
            raise AssertionError(f"{page}: {' '.join(words)}: {error}") from error


def _check(words: list[str]) -> None:
    program, *args = words
    if [program, *args[:1]] == ["python", "-m"]:
        program, *args = args[1:]
    if program == "research":
        _check_research(args)
    elif [program, *args[:1]] == ["python", "-c"]:
        compile(args[1], "<command>", "exec")
    elif program == "make":
        assert all(word in TARGETS for word in args if "=" not in word), "no such target"
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in args if "/" in word), "no such file"
    elif program.startswith("benchmarks."):
        assert (ROOT / f"{program.replace('.', '/')}.py").exists(), "no such module"
    elif program == "drills":
        names = [word for word in args if not word.startswith("-")]
        assert all((ROOT / "drills" / f"{name}.py").exists() for name in names), "no such drill"
    elif program in ("pip", "wandb", "."):
        files = [word for word in args if word.endswith((".txt", ".yaml"))]
        assert all((ROOT / word).exists() for word in files), "no such file"
    else:
        assert program in ("export", "git", "cd", "python3", "tensorboard", "srun"), "no known command"


@functools.cache
def _read_sweep(path: Path, name: str) -> None:
    assert spec.read(path, name).trials


def _check_research(args: list[str]) -> None:
    command, *words = import_modules(args) or ["list"]
    assert command in COMMANDS, "no such command"
    if not words or words[0] in ("EXPERIMENT", "FILE", "FILE.py"):  # only mentioned
        return
    if command == "train":
        words = [word for word in words if not word.startswith("--runs-dir")]
        topics = words[words.index("--help") + 1 :] if "--help" in words else []
        assert set(topics) <= {"all", *vars(Config())}, "no such section"
        words = words[: words.index("--help")] if "--help" in words else words
        name_trial(words[0], read_flags(words[1:]))
        return
    kinds = {"list": list_command.List, "sweep": sweep.Sweep, "report": report.Report, "data": data.Data}
    if words[0] == "check":
        config_of("dataset", read_flags(words[2:]))
        return
    kinds |= {"predict": PredictOptions, "evaluate": evaluate.Evaluate, "status": status.Status}
    kinds |= {"compare": compare.Compare, "verdicts": verdicts.Verdicts}
    kinds |= {"wandb-workspace": wandb_workspace.WandbWorkspace}
    options = parser.parse_command(kinds[command], words, command)
    if isinstance(options, sweep.Sweep):
        _read_sweep(spec.find(options.sweep), options.experiment)
