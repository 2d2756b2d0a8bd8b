"""A table on a terminal: as wide as its widest cells, or fitted to the terminal."""

import functools
import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len  # of characters that take two places, too

from research.reporting.numbers import DASH

if TYPE_CHECKING:
    from research.reporting.tables import Table

TITLE = 24
"""Letters of a line of a column's title in a terminal that is too narrow."""
WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
MANY_BLOCKS = 4
"""Blocks of columns one below the other that need no advice."""


def lay_out(content: "Table", width: int | None = None) -> str:
    """Return columns next to each other; where they do not fit, with names and titles wrapped, and in blocks."""
    natural = _widths([content.header, *itertools.chain(*content.parts.values())])
    wrapped = width is not None and sum(natural) > width
    names = range(content.num_keys)
    most = dict.fromkeys(range(len(natural)), TITLE)
    most |= _name_widths(natural[: len(names)], width or 0)

    def lines(row: Sequence[str], title: bool = False) -> list[tuple[str, ...]]:
        """Return the lines of a row; only names, and titles of columns, have several."""
        cells = [_wrap(cell, most[c]) if wrapped and (title or c in names) else [cell] for c, cell in enumerate(row)]
        return list(itertools.zip_longest(*cells, fillvalue=""))

    header = lines(content.header, title=True)
    grids = {heading: list(map(lines, part)) for heading, part in content.parts.items()}
    widths = _widths([*header, *itertools.chain(*itertools.chain(*grids.values()))])
    fill = functools.partial(textwrap.fill, width=min(width or 120, 120), **WHOLE_WORDS)

    def line(row: Sequence[str], block: list[int]) -> str:
        left = [row[column] + " " * (widths[column] - cell_len(row[column])) for column in names]
        right = [" " * (widths[column] - cell_len(row[column])) + row[column] for column in block]
        return ("".join(left).removesuffix("   ") + "".join(right)).rstrip()

    texts, most_blocks = [fill(": ".join(filter(None, (content.name, content.claim))))], 0
    for heading, grid in grids.items():
        shown = [
            c
            for c in range(len(widths))
            if c in names or not wrapped or any(row[0][c] not in ("", DASH) for row in grid)
        ]
        seeds = [c for c in shown[len(names) :][:1] if content.header[c] == "seeds"]  # in each block
        keys = sum(widths[c] for c in (*names, *seeds))
        blocks = [
            [*seeds, *block] for block in _blocks(widths, shown[len(names) + len(seeds) :], width or sum(widths), keys)
        ]
        most_blocks = max(most_blocks, len(blocks))
        parts = []
        for block in blocks:
            rule = "─" * (sum(widths[c] for c in (*names, *block)) - 3)
            titles = filter(None, (line(row, block) for row in header))
            filled = [row for row in grid if any(row[0][c] for c in block)]  # not a baseline of other columns
            parts.append("\n".join([*titles, rule, *(line(text, block) for row in filled for text in row)]))
        texts += [f"{fill(heading)}\n{parts[0]}", *parts[1:]]
    advice = "For fewer columns, choose some with --columns; --list-metrics names all metrics."
    notes = [*content.notes, *[advice] * (most_blocks > MANY_BLOCKS)]
    return "\n\n".join([*texts, "\n".join(map(fill, notes))]) + "\n"


def _name_widths(natural: Sequence[int], width: int) -> dict[int, int]:
    """Return how wide each column of names may be: as it is, or together half of the terminal."""
    fits = sum(natural) <= width // 2
    return {column: size if fits else width // (2 * len(natural)) - 3 for column, size in enumerate(natural)}


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column, and of the space to the next."""
    return [max(map(cell_len, column)) + 3 for column in zip(*rows, strict=True)]


def _wrap(text: str, width: int) -> list[str]:
    """Return the lines of a name, broken between words alone, those after the first indented."""
    return textwrap.wrap(text, width, subsequent_indent="  ", **WHOLE_WORDS) or [""]


def _blocks(widths: Sequence[int], columns: Sequence[int], width: int, keys: int) -> list[list[int]]:
    """Return columns in groups that fit next to those of all groups, which are `keys` wide."""
    blocks: list[list[int]] = [[]]
    for column in columns:
        if blocks[-1] and keys + sum(widths[c] for c in blocks[-1]) + widths[column] > width:
            blocks.append([])
        blocks[-1].append(column)
    return blocks
