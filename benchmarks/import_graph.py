"""Draw the import graph of the packages of `research`, from the import statements of their files.

    python -m benchmarks.import_graph [FILE.svg]

A package is drawn above all packages that it imports. Dark arrows are direct imports that no chain of others implies;
implied ones are pale.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "figures" / "imports.svg"
WIDTH, HEIGHT, SPACING = 1.7, 0.8, 1.35
"""Size of a box and the distance from one row to the next, in units of the drawing."""

Imports = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    """A file and the dotted names that it imports."""

    path: str
    """Relative to the root of the project."""
    names: frozenset[str]
    lines: int

    @property
    def package(self) -> str:
        """The package of `research` that contains the file; its own name for a file outside of packages."""
        return self.path.split("/")[1].removesuffix(".py")

    @property
    def packages(self) -> set[str]:
        """The other packages of `research` that it imports."""
        parts = (name.split(".") for name in self.names)
        return {part[1] for part in parts if part[0] == "research" and len(part) > 1} - {self.package}


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names that a module of a package imports; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def modules(folder: str) -> list[Module]:
    """Return the modules below a folder of the project, sorted by path."""
    files = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        place, source = path.relative_to(ROOT), path.read_text(encoding="utf-8")
        names = frozenset(imported(ast.parse(source), ".".join(place.parts[:-1])))
        files.append(Module(place.as_posix(), names, source.count("\n")))
    return files


def graph(files: list[Module]) -> dict[str, set[str]]:
    """Return the packages that each package imports."""
    packages: dict[str, set[str]] = {file.package: set() for file in files if file.package != "__init__"}
    for file in files:
        if file.package in packages:
            packages[file.package] |= file.packages & packages.keys()
    return packages


def reachable(packages: Imports, start: str) -> set[str]:
    """Return all packages that a package imports, directly or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = packages[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def rows(packages: Imports) -> dict[str, int]:
    """Return the row of each package: one above the highest package that it imports.

    Raises:
        ValueError: if packages import each other in a cycle.
    """
    cycle = sorted(package for package in packages if package in reachable(packages, package))
    if cycle:
        raise ValueError(f"{', '.join(cycle)}: import each other in a cycle")
    placed: dict[str, int] = {}
    while len(placed) < len(packages):
        for package in packages.keys() - placed.keys():
            if packages[package] <= placed.keys():
                placed[package] = max((placed[other] + 1 for other in packages[package]), default=0)
    return placed


def draw(packages: Imports, labels: Mapping[str, str], path: Path) -> None:
    """Draw the packages in rows. Those in the lowest row import no other.

    Args:
        packages: imports of each package.
        labels: text below the name of a package.
        path: of the figure; the suffix decides the format.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import patches, pyplot

    row = rows(packages)
    heights = {height: sorted(package for package in packages if row[package] == height) for height in row.values()}
    place = {
        package: (WIDTH * 1.25 * (k - (len(line) - 1) / 2 + 0.25 * (height % 2)), SPACING * height)
        for height, line in heights.items()
        for k, package in enumerate(line)
    }
    pyplot.rcParams["svg.hashsalt"] = "imports"  # the same drawing has the same bytes
    figure, axes = pyplot.subplots(figsize=(9, 0.8 * len(heights) + 1))
    for package, others in packages.items():
        implied = set().union(*(reachable(packages, other) for other in others))
        for other in others:
            (x, y), (to_x, to_y) = place[package], place[other]
            strong = other not in implied
            style = {"color": "0.25", "zorder": 2} if strong else {"color": "0.88", "zorder": 1}
            arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0 if strong else 0.6, **style}
            axes.annotate("", (to_x, to_y + HEIGHT / 2), (x, y - HEIGHT / 2), arrowprops=arrow, zorder=style["zorder"])
    for package, (x, y) in place.items():
        box = patches.Rectangle((x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, fc="#eef3fa", ec="#34527a", zorder=3)
        axes.add_patch(box)
        axes.text(x, y + 0.12, package, ha="center", va="center", fontsize=9, weight="bold", zorder=4)
        axes.text(x, y - 0.2, labels.get(package, ""), ha="center", va="center", fontsize=6.5, color="0.35", zorder=4)
    axes.autoscale_view()
    axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, bbox_inches="tight", metadata=metadata, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Draw the packages of `research` and print their sizes."""
    path = Path(sys.argv[1]) if sys.argv[1:] else FIGURE
    files = modules("research")
    packages = graph(files)
    labels = {}
    for package in packages:
        within = [file for file in files if file.package == package]
        count = len(within)
        labels[package] = f"{count} file{'s' * (count > 1)}, {sum(file.lines for file in within):,} lines"
        print(f"{package}: {labels[package]}; imports {', '.join(sorted(packages[package])) or 'none'}")
    print(f"all: {len(files)} files, {sum(file.lines for file in files):,} lines")
    draw(packages, labels, path)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
