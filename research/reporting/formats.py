"""A table as text: for a terminal, Markdown, LaTeX, HTML or CSV."""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from great_tables import GT, loc, style
from great_tables import html as raw_html
from tabulate import tabulate

from research.reporting.differences import Mark
from research.reporting.tables import Table
from research.reporting.terminal import lay_out

Format = Literal["terminal", "markdown", "latex", "html", "csv"]

NAMES = """
alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi chi
psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega pm times partial Vert le ge approx infty
to leftarrow in
"""
MATHEMATICS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ±×∂‖≤≥≈∞→←∈", NAMES.split(), strict=True))
"""LaTeX's names of signs that pdflatex does not read."""
SIGNS = {sign: f"$\\{name}$" for sign, name in MATHEMATICS.items()}
SIGNS |= {"−": "$-$", "—": "---", "–": "--", "…": r"\dots{}", "|": r"\textbar{}"}
"""What LaTeX has instead of a sign that it does not read, or, of `|`, that its usual font lacks."""
FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
"""Shrinks what is wider than the page."""

START, END = "\ue000", "\ue001"
"""What stands around a bold cell until the others are escaped; of no width, nor of any meaning to tabulate."""
BOLD = f"{START}{{}}{END}"


def render(content: Table, form: Format, width: int | None = None) -> str:
    """Return the table as text that ends in a newline; `terminal` wraps cells beyond a width in characters."""
    return lay_out(_marked(content, "{} *"), width) if form == "terminal" else RENDERERS[form](content)


def _marked(content: Table, best: str) -> Table:
    """Return the table with the cells marked that are best or tied."""
    forms: dict[Mark, str] = {"": "{}", "best": best, "tie": "{} ="}
    parts = {
        heading: [
            tuple(
                forms[content.marks.get((heading, row, column), "")].format(cell) for column, cell in enumerate(cells)
            )
            for row, cells in enumerate(rows)
        ]
        for heading, rows in content.parts.items()
    }
    return replace(content, parts=parts)


def _embolden(grid: str, start: str, end: str) -> str:
    return grid.replace(START, start).replace(END, end)


def _markdown(content: Table) -> str:
    name, claim = _escape_markdown(content.name), _escape_markdown(content.claim)
    blocks = [": ".join(filter(None, (f"**{name}**", claim)))]
    for heading, rows in _marked(content, BOLD).parts.items():
        escaped = [[_escape_markdown(cell) for cell in row] for row in rows]
        grid = _embolden(_tabulate(content, escaped, "pipe"), "**", "**")
        blocks += [f"**{_escape_markdown(heading)}**", grid]
    blocks += ["\n".join(f"- {_escape_markdown(note)}" for note in content.notes)]
    return "\n\n".join(blocks) + "\n"


def _latex(content: Table) -> str:
    """Return a float per setting, shrunk where wider than the page; the first has the claim, the last the notes."""
    blocks = ["% \\usepackage{booktabs,graphicx}"]
    settings = [heading.partition(": ")[0] if ": " in heading else "" for heading in content.parts]
    names = [re.sub(r"\W+", "-", setting) for setting in settings]
    ends = [name if name and names.count(name) == 1 else place + 1 for place, name in enumerate(names)]
    whole = content.label or "tab:" + re.sub(r"[^\w.+-]+", "-", content.name)
    labels = [f"{whole}-{end}" for end in ends] if len(ends) > 1 else [whole]
    for place, (heading, rows) in enumerate(_marked(content, BOLD).parts.items()):
        claim = content.caption or content.claim * (place == 0)
        heading = heading if settings[place] else heading[:1].upper() + heading[1:]
        words = f"{claim.removesuffix('.')}. {heading}" if claim else heading
        lines = ["\\begin{table}", "\\centering", f"\\caption{{{_latex_line(words)}}}", f"\\label{{{labels[place]}}}"]
        grid = _embolden(_latex_text(_tabulate(content, rows, "latex_booktabs")), "\\textbf{", "}")
        last = labels[place] == labels[-1]
        notes = _latex_line(" ".join(content.notes)) if last else f"Notes: see table~\\ref{{{labels[-1]}}}."
        blocks.append("\n".join([*lines, FIT, f"{grid}}}", f"\\par\\smallskip\\footnotesize {notes}", "\\end{table}"]))
    return "\n\n".join(blocks) + "\n"


def _html(content: Table) -> str:
    """Return one table with a group of rows for each setting."""
    columns: dict[str, Any] = {
        f"column_{place}": raw_html(html.escape(title)) for place, title in enumerate(content.header)
    }
    rows = [[heading, *row] for heading, part in _marked(content, "{}").parts.items() for row in part]
    first = dict(zip(content.parts, np.cumsum([0, *map(len, content.parts.values())]).tolist(), strict=False))
    name = "table-" + re.sub(r"[^\w-]+", "-", content.name)
    table = GT(pd.DataFrame(rows, columns=pd.Index(["part", *columns])), groupname_col="part", id=name)
    claim = raw_html(html.escape(content.claim)) if content.claim else None
    table = table.tab_header(raw_html(html.escape(content.name)), claim)
    table = table.cols_label(columns).cols_align("right", [*columns][content.num_keys :])
    for (heading, row, column), mark in content.marks.items():
        if mark == "best":
            place = loc.body([*columns][column], [first[heading] + row])
            table = table.tab_style(style.text(weight="bold"), place)
    for note in content.notes:
        table = table.tab_source_note(raw_html(html.escape(note)))
    table = table.tab_options(heading_align="left")
    return table.opt_css(f"#{name} .gt_row {{ white-space: nowrap; }}").as_raw_html().strip() + "\n"


def _tabulate(content: Table, rows: Sequence[Sequence[str]], form: str) -> str:
    align = ["left" if place < content.num_keys else "right" for place in range(len(content.header))]
    header = [_escape_markdown(title) for title in content.header] if form == "pipe" else content.header
    return tabulate(rows, headers=header, tablefmt=form, colalign=align, disable_numparse=True)


def _latex_line(plain: str) -> str:
    """Escape running text as tabulate escapes a cell."""
    escapes = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$"}
    return _latex_text("".join(escapes.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in plain))


def _latex_text(escaped: str) -> str:
    """Write signs and powers of ten as mathematics, in text that is escaped already."""
    powers = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e(-?\d+)\b", r"$\1\\times 10^{\2}$", escaped)
    powers = re.sub(r"([)\]])e(-?\d+)\b", r"\1$\\times 10^{\2}$", powers)
    for sign, command in SIGNS.items():
        powers = powers.replace(sign, command)
    return powers


def _escape_markdown(plain: str) -> str:
    """Escape what would be markup, and the signs that make a link of an address."""
    escaped = re.sub(r"([\\|<>`*_\[\]~]|:(?=//)|(?<=www)\.)", r"\\\1", plain)
    return re.sub(r"(?<=\S)@(?=\S)", "<!-- -->@", escaped)  # GitHub makes a link of an escaped @ as well


def _csv(content: Table) -> str:
    return content.numbers.to_csv(index=False)


RENDERERS: dict[Format, Callable[[Table], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "html": _html,
    "csv": _csv,
}
