"""The tables of README.md, CONTRIBUTING.md and docs/ against the code: options, choices, names."""

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args, get_type_hints

import pytest

from research.config import CHOICES, experiment
from research.config.config import Config
from research.data.corpora import CORPORA
from research.options import flatten
from research.probes import PROBES
from research.reporting.figures import FIGURES
from research.seq2seq.teacher_forcing import TeacherForcingOptions
from research.sweep.executors import EXECUTORS
from research.tasks.synthetic import SyntheticTask
from tests.pages import PAGES, TARGETS, blocks, entries, spans, tables

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


COUNTS = {3: "three", 4: "four", 6: "six", 7: "seven"}


def test_readme_counts_what_there_is():
    attentions = [kind.has_weights for kind in OWN["attention"].values()]
    schedules = get_args(get_type_hints(TeacherForcingOptions)["schedule"])
    synthetic = [kind for kind in OWN["task"].values() if issubclass(kind, SyntheticTask)]
    readme = " ".join(PAGES["README.md"].split())
    for text in (
        f"{len(synthetic)} synthetic tasks",
        f"[Cells](docs/cells.md): {len(OWN['cell'])}, from",
        f"{COUNTS[sum(attentions)]} kinds of attention and {COUNTS[attentions.count(False)]} decoders without",
        f"{COUNTS[len(schedules)]} teacher-forcing schedules",
        f"{COUNTS[len(OWN['optimizer'])]} optimizers, {COUNTS[len(OWN['schedule'])]} schedules",
    ):
        assert text in readme, f"README.md: must say: {text}"
