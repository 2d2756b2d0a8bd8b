"""Write the tables of results in docs/experiments.md from run directories, and from these those of README.md.

    python -m benchmarks.result_tables [RUNS]        # the folder of the sweeps, by default runs

In docs/experiments.md the tables of a sweep stand between `<!-- report SWEEP -->` and `<!-- end -->`; those of a sweep
without runs stay. In README.md a line `<!-- numbers SWEEP/SECTION COLUMN; ... -->` stands above a table. It says for
each column but the first where its numbers are from; the table's own first column names the rows. README.md also gets
the line of docs/verdicts.md that counts the claims.
"""

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from research.errors import UserError
from research.reporting.comparison import read
from research.reporting.formats import render
from research.reporting.tables import table
from research.sweep import membership

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- report (\w+) -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- numbers (.*?) -->\n)((?:\|.*\n)+)")


def parts(runs: Path) -> str:
    """Return the tables of the report on a sweep in Markdown, each under its section, without claim and notes."""
    (comparison,), _ = read([runs], outside=membership.outside)
    blocks = render(table(comparison), "markdown").split("\n\n")[1:-1]
    return "\n\n".join(
        _compact(block) if block.startswith("|") else textwrap.fill(block, 120, break_on_hyphens=False)
        for block in blocks
    )


def _compact(grid: str) -> str:
    """Return a table without the spaces that align it."""
    head, rule, *rows = grid.splitlines()
    head, *rows = ("| " + " | ".join(_cells(line)) + " |" for line in (head, *rows))
    return "\n".join([head, re.sub("-+", "---", rule), *rows])


def write_reports(page: str, report: Callable[[str], str | None]) -> str:
    """Return the page with the tables that `report` returns for each sweep; None keeps those that there are."""
    return BLOCK.sub(lambda found: found[1] + (report(found[2]) or found[3]) + found[4], page)


def write_numbers(page: str, source: str) -> str:
    """Return the page with the numbers that the tables of `source` have."""
    blocks = {found[2]: found[3] for found in BLOCK.finditer(source)}

    def written(found: re.Match[str]) -> str:
        head, rule, *lines = found[3].splitlines()
        rows = [_cells(line) for line in lines]
        for column, place in enumerate(found[2].split("; "), start=1):
            sweep, section, title = re.fullmatch(r"(\w+)(?:/(\w+))? (.*)", place).groups()  # pyright: ignore[reportOptionalMemberAccess]
            _, _, block = blocks[sweep].partition("**" + (section or "").replace("_", r"\_"))
            titles, _, *numbers = map(_cells, re.findall(r"(?:^\|.*\n?)+", block, re.MULTILINE)[0].splitlines())
            by_row = {cells[0]: cells[titles.index(title)] for cells in numbers}
            for cells in rows:
                cells[column] = by_row[cells[0]]
        return found[1] + "\n".join([head, rule, *(f"| {' | '.join(cells)} |" for cells in rows), ""])

    return TABLE.sub(written, page)


def write_count(page: str, verdicts: str) -> str:
    """Return the page with the line of `verdicts` that counts the claims, and its paragraph wrapped anew."""
    (count,) = re.findall(r"^\d+ claims: .*\.$", verdicts, re.MULTILINE)
    paragraphs = page.split("\n\n")
    (place,) = (place for place, text in enumerate(paragraphs) if re.search(r"\d+\sclaims:", text))
    text = re.sub(r"\d+ claims: [^.]*\.", lambda _: count, " ".join(paragraphs[place].split()))
    paragraphs[place] = textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False)
    return "\n\n".join(paragraphs)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def main(runs: Path) -> None:
    """Write both pages, and say which sweeps have no runs."""
    readme, experiments = ROOT / "README.md", ROOT / "docs" / "experiments.md"

    def report(sweep: str) -> str | None:
        try:
            return parts(runs / sweep)
        except UserError as error:
            print(f"kept: {error}")
            return None

    text = write_reports(experiments.read_text(encoding="utf-8"), report)
    experiments.write_text(text, encoding="utf-8")
    verdicts = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    page = write_count(write_numbers(readme.read_text(encoding="utf-8"), text), verdicts)
    readme.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or ["runs"]))
