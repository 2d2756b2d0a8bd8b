"""The table of an experiment, built once in plain text and rendered for a terminal, Markdown, LaTeX or HTML."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

import fnmatch
import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from tabulate import tabulate

from research.config.experiment import Column
from research.errors import escape
from research.reporting.columns import counted, metrics, values
from research.reporting.comparison import Comparison, describe, key_titles, task_of
from research.reporting.statistics import DASH, INTERVAL, numbers, text
from research.reporting.terminal import lay_out
from research.reporting.titles import with_unit

Format = Literal["terminal", "markdown", "latex", "html"]

SIGNS = {"±": r"$\pm$", "×/÷": r"$\times\!/\!\div$", "—": "---", "–": "--", "∂": r"$\partial$", "‖": r"$\Vert$"}
"""What is not ASCII in a table, for LaTeX."""


@dataclass(frozen=True)
class Table:
    """The table of an experiment, as text."""

    name: str
    claim: str
    """Of the experiment, or the description of the sweep; may be empty."""
    header: tuple[str, ...]
    parts: Mapping[str, Sequence[tuple[str, ...]]]
    """The rows of each setting, by its heading."""
    notes: tuple[str, ...]
    num_keys: int = 1
    """Leading columns that name the row."""
    caption: str = ""
    """Replaces the claim in LaTeX."""
    label: str = ""
    """Of the float in LaTeX; empty: tab:NAME. Of several floats, each adds the name of its setting."""


def table(comparison: Comparison) -> Table:
    """Return the table of a comparison: a part per section, a row per variant, a column per metric over the seeds.

    Control characters of config values are escaped: they would do something on a terminal, or break a line.
    """
    experiment, keys = comparison.experiment, comparison.keys
    titles = map(with_unit, experiment.columns)
    parts, cells = {}, comparison.cells
    for section in comparison.sections:
        setting = section["setting"].iloc[0]
        heading = f"{setting}: {describe(section)}" if setting else describe(section)
        parts[heading] = [
            (*cells.loc[row.index[0]], *_row(row, experiment.columns)) for _, row in section.groupby("row", sort=False)
        ]
    header, claim = (*key_titles(keys), "seeds", *titles), " ".join(experiment.claim.split())
    notes = tuple(map(escape, _notes(comparison, parts)))
    parts = {escape(heading): [tuple(map(escape, row)) for row in rows] for heading, rows in parts.items()}
    return Table(escape(comparison.name), escape(claim), tuple(map(escape, header)), parts, notes, len(keys))


def raw(comparison: Comparison) -> pd.DataFrame:
    """Return the numbers of the table unrounded, a line per row.

    Columns are the setting, the task, the keys of the row, the numbers of its trials, and for each metric the mean
    (KEY), the ends of its interval (KEY/low, KEY/high) and the number of seeds in it (KEY/n).
    """
    lines, names = [], metrics(comparison.trials)
    for _, row in comparison.trials.groupby(["section", "row"], sort=False):
        first, done = row.iloc[0], counted(row)
        line = {"setting": first["setting"], "task": task_of(row), **first[list(comparison.keys)]}
        line |= {
            "trials": len(row),
            "finished": len(done),
            "diverged": _count(row, "diverged"),
            "stopped": _count(row, "stopped"),
        }
        for column in comparison.experiment.columns:
            mean, low, high, count = numbers(values(row, column.key), column.scale)
            matches = fnmatch.filter(names, column.key)
            key = matches[0] if len(matches) == 1 else column.key
            line |= {key: mean, f"{key}/low": low, f"{key}/high": high, f"{key}/n": count}
        lines.append(line)
    return pd.DataFrame(lines)


def render(content: Table, form: Format, width: int | None = None) -> str:
    """Return the table as text that ends in a newline; `terminal` wraps cells beyond a width in characters."""
    return lay_out(content, width) if form == "terminal" else RENDERERS[form](content)


def _row(row: pd.DataFrame, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the number of seeds and the cells of a row."""
    done = counted(row)
    seeds = str(len(done)) if len(done) == len(row) else f"{len(done)} of {len(row)}"
    others = ", ".join(f"{count} {name}" for name in ("diverged", "stopped") if (count := _count(row, name)))
    cells = [text(values(row, column.key), column.scale, column.unit) for column in columns]
    return (f"{seeds} ({others})" if others else seeds, *cells)


def _count(trials: pd.DataFrame, status: str) -> int:
    return sum(result.get("status") == status for result in trials["result"].dropna())


def _notes(comparison: Comparison, parts: Mapping[str, Sequence[tuple[str, ...]]]) -> list[str]:
    cells = [cell for rows in parts.values() for row in rows for cell in row[len(comparison.keys) :]]
    factors = "; ×/÷: geometric mean and the interval as a factor" if any("×/÷" in cell for cell in cells) else ""
    notes = [f"Mean ± {INTERVAL} over seeds{factors}."]
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
    notes += [*_weights(trials), *_identical(comparison)]
    unfinished = trials[trials["result"].isna()]
    if len(unfinished):
        rows = unfinished.groupby(["section", "row"], sort=False).size()
        several = trials["section"].nunique() > 1
        places = [
            (f"{next(filter(None, section.split(': ', 1)))} / " if several else "") + f"{label} ({count})"
            for (section, label), count in rows.items()
        ]
        more = f" and {len(places) - 6} more rows" if len(places) > 6 else ""
        verb = "have" if len(unfinished) > 1 else "has"
        notes.append(f"{len(unfinished)} of {len(trials)} trials {verb} no result yet: {', '.join(places[:6])}{more}.")
    if comparison.duplicates:
        notes.append(f"Not counted, as they repeat the config and seed of another run: {comparison.duplicates}.")
    return notes


def _weights(trials: pd.DataFrame) -> Iterator[str]:
    """Yield a note if some trials are scored with their best weights, and one if some have stopped early."""
    results = list(trials["result"].dropna())
    kept = [result.get("weights") or {"kept": "last"} for result in results]
    if metrics := dict.fromkeys(weights["metric"] for weights in kept if weights["kept"] == "best"):
        count = sum(weights["kept"] == "best" for weights in kept)
        which = "" if count == len(results) else f" in {count} of {len(results)} trials"
        yield f"Scored with the weights that have the best {' or '.join(metrics)}{which}."
    for by_sweep in (False, True):
        early = [result for result in results if result.get("stopped_early")]
        steps = [result["stopped_early"]["step"] for result in early if (result.get("status") == "stopped") == by_sweep]
        if steps:
            after = " to ".join(map(str, dict.fromkeys((min(steps), max(steps)))))
            why = " by the sweep, and not counted" if by_sweep else ""
            yield f"Stopped early{why}: {len(steps)} of {len(results)} trials, after {after} updates."


def _identical(comparison: Comparison) -> Iterator[str]:
    """Yield a note if rows have the same train loss and test metrics, bit for bit, with every seed."""
    for section in comparison.sections:
        rows: dict[tuple[Any, ...], list[str]] = {}
        for label, row in section.dropna(subset="result").groupby("row", sort=False):
            trials = zip(row["seed"], row["result"], strict=True)
            results = {
                (seed, key, value)
                for seed, result in trials
                for key, value in result["summary"].items()
                if "train/loss" in result["summary"] and key.startswith(("train/loss", "test/"))
            }
            rows.setdefault(tuple(sorted(results, key=str)), []).append(str(label))
        same = [" = ".join(labels) for results, labels in rows.items() if results and len(labels) > 1]
        if same:
            more = f" and {len(same) - 3} more" if len(same) > 3 else ""
            yield f"Bit for bit the same results, so what they differ in does nothing: {'; '.join(same[:3])}{more}."


def _markdown(content: Table) -> str:
    name, claim = _escape_markdown(content.name), _escape_markdown(content.claim)
    blocks = [": ".join(filter(None, (f"**{name}**", claim)))]
    for heading, rows in content.parts.items():
        escaped = [[_escape_markdown(cell) for cell in row] for row in rows]
        blocks += [f"**{_escape_markdown(heading)}**", _tabulate(content, escaped, "pipe")]
    blocks += ["\n".join(f"- {_escape_markdown(note)}" for note in content.notes)]
    return "\n\n".join(blocks) + "\n"


def _latex(content: Table) -> str:
    """Return a float per setting, shrunk where wider than the page; the claim is in the first caption."""
    blocks = ["% \\usepackage{booktabs,adjustbox}"]
    names = [re.sub(r"\W+", "-", re.split("[:;]", heading)[0]) for heading in content.parts]
    for place, ((heading, rows), name) in enumerate(zip(content.parts.items(), names, strict=True)):
        claim = content.caption or content.claim * (place == 0)
        words = f"{claim.removesuffix('.')}. {heading}" if claim else heading
        label = content.label or f"tab:{content.name}"
        if len(names) > 1:
            label += f"-{name if names.count(name) == 1 else place + 1}"
        lines = ["\\begin{table}", "\\centering", f"\\caption{{{_latex_line(words)}}}", f"\\label{{{label}}}"]
        lines += ["\\begin{adjustbox}{max width=\\textwidth}", _latex_text(_tabulate(content, rows, "latex_booktabs"))]
        lines += ["\\end{adjustbox}"]
        if place == len(names) - 1:
            lines.append(f"\\par\\smallskip\\footnotesize {_latex_line(' '.join(content.notes))}")
        blocks.append("\n".join([*lines, "\\end{table}"]))
    return "\n\n".join(blocks) + "\n"


def _html(content: Table) -> str:
    blocks = [f"<h2>{html.escape(content.name)}</h2>"] + [f"<p>{html.escape(content.claim)}</p>"] * bool(content.claim)
    for heading, rows in content.parts.items():
        grid = str(_tabulate(content, rows, "html"))
        blocks += [f"<h3>{html.escape(heading)}</h3>", f'<div style="overflow-x:auto">\n{grid}\n</div>']
    notes = "\n".join(f"<li>{html.escape(note)}</li>" for note in content.notes)
    return "\n".join([*blocks, f"<ul>\n{notes}\n</ul>"]) + "\n"


def _tabulate(content: Table, rows: Sequence[Sequence[str]], form: str) -> str:
    align = ["left" if place < content.num_keys else "right" for place in range(len(content.header))]
    return tabulate(rows, headers=content.header, tablefmt=form, colalign=align, disable_numparse=True)


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
    """Escape what would be markup, and the sign that makes a link of an address."""
    return re.sub(r"([\\|<>`*_\[\]~]|:(?=//)|(?<=www)\.)", r"\\\1", plain)


RENDERERS: dict[Format, Callable[[Table], str]] = {"markdown": _markdown, "latex": _latex, "html": _html}
