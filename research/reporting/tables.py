"""The table of an experiment, built once in plain text and rendered for a terminal, Markdown, LaTeX or HTML."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportCallIssue=false

import functools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import pandas as pd
from rich.cells import cell_len  # of characters that take two places, too
from tabulate import tabulate

from research.reporting.comparison import Comparison, describe, values
from research.reporting.statistics import DASH, text

Format = Literal["terminal", "markdown", "latex", "html"]

SIGNS = {"±": r"$\pm$", "×/÷": r"$\times\!/\!\div$", "—": "---", "–": "--", "∂": r"$\partial$", "‖": r"$\Vert$"}
"""What is not ASCII in a table, for LaTeX."""


@dataclass(frozen=True)
class Table:
    """The table of an experiment, as text."""

    name: str
    claim: str
    header: tuple[str, ...]
    parts: Mapping[str, Sequence[tuple[str, ...]]]
    """The rows of each setting, by its heading."""
    notes: tuple[str, ...]


def table(comparison: Comparison) -> Table:
    """Return the table of an experiment: a part a setting, a row a variant, a column a number over the seeds."""
    experiment = comparison.experiment
    rows = experiment.rows.removesuffix(".name").rpartition(".")[2].replace("_", " ")  # "attention" of "attention.name"
    titles = [f"{column.title} ({column.unit})" if column.unit else column.title for column in experiment.columns]
    parts = {}
    for setting, section in comparison.trials.groupby("setting", sort=False):
        heading = f"{setting}: {describe(section)}" if setting else describe(section)
        parts[heading] = [_row(*row, comparison) for row in section.groupby("row", sort=False)]
    return Table(comparison.name, experiment.claim, (rows, "seeds", *titles), parts, tuple(_notes(comparison, parts)))


def render(content: Table, form: Format, width: int | None = None) -> str:
    """Return the table as text that ends in a newline; `terminal` wraps cells beyond a width in characters."""
    return _terminal(content, width) if form == "terminal" else RENDERERS[form](content)


def _row(label: Any, row: pd.DataFrame, comparison: Comparison) -> tuple[str, ...]:
    done = row["result"].dropna()
    diverged = sum(result["status"] == "diverged" for result in done)
    seeds = str(len(done)) if len(done) == len(row) else f"{len(done)} of {len(row)}"
    columns = comparison.experiment.columns
    numbers = [text(values(row, column.key), column.scale, column.unit) for column in columns]
    return (label, f"{seeds} ({diverged} diverged)" if diverged else seeds, *numbers)


def _notes(comparison: Comparison, parts: Mapping[str, Sequence[tuple[str, ...]]]) -> list[str]:
    cells = [cell for rows in parts.values() for row in rows for cell in row[1:]]
    factors = "; ×/÷: geometric mean and the interval as a factor" if any("×/÷" in cell for cell in cells) else ""
    notes = [f"Mean ± 95% t-interval over seeds{factors}."]
    if any(re.search(r"\(\d+/\d+\)", cell) for cell in cells):
        notes.append(
            "0, inf or undefined (k/n): in k of the n seeds (0: underflow; inf: overflow, or no decay; undefined: "
            "nothing to measure); a mean next to it is over the others."
        )
    if any("diverged" in cell for cell in cells):
        notes.append("A diverged trial counts with the state in which it stopped.")
    if DASH in cells:
        notes.append(f"{DASH}: not measured.")
    trials = comparison.trials
    signatures: dict[tuple[str, str], dict[str, None]] = {}
    for setting, result in trials[["setting", "result"]].dropna().itertuples(index=False):
        for pair in (result.get("signatures") or {}).items():
            signatures.setdefault(pair, {})[setting] = None
    for (name, signature), settings in signatures.items():
        where = f" ({', '.join(settings)})" if any(settings) else ""
        notes.append(f"{name}{where}: {signature}")
    unfinished = trials[trials["result"].isna()]
    if len(unfinished):
        rows = unfinished.groupby(["setting", "row"], sort=False).size()
        places = [f"{' / '.join(filter(None, pair))} ({count})" for pair, count in rows.items()]
        more = f" and {len(places) - 6} more rows" if len(places) > 6 else ""
        verb = "have" if len(unfinished) > 1 else "has"
        notes.append(f"{len(unfinished)} of {len(trials)} trials {verb} no result yet: {', '.join(places[:6])}{more}.")
    if comparison.duplicates:
        notes.append(f"Not counted, as they repeat the config and seed of another run: {comparison.duplicates}.")
    return notes


def _terminal(content: Table, width: int | None = None) -> str:
    """Return columns as wide as their widest cell; where they do not fit next to each other, in blocks."""
    lines = [content.header, *(row for rows in content.parts.values() for row in rows)]
    widths = [max(map(cell_len, column)) + 3 for column in zip(*lines, strict=True)]
    blocks = _blocks(widths, width or sum(widths))
    fill = functools.partial(textwrap.fill, width=min(width or 120, 120))

    def line(row: Sequence[str], block: list[int]) -> str:
        cells = [" " * (widths[column] - cell_len(row[column])) + row[column] for column in block]
        return row[0] + " " * (widths[0] - 3 - cell_len(row[0])) + "".join(cells)

    texts = [fill(f"{content.name}: {content.claim}")]
    for heading, rows in content.parts.items():
        grids = []
        for block in blocks:
            header, *others = (line(row, block) for row in (content.header, *rows))
            grids.append("\n".join([header, "─" * cell_len(header), *others]))
        texts += [f"{fill(heading)}\n{grids[0]}", *grids[1:]]
    return "\n\n".join([*texts, "\n".join(map(fill, content.notes))]) + "\n"


def _blocks(widths: list[int], width: int) -> list[list[int]]:
    """Return the columns after the first, in groups that fit next to it."""
    blocks: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        if blocks[-1] and widths[0] + sum(widths[c] for c in blocks[-1]) + widths[column] > width:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _markdown(content: Table) -> str:
    blocks = [_escape_markdown(f"**{content.name}**: {content.claim}")]
    for heading, rows in content.parts.items():
        escaped = [[_escape_markdown(cell) for cell in row] for row in rows]
        blocks += [f"**{_escape_markdown(heading)}**", _tabulate(content.header, escaped, "pipe")]
    blocks += ["\n".join(f"- {_escape_markdown(note)}" for note in content.notes)]
    return "\n\n".join(blocks) + "\n"


def _latex(content: Table) -> str:
    """Return a float a setting, shrunk where wider than the page; the claim is in the first caption, notes are last."""
    blocks = ["% \\usepackage{booktabs,adjustbox}"]
    for place, (heading, rows) in enumerate(content.parts.items()):
        caption = f"{content.claim} {heading}" if place == 0 else heading
        body = _latex_text(_tabulate(content.header, rows, "latex_booktabs"))
        label = re.sub(r"\W+", "-", f"{content.name}-{heading.partition(':')[0]}")
        notes = "" if place < len(content.parts) - 1 else _latex_line(" ".join(content.notes))
        lines = ["\\begin{table}", "\\centering", f"\\caption{{{_latex_line(caption)}}}"]
        lines += [f"\\label{{tab:{label}}}", "\\begin{adjustbox}{max width=\\textwidth}", body, "\\end{adjustbox}"]
        lines += [f"\\par\\smallskip\\footnotesize {notes}"] if notes else []
        blocks.append("\n".join([*lines, "\\end{table}"]))
    return "\n\n".join(blocks) + "\n"


def _html(content: Table) -> str:
    blocks = [f"<h2>{escape(content.name)}</h2>", f"<p>{escape(content.claim)}</p>"]
    for heading, rows in content.parts.items():
        grid = str(_tabulate(content.header, rows, "html"))
        blocks += [f"<h3>{escape(heading)}</h3>", f'<div style="overflow-x:auto">\n{grid}\n</div>']
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in content.notes)
    return "\n".join([*blocks, f"<ul>\n{notes}\n</ul>"]) + "\n"


def _tabulate(header: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    align = ("left", *("right" for _ in header[1:]))
    return tabulate(rows, headers=header, tablefmt=form, colalign=align, disable_numparse=True)


def _latex_line(plain: str) -> str:
    """Escape running text as tabulate escapes a cell."""
    escapes = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$"}
    return _latex_text("".join(escapes.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in plain))


def _latex_text(escaped: str) -> str:
    """Write signs and powers of ten as mathematics, in text that is escaped already."""
    powers = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e(-?\d+)\b", r"$\1\\times 10^{\2}$", escaped)
    powers = re.sub(r"\)e(-?\d+)\b", r")$\\times 10^{\1}$", powers)
    for sign, command in SIGNS.items():
        powers = powers.replace(sign, command)
    return powers


def _escape_markdown(plain: str) -> str:
    return re.sub(r"([|<>`])", r"\\\1", plain).replace("_", r"\_")


RENDERERS: dict[Format, Callable[[Table], str]] = {"markdown": _markdown, "latex": _latex, "html": _html}
