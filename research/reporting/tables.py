"""The table of an experiment, made once in plain text and rendered for a terminal, Markdown, LaTeX or HTML."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from research.experiment import Column
from research.reporting.aggregate import Group, Row, Section, describe, signatures, unfinished
from research.reporting.statistic import DASH, statistic, text

Format = Literal["terminal", "markdown", "latex", "html"]

SIGNS = {"±": r"$\pm$", "×/÷": r"$\times\!/\!\div$", "—": "---", "–": "--", "∂": r"$\partial$", "‖": r"$\Vert$"}
"""What is not ASCII in a table, for LaTeX."""


@dataclass(frozen=True)
class Part:
    """The rows of one setting, as text."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """An experiment's table, as text."""

    name: str
    claim: str
    header: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def table(group: Group) -> Table:
    """The table of an experiment: a part a setting, a row an arm, a column a number over the seeds."""
    experiment = group.experiment
    header = (_words(experiment.rows), "seeds", *(_header(column) for column in experiment.columns))
    parts = tuple(Part(_heading(part), tuple(_row(row, group) for row in part.rows)) for part in group.sections)
    return Table(group.name, experiment.claim, header, parts, tuple(_notes(group, parts)))


def render(content: Table, form: Format, width: int | None = None) -> str:
    """The table as text of that format, ending in a newline; `terminal` wraps cells beyond a width in characters."""
    return _terminal(content, width) if form == "terminal" else RENDERERS[form](content)


def _heading(section: Section) -> str:
    return f"{section.setting}: {describe(section)}" if section.setting else describe(section)


def _header(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.unit else column.title


def _row(row: Row, group: Group) -> tuple[str, ...]:
    finished = row.finished
    diverged = sum(trial.diverged for trial in finished)
    unfinished_here = len(row.trials) - len(finished)
    seeds = f"{len(finished)} of {len(row.trials)}" if unfinished_here else str(len(finished))
    numbers = [
        text(statistic([trial.value(column.key) for trial in finished], column.scale), column.unit)
        for column in group.experiment.columns
    ]
    return (row.label, f"{seeds} ({diverged} diverged)" if diverged else seeds, *numbers)


def _notes(group: Group, parts: tuple[Part, ...]) -> list[str]:
    cells = [cell for part in parts for row in part.rows for cell in row[1:]]
    factors = "; ×/÷: geometric mean and the interval as a factor" if any("×/÷" in cell for cell in cells) else ""
    notes = [f"Mean ± 95 % t-interval over seeds{factors}."]
    if any(re.search(r"\(\d+/\d+\)", cell) for cell in cells):
        notes.append(
            "0, inf or undefined (k/n): so it was for k of the n seeds (0: underflow; inf: overflow, or no decay; "
            "undefined: nothing to measure); a mean beside it is over the others."
        )
    if any("diverged" in cell for cell in cells):
        notes.append("A diverged trial counts with the state in which it stopped.")
    if DASH in cells:
        notes.append(f"{DASH}: not measured.")
    for (name, signature), settings in signatures(group).items():
        where = f" ({', '.join(settings)})" if any(settings) else ""
        notes.append(f"{name}{where}: {signature}")
    missing = unfinished(group)
    if missing:
        verb = "have" if missing.total() > 1 else "has"
        where = ", ".join(f"{name} ({count})" for name, count in list(missing.items())[:6])
        more = f" and {len(missing) - 6} more rows" if len(missing) > 6 else ""
        notes.append(f"{missing.total()} of {len(group.trials)} trials {verb} no result yet: {where}{more}.")
    if group.duplicates:
        notes.append(f"Not counted, as they repeat the config and seed of another run: {group.duplicates}.")
    return notes


def _words(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def _terminal(content: Table, width: int | None = None) -> str:
    """Columns as wide as their widest cell; where they do not fit beside each other, in blocks below each other."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    rows = [content.header, *(row for part in content.parts for row in part.rows)]
    widths = [max(len(row[column]) for row in rows) + 3 for column in range(len(content.header))]
    blocks = [list(range(1, len(widths)))] if width is None else _blocks(widths, width)
    needed = max(widths[0] + sum(widths[column] for column in block) for block in blocks)
    console = Console(file=io.StringIO(), width=max(needed, width or 120), color_system=None)
    prose = min(width or 120, 120)
    with console.capture() as captured:
        console.print(Text(f"{content.name}: {content.claim}"), width=prose)
        for part in content.parts:
            console.print()
            console.print(Text(part.heading), width=prose if width else None)
            for block in blocks:
                if block is not blocks[0]:
                    console.print()
                grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
                for column in (0, *block):
                    justify = "right" if column else "left"
                    grid.add_column(Text(content.header[column]), justify=justify, min_width=widths[column] - 3)
                for row in part.rows:
                    grid.add_row(*(Text(row[column]) for column in (0, *block)))
                console.print(grid)
        console.print()
        for note in content.notes:
            console.print(Text(note), width=prose)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _blocks(widths: list[int], width: int) -> list[list[int]]:
    """The columns after the first, in groups that fit beside it."""
    blocks: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        if blocks[-1] and widths[0] + sum(widths[c] for c in blocks[-1]) + widths[column] > width:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _markdown(content: Table) -> str:
    blocks = [_escape_markdown(f"**{content.name}**: {content.claim}")]
    for part in content.parts:
        rows = [[_escape_markdown(cell) for cell in row] for row in part.rows]
        blocks += [f"**{_escape_markdown(part.heading)}**", _tabulate(content.header, rows, "pipe")]
    blocks += ["\n".join(f"- {_escape_markdown(note)}" for note in content.notes)]
    return "\n\n".join(blocks) + "\n"


def _latex(content: Table) -> str:
    """One float a setting, shrunk where wider than the page; the claim is in the first caption, the notes come last."""
    blocks = ["% \\usepackage{booktabs,adjustbox}"]
    for place, part in enumerate(content.parts):
        caption = f"{content.claim} {part.heading}" if place == 0 else part.heading
        body = _latex_text(_tabulate(content.header, part.rows, "latex_booktabs"))
        label = re.sub(r"\W+", "-", f"{content.name}-{part.heading.partition(':')[0]}")
        notes = "" if place < len(content.parts) - 1 else _latex_line(" ".join(content.notes))
        lines = ["\\begin{table}", "\\centering", f"\\caption{{{_latex_line(caption)}}}"]
        lines += [f"\\label{{tab:{label}}}", "\\begin{adjustbox}{max width=\\textwidth}", body, "\\end{adjustbox}"]
        lines += [f"\\par\\smallskip\\footnotesize {notes}"] if notes else []
        blocks.append("\n".join([*lines, "\\end{table}"]))
    return "\n\n".join(blocks) + "\n"


def _html(content: Table) -> str:
    from html import escape

    blocks = [f"<h2>{escape(content.name)}</h2>", f"<p>{escape(content.claim)}</p>"]
    for part in content.parts:
        grid = str(_tabulate(content.header, part.rows, "html"))
        blocks += [f"<h3>{escape(part.heading)}</h3>", f'<div style="overflow-x:auto">\n{grid}\n</div>']
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in content.notes)
    return "\n".join([*blocks, f"<ul>\n{notes}\n</ul>"]) + "\n"


def _tabulate(header: tuple[str, ...], rows, form: str) -> str:
    from tabulate import tabulate

    align = ("left", *("right" for _ in header[1:]))
    return tabulate(rows, headers=header, tablefmt=form, colalign=align, disable_numparse=True)


def _latex_line(plain: str) -> str:
    """Escape running text as tabulate escapes a cell."""
    escapes = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$"}
    return _latex_text("".join(escapes.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in plain))


def _latex_text(escaped: str) -> str:
    """Signs and powers of ten as mathematics, in text that is escaped already."""
    powers = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e(-?\d+)\b", r"$\1\\times 10^{\2}$", escaped)
    powers = re.sub(r"\)e(-?\d+)\b", r")$\\times 10^{\1}$", powers)
    for sign, command in SIGNS.items():
        powers = powers.replace(sign, command)
    return powers


def _escape_markdown(plain: str) -> str:
    return re.sub(r"([|<>`])", r"\\\1", plain).replace("_", r"\_")


RENDERERS: dict[Format, Callable[[Table], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "html": _html,
}
