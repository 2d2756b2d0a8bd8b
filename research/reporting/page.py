"""The report on runs: its table on the standard output, and table, figures and page as files."""

import shutil
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from research.config.experiment import Column
from research.errors import UserError
from research.reporting import measures, tables
from research.reporting.comparison import Comparison, read
from research.reporting.runs import flatten

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


def report(
    *runs: Path,
    format: tables.Format = "terminal",
    output: Path | None = None,
    caption: str = "",
    label: str = "",
    columns: Sequence[Column] = (),
    strict: bool = False,
) -> None:
    """Write the tables and figures of each experiment among the runs, print its table, and where the files are.

    After a table that is not for the terminal, the places are printed on the standard error: the output can be
    redirected. Runs that cannot be read are named there, too.

    Args:
        runs: directories of runs, or single runs.
        format: of the printed table.
        output: where files go, in a folder per experiment if there are several; None: `report` in the first of `runs`.
        caption: of the LaTeX table, instead of the claim.
        label: of the LaTeX table, instead of tab:NAME.
        columns: of the table, instead of the experiment's.
        strict: whether a run that cannot be read is an error.

    Raises:
        UserError: for a directory without runs, for runs that cannot be read, or if the files cannot be written.
    """
    measures.records.cache_clear()
    comparisons, faults = read(runs, columns)
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    if strict and faults:
        raise UserError("--strict: there are runs that cannot be read")
    names = [comparison.name for comparison in comparisons]
    for place, comparison in enumerate(comparisons):
        table = replace(tables.table(comparison), caption=caption, label=label)
        folder = output or runs[0] / "report"
        if len(names) > 1:
            folder /= f"{comparison.name}-{place + 1}" if names.count(comparison.name) > 1 else comparison.name
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
    tables.raw(comparison).to_csv(folder / "table.csv", index=False)
    flatten(comparison.trials).to_csv(folder / "runs.csv", index=False)
    lines = [f"table     {folder / 'table'}.{{{','.join(SUFFIXES.values())},csv}}", f"runs      {folder / 'runs.csv'}"]
    images = ""
    for name in comparison.experiment.figures:
        if name not in figures.FIGURES:
            allowed = ", ".join(figures.FIGURES)
            raise UserError(f"experiment {comparison.name}: figure {name!r}: must be one of {allowed}")
        try:
            figure = figures.draw(name, comparison)
            if figure is None:
                raise UserError("the runs have no record for it")
            png = figures.save(figure, folder, name)
        except OSError:
            raise
        except Exception as error:  # whatever it is, the other figures are drawn
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            lines.append(f"figure    {name}: not drawn, {kind}{' '.join(str(error).split())}")
            continue
        lines.append(f"figure    {folder / name}.{{{','.join(figures.FORMATS)}}}")
        data = b64encode(png.read_bytes()).decode()  # within the page, so that it needs no other file
        images += f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">\n'
    if page:
        content = {"title": escape(table.name), "table": tables.render(table, "html"), "images": images}
        (folder / "report.html").write_text(PAGE.format(**content), encoding="utf-8")
        lines.append(f"page      {folder / 'report.html'}")
    return lines
