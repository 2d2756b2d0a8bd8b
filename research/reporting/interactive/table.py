"""The table of a comparison in HTML: titles sort it, and numbers open the runs that they are from."""

import html
import math
from collections.abc import Iterator

from research.errors import escape
from research.reporting.comparison import Comparison
from research.reporting.differences import Mark
from research.reporting.tables import Table


def lines(comparison: Comparison, table: Table) -> Iterator[str]:
    """Yield the parts of the table, then its notes."""
    cells, num_columns = comparison.cells, len(comparison.experiment.columns)
    places = dict(zip(comparison.trials.index, range(len(comparison.trials)), strict=True))
    centers = iter(table.numbers["value"])  # in the order of the cells, without those that baselines do not have
    head = "".join(
        f'<th scope="col"{" class=name" * (place < table.num_keys)} aria-sort="none">'
        f'<button type="button" class="sort">{html.escape(title)}</button></th>'
        for place, title in enumerate(table.header)
    )
    for (heading, rows), section in zip(table.parts.items(), comparison.sections, strict=True):
        groups = [row for _, row in section.groupby("row", sort=False)]
        yield f"<h3>{html.escape(heading)}</h3>"
        yield f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(heading)}">'
        yield f"<table><thead><tr>{head}</tr></thead><tbody>"
        for number, row in enumerate(rows):
            if number >= len(groups):  # a baseline, which is of no run
                yield f'<tr><td class="text">{html.escape(row[0])}</td>'
                yield from (f"<td{_order(next(centers)) if text else ''}>{html.escape(text)}</td>" for text in row[1:])
                yield "</tr>"
                continue
            trials = groups[number]
            assert row[: table.num_keys] == tuple(map(escape, cells.loc[trials.index[0]]))
            yield f'<tr data-runs="{",".join(str(places[index]) for index in trials.index)}">'
            yield from (f'<th scope="row">{html.escape(text)}</th>' for text in row[: table.num_keys])
            yield _cell(row[table.num_keys], -1, math.nan, "")
            for column, text in enumerate(row[-num_columns:] if num_columns else ()):
                place = table.num_keys + 1 + column
                yield _cell(text, column, next(centers), table.marks.get((heading, number, place), ""))
            yield "</tr>"
        yield "</tbody></table></div>"
    yield "<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in table.notes) + "</ul>"


def _cell(text: str, column: int, center: float, mark: Mark) -> str:
    """Return a cell that opens the runs; it is sorted by its center, or by its text if it has none."""
    text = html.escape(f"{text} =" if mark == "tie" else text)
    text = f"<b>{text}</b>" if mark == "best" else text
    button = f'<button type="button" class="open" aria-expanded="false" data-column="{column}">{text}</button>'
    return f"<td{_order(center)}>{button}</td>"


def _order(center: float) -> str:
    return "" if math.isnan(center) else f' data-order="{center}"'
