"""README.md, CONTRIBUTING.md and docs/ against the code: links, commands, options, names, blocks of code."""

import ast
import functools
import importlib
import re
import shutil
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

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
from research.sweep.executors import EXECUTORS
from tests.pages import PAGES, ROOT, anchors, blocks, commands, entries, prose, spans, tables

DOCS = [page for page in PAGES if page != "README.md"]
RECIPES = {(id(getattr(importlib.import_module(entry.package), entry.registry)), entry.name) for entry in entries()}
"""What a clone has besides, where the recipes were followed: registries and names."""


def own(registry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a registry without what the recipes add."""
    return {name: kind for name, kind in registry.items() if (id(registry), name) not in RECIPES}


OWN = {section: own(registry) for section, registry in CHOICES.items()}
CLASSES = {section: tuple(registry.values()) for section, registry in OWN.items()}
DEFAULTS = {
    key: value
    for key, value in flatten(Config()).items()
    if not key.startswith("probes.") or key.split(".")[1] in own(PROBES)
}
KEYS = {*DEFAULTS} | {
    f"{section}.{item.name}" for section, kinds in CLASSES.items() for kind in kinds for item in fields(kind)
} - {*CHOICES}
"""All keys of a config, whatever is chosen."""
EXPERIMENTS = [name for name in experiment.names() if f"experiments/{name}.py" not in {b.file for b in blocks()}]
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
    documented, faults = set(), []
    for table in tables():
        if "option" not in table.head:
            continue
        for row in (dict(zip(table.head, cells, strict=True)) for cells in table.rows):
            for key in re.findall(r"`([\w.]+)`", row["option"]):
                documented.add(key)
                tasks = re.findall(r"`(\w+)`", row.get("task", ""))
                defaults = _defaults(key, tasks) if key in KEYS else ()
                if key in KEYS and row.get("default") not in (None, *defaults):
                    faults.append(f"{table.page}: {key}: {row['default']}; must be {' or '.join(defaults)}")
    missing = {key for key in KEYS if not key.endswith("name") and "." in key} - documented
    faults += [f"{HOME.get(key.rpartition('.')[0], 'docs/')}: no row for {key}" for key in sorted(missing)]
    assert not faults, "\n".join(faults)


def _defaults(key: str, names: list[str]) -> set[str]:
    """Return the defaults of an option, as they stand in tables: of these choices, by default of all that have it."""
    section, _, name = key.rpartition(".")
    if section not in CHOICES:
        return {_text(DEFAULTS[key])}
    kinds = [OWN[section][choice] for choice in names] or CLASSES[section]
    values = [{_text(item.default) for item in fields(kind) if item.name == name} for kind in kinds]
    return set.intersection(*values) if names else set.union(*values)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == " ":
        return "a space"
    assert value is not MISSING
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e") if isinstance(value, float | int) else str(value)


def _documented() -> Iterator[tuple[Any, str]]:
    """Yield each registry that docs/extending.md lists, with the page that names its entries."""
    for table in tables():
        if table.page == "docs/extending.md" and "and a line in" in table.head:
            for _, folder, registries, _, page in table.rows:
                for registry in re.findall(r"`(\w+)`", registries):
                    yield (
                        getattr(importlib.import_module(folder.strip("`/").replace("/", ".")), registry),
                        page.strip("`"),
                    )


HOME = {section: page for section, registry in CHOICES.items() for known, page in _documented() if known is registry}
"""The page that names the choices of a section."""


def test_the_table_of_extending_has_all_registries():
    assert {*HOME} == {*CHOICES}
    listed = [registry for registry, _ in _documented()]
    assert all(any(known is registry for known in listed) for registry in (PROBES, EXECUTORS))


def test_every_choice_is_in_a_table_with_its_options():
    """A row names all options: `those of x` are those of the choice x, or what all rows with these words share."""
    rows: dict[tuple[str, str], str] = {}
    for table in tables():
        if prefix := re.fullmatch(r"options, `--([\w.]+)\.`", table.head[-1]):
            rows |= {(prefix[1], name): cells[-1] for cells in table.rows for name in re.findall(r"`(\w+)`", cells[0])}
    options = {(section, name): _options(kind) for section, kinds in OWN.items() for name, kind in kinds.items()}
    groups: dict[str, set[str]] = {}
    for key in rows.keys() & options.keys():
        for group in re.findall(r"those of \[?(\w+)", rows[key]):
            groups[group] = groups.get(group, options[key]) & options[key]
    faults = []
    for (section, name), expected in options.items():
        place, row = f"{HOME[section]}: {section}.name={name}", rows.get((section, name))
        if row is None:
            faults.append(f"{place} has no row")
            continue
        words = {*re.findall(r"`(\w+)`", row)}
        listed = {word for word in words if (section, word) not in options or word in expected}
        inherited = [options[section, word] for word in words - listed]
        inherited += [groups[group] for group in re.findall(r"those of \[?(\w+)", row)]
        alike = set.union(*(options[key] for key in options if key[0] == section and rows.get(key) == row))
        faults += [f"{place} has no option {word}" for word in sorted(listed - alike)]
        if words or not row.startswith("["):  # a page of its own
            missing = expected.difference(listed, *inherited)
            faults += [f"{place} does not name its option {word}" for word in sorted(missing)]
    assert not faults, "\n".join(faults)


def _options(kind: Any) -> set[str]:
    return {item.name for item in fields(kind)} - {"name"}


def _listed(page: str, *head: str) -> set[str]:
    """Return the names in the first column of the tables of a page that start with these titles."""
    rows = [
        row for table in tables() if table.page == page and (*table.head[: len(head)],) == head for row in table.rows
    ]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}


@pytest.mark.parametrize(
    ("page", "head", "names"),
    [
        ("docs/tasks-and-data.md", ("corpus",), CORPORA),
        ("docs/reports.md", ("figure", "what it shows"), FIGURES),
        ("docs/probes.md", ("probe", "what it measures"), own(PROBES)),
    ],
    ids=["corpora", "figures", "probes"],
)
def test_every_name_has_a_row(page, head, names):
    missing = [name for name in names if name not in _listed(page, *head)]
    assert not missing, f"{page}: no row for {', '.join(missing)}"


NAMESAKES = {name for registry in (*CHOICES.values(), PROBES, CHOICES) for name in registry}
"""Names that may be mentioned for another thing, so that an experiment of the name must be shown in use."""


@pytest.mark.parametrize(
    ("page", "before", "names"),
    [
        ("docs/experiments.md", "(train |sweep |runs/|experiments/)", [x for x in EXPERIMENTS if x in NAMESAKES]),
        ("docs/experiments.md", "(train |sweep |runs/|experiments/|`)", [x for x in EXPERIMENTS if x not in NAMESAKES]),
        ("docs/accelerators.md", "--executor=", [name for name in EXECUTORS if name != "local"]),
        ("README.md", "make ", [target for target in TARGETS if target in ("demo", "test")]),
        ("CONTRIBUTING.md", "make ", [target for target in TARGETS if target not in ("help", "demo")]),
    ],
    ids=["experiments with namesakes", "experiments", "executors", "readme targets", "make targets"],
)
def test_every_name_is_shown_in_use(page, before, names):
    missing = [name for name in names if not re.search(rf"{before}{name}(?![\w-])", PAGES[page])]
    assert not missing, f"{page}: does not show {', '.join(missing)}"


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
