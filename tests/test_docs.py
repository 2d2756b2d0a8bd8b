"""README.md, CONTRIBUTING.md and docs/ against the code: links, commands, options, names, blocks of code."""

import ast
import functools
import importlib
import re
import shutil
import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from research.cells import CELLS
from research.cli import compare, data, evaluate, parser, report, status, sweep, verdicts, wandb_workspace
from research.cli import list as list_command
from research.cli.main import COMMANDS
from research.config import CHOICES, experiment
from research.config.config import Config
from research.config.extensions import import_modules
from research.config.flags import config_of, read_flags
from research.config.naming import name_trial
from research.data.corpora import CORPORA
from research.inference.options import PredictOptions
from research.options import flatten
from research.probes import PROBES
from research.reporting.figures import FIGURES
from research.sweep import spec
from research.tasks import TASKS
from research.training.optimizers import OPTIMIZERS
from tests.pages import PAGES, ROOT, anchors, blocks, commands, prose, spans, tables

DOCS = [page for page in PAGES if page != "README.md"]
HOME = {
    "task": "docs/tasks-and-data.md",
    "task.input": "docs/your-data.md",
    "task.target": "docs/your-data.md",
    "cell": "docs/cells.md",
    "attention": "docs/seq2seq.md",
    "decoding": "docs/seq2seq.md",
    "optimizer": "docs/training.md",
    "schedule": "docs/training.md",
}
"""The page that names the choices of a section."""
CLASSES = {section: tuple(registry.values()) for section, registry in CHOICES.items()}
DEFAULTS = flatten(Config())
KEYS = {*DEFAULTS} | {
    f"{section}.{item.name}" for section, kinds in CLASSES.items() for kind in kinds for item in fields(kind)
} - {*CHOICES}
"""All keys of a config, whatever is chosen."""
RECIPES = {Path(block.file).stem for block in blocks() if block.file}
"""What a clone has besides, where the recipes were followed."""
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


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


def test_options_that_are_named_exist():
    names = re.findall(r'name: ClassVar\[str\] = "(\w+)"', "".join(block.text for block in blocks("python")))
    added = {f"probes.{name}.every" for name in names}  # by a page's own probes
    for page in PAGES:
        for word in [word for span in spans(page) for word in span.split()]:
            key = word.removeprefix("--").partition("=")[0]
            known = re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", key) and not key.endswith((".py", ".name"))
            if known and key.partition(".")[0] in {key.partition(".")[0] for key in KEYS} and key not in added:
                assert key in KEYS, f"{page}: {key}: no such option"
        for span in spans(page):
            assert not span.endswith(".name") or span.removesuffix(".name").removeprefix("--") in CHOICES, span


def test_every_option_is_in_a_table_with_its_default():
    documented = set()
    for table in tables():
        if "option" not in table.head:
            continue
        for row in (dict(zip(table.head, cells, strict=True)) for cells in table.rows):
            for key in re.findall(r"`([\w.]+)`", row["option"]):
                documented.add(key)
                tasks = re.findall(r"`(\w+)`", row.get("task", ""))
                assert row.get("default") in (None, *_defaults(key, tasks)), f"{table.page}: {key}: {row}"
    missing = {key for key in KEYS if not key.endswith("name") and "." in key} - documented
    assert not missing, "options without a row in a table of docs/"


def _defaults(key: str, names: list[str]) -> set[str]:
    """Return the defaults of an option, as they stand in tables: of these choices, by default of all that have it."""
    section, _, name = key.rpartition(".")
    if section not in CHOICES:
        return {_text(DEFAULTS[key])}
    kinds = [CHOICES[section][choice] for choice in names] or CLASSES[section]
    values = [{_text(item.default) for item in fields(kind) if item.name == name} for kind in kinds]
    return set.intersection(*values) if names else set.union(*values)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == " ":
        return "a space"
    assert value is not MISSING
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e") if isinstance(value, float | int) else str(value)


def test_every_choice_is_in_a_table_with_its_options():
    listed = {}
    for table in tables():
        prefix = re.fullmatch(r"options, `--([\w.]+)\.`", table.head[-1])
        if not prefix:
            continue
        for cells in table.rows:
            options = re.findall(r"`(\w+)`", cells[-1])
            listed |= {(prefix[1], name): options for name in re.findall(r"`(\w+)`", cells[0])}
            for name in options if cells[-1] else ():
                kinds = [CHOICES[prefix[1]].get(kind) for kind in re.findall(r"`(\w+)`", cells[0])]
                allowed = {item.name for kind in kinds if kind for item in fields(kind)} | set(CHOICES[prefix[1]])
                assert name in allowed, f"{table.page}: {cells[0]}: {name}: no such option"
    for section, registry in CHOICES.items():
        missing = [name for name in registry if (section, name) not in listed and name not in RECIPES]
        assert not missing, f"{HOME[section]}: no row for {section}.name={', '.join(missing)}"


@pytest.mark.parametrize(
    "page, names",
    [
        ("docs/tasks-and-data.md", CORPORA),
        ("docs/reports.md", FIGURES),
        ("docs/probes.md", PROBES),
        ("docs/experiments.md", experiment.names()),
        ("README.md", [target for target in TARGETS if target in ("demo", "test")]),
        ("CONTRIBUTING.md", [target for target in TARGETS if target not in ("help", "demo")]),
    ],
    ids=["corpora", "figures", "probes", "experiments", "readme targets", "make targets"],
)
def test_every_name_is_mentioned(page, names):
    missing = [name for name in names if not re.search(rf"\b{name}\b", PAGES[page]) and name not in RECIPES]
    assert not missing, f"{page}: does not mention {', '.join(missing)}"


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
    registries: list[dict[str, type]] = [TASKS, CELLS, OPTIMIZERS, PROBES]
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
        for section, line in re.findall(r'^\+ +"(\w+)": (\w+),$', "\n".join(b.text for b in blocks("diff")), re.M):
            registries[0 if section == "sort" else 1][section] = getattr(sys.modules[f"recipe_{section}"], line)
        yield folder
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


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
