"""Who imports whom: the rooms of `research` as a drawing, from the import statements of their files.

    python -m benchmarks.import_graph [FILE.svg]

A room stands above all that it imports. Solid arrows are the imports that no chain of others implies; the implied ones
are drawn faintly.
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
    """A file of the project and the dotted names that it imports anywhere."""

    path: str
    """Relative to the root of the project."""
    names: frozenset[str]
    lines: int

    @property
    def room(self) -> str:
        """The folder below `research` that it is in, or its own name where it is in none."""
        return self.path.split("/")[1].removesuffix(".py")

    @property
    def rooms(self) -> set[str]:
        """The other rooms of `research` that it imports."""
        parts = (name.split(".") for name in self.names)
        return {part[1] for part in parts if part[0] == "research" and len(part) > 1} - {self.room}


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the dotted names that a module of a package imports anywhere; `from a import b` gives a.b."""
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
    """Return the rooms that each room imports."""
    rooms: dict[str, set[str]] = {file.room: set() for file in files if file.room != "__init__"}
    for file in files:
        if file.room in rooms:
            rooms[file.room] |= file.rooms & rooms.keys()
    return rooms


def reachable(rooms: Imports, start: str) -> set[str]:
    """Return all that a room imports, whether itself or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = rooms[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def rows(rooms: Imports) -> dict[str, int]:
    """Return the row of each room: one more than the highest of those that it imports.

    Raises:
        ValueError: if rooms import one another in a circle.
    """
    circle = sorted(room for room in rooms if room in reachable(rooms, room))
    if circle:
        raise ValueError(f"{', '.join(circle)}: import one another in a circle")
    placed: dict[str, int] = {}
    while len(placed) < len(rooms):
        for room in rooms.keys() - placed.keys():
            if rooms[room] <= placed.keys():
                placed[room] = max((placed[other] + 1 for other in rooms[room]), default=0)
    return placed


def draw(rooms: Imports, labels: Mapping[str, str], path: Path) -> None:
    """Draw the rooms by rows, the lowest of which imports none.

    Args:
        rooms: what each imports.
        labels: what stands below the name in a room's box.
        path: of the figure, whose suffix is its format.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import patches, pyplot

    row = rows(rooms)
    heights = {height: sorted(room for room in rooms if row[room] == height) for height in row.values()}
    place = {
        room: (WIDTH * 1.25 * (k - (len(line) - 1) / 2 + 0.25 * (height % 2)), SPACING * height)
        for height, line in heights.items()
        for k, room in enumerate(line)
    }
    pyplot.rcParams["svg.hashsalt"] = "imports"  # the same drawing has the same bytes
    figure, axes = pyplot.subplots(figsize=(9, 0.8 * len(heights) + 1))
    for room, others in rooms.items():
        implied = set().union(*(reachable(rooms, other) for other in others))
        for other in others:
            (x, y), (to_x, to_y) = place[room], place[other]
            strong = other not in implied
            style = {"color": "0.25", "zorder": 2} if strong else {"color": "0.88", "zorder": 1}
            arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0 if strong else 0.6, **style}
            axes.annotate("", (to_x, to_y + HEIGHT / 2), (x, y - HEIGHT / 2), arrowprops=arrow, zorder=style["zorder"])
    for room, (x, y) in place.items():
        box = patches.Rectangle((x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, fc="#eef3fa", ec="#34527a", zorder=3)
        axes.add_patch(box)
        axes.text(x, y + 0.12, room, ha="center", va="center", fontsize=9, weight="bold", zorder=4)
        axes.text(x, y - 0.2, labels.get(room, ""), ha="center", va="center", fontsize=6.5, color="0.35", zorder=4)
    axes.autoscale_view()
    axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, bbox_inches="tight", metadata=metadata, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Draw the rooms of `research` and print how large they are."""
    path = Path(sys.argv[1]) if sys.argv[1:] else FIGURE
    files = modules("research")
    rooms = graph(files)
    labels = {}
    for room in rooms:
        within = [file for file in files if file.room == room]
        count = len(within)
        labels[room] = f"{count} file{'s' * (count > 1)}, {sum(file.lines for file in within):,} lines"
        print(f"{room}: {labels[room]}; imports {', '.join(sorted(rooms[room])) or 'none'}")
    print(f"all: {len(files)} files, {sum(file.lines for file in files):,} lines")
    draw(rooms, labels, path)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
