"""The report on a directory of runs: its table on the standard output, and table, figures and page as files."""

import shutil
import sys
from base64 import b64encode
from html import escape
from pathlib import Path

from research.errors import UserError
from research.reporting import measures, tables
from research.reporting.comparison import Comparison, read
from research.tracking.run_directory import find

SUFFIXES: dict[tables.Format, str] = {"markdown": "md", "latex": "tex", "html": "html"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; border-block: 2px solid #222 }}
td, th {{ padding: .25rem .5rem; white-space: nowrap }}
thead {{ border-bottom: 1px solid #222 }}
h3 {{ font-size: 1rem; margin: 1.6rem 0 .4rem }}
img {{ width: 100%; margin-top: 2rem }}
</style>
{table}{images}
</html>
"""


def report(runs: Path, format: tables.Format = "terminal", output: Path | None = None) -> None:
    """Write the tables and figures of each experiment among the runs, print its table, and where the files are.

    They go to `output`, by default RUNS/report, in a folder for each experiment if there are several. After a table
    that is not for the terminal, the places are printed on the standard error: the output can be redirected.
    """
    directories = find(runs)
    if not directories:
        raise UserError(f"{runs}: no runs in it; `research sweep sweeps/NAME.yaml` creates runs/NAME")
    measures.records.cache_clear()
    comparisons = read(directories)
    for comparison in comparisons:
        table = tables.table(comparison)
        folder = (output or runs / "report") / (comparison.name if len(comparisons) > 1 else "")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines = _write(comparison, table, folder, page=format == "html")
        except OSError as error:
            raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(tables.render(table, format, width), end="\n" if format == "terminal" else "", flush=True)
        print(*lines, sep="\n", file=sys.stdout if format == "terminal" else sys.stderr)


def _write(comparison: Comparison, table: tables.Table, folder: Path, page: bool) -> list[str]:
    """Write all files of one experiment; return a line for each kind, with its place."""
    from research.reporting import figures

    for form, suffix in SUFFIXES.items():
        (folder / f"table.{suffix}").write_text(tables.render(table, form), encoding="utf-8")
    lines = [f"table     {folder / 'table'}.{{{','.join(SUFFIXES.values())}}}"]
    images = ""
    for name in comparison.experiment.figures:
        if name not in figures.FIGURES:
            allowed = ", ".join(figures.FIGURES)
            raise UserError(f"experiment {comparison.name}: figure {name!r}: must be one of {allowed}")
        figure = figures.draw(name, comparison)
        if figure is None:
            lines.append(f"figure    {name}: not drawn, the runs have no record for it")
            continue
        png = figures.save(figure, folder, name)[0]
        lines.append(f"figure    {folder / name}.{{png,svg}}")
        data = b64encode(png.read_bytes()).decode()  # within the page, so that it needs no other file
        images += f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">\n'
    if page:
        content = {"title": escape(table.name), "table": tables.render(table, "html"), "images": images}
        (folder / "report.html").write_text(PAGE.format(**content), encoding="utf-8")
        lines.append(f"page      {folder / 'report.html'}")
    return lines
