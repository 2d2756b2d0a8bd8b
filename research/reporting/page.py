"""The report on runs: its table on the standard output, and table, figures and page as files."""

import itertools
import re
import shutil
import sys
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from research.config.experiment import Column
from research.errors import UserError, first_line, shorten, suggest, visible
from research.reporting import tables
from research.reporting.columns import check
from research.reporting.comparison import AS_DECLARED, Comparison, Outside, read
from research.reporting.formats import Format, render
from research.reporting.interactive.examples import Example
from research.reporting.interactive.render import render as render_page
from research.reporting.layout import Layout, require_numbers
from research.reporting.measures import When
from research.reporting.runs import flatten
from research.tasks.task import Split

NO_FIGURE = "none"
WIDTH = 120
"""Letters of a line of a table that is printed, but not on a terminal."""
MAX_ROWS = 28
"""Rows of a section that colors and line styles tell apart; figures of more are drawn only where they are asked for."""
SUFFIXES: dict[Format, str] = {"markdown": "md", "latex": "tex", "html": "html", "csv": "csv"}
Predict = Callable[[Path, Split], Sequence[Example]]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }}
table {{ font-variant-numeric: tabular-nums }}
img {{ width: 100%; margin-top: 2rem }}
</style>
{table}{images}
</html>
"""


def report(
    *runs: Path,
    format: Format | Literal["page"] = "terminal",
    output: Path | None = None,
    caption: str = "",
    label: str = "",
    columns: Sequence[Column] = (),
    layout: Layout = AS_DECLARED,
    outside: Outside = lambda folder, runs: (),
    figure: Sequence[str] = (),
    at: Sequence[When] = (),
    x: str = "",
    y: Column | None = None,
    figure_formats: Sequence[str] = (),
    strict: bool = False,
    predict: Predict | None = None,
) -> None:
    """Print the table of each experiment among the runs, write its files, and print where they are.

    After a table that is not for the terminal, the places are printed on the standard error: the output can be
    redirected. Runs that cannot be read are named there, too.

    Args:
        runs: directories of runs, or single runs.
        format: of the printed table; "page": that of the terminal, and the interactive page is written.
        output: where files go, in a folder per experiment if there are several; None: `report` in the first of `runs`.
        caption: of the LaTeX table, instead of the claim.
        label: of the LaTeX table, instead of tab:NAME.
        columns: of the table, instead of the experiment's.
        layout: which runs, and the config keys of rows and sections.
        outside: returns runs to leave out, as in `comparison.read`.
        figure: names of the figures, instead of the experiment's; "none": no figure.
        at: training steps at which figures of gradient profiles are drawn: a file for each.
        x: config key, or metric, that is the horizontal axis of the figures that let it be chosen; "": their own.
        y: metric and statistic of their vertical axis; None: the first column of test or validation examples.
        figure_formats: of the figures, besides PNG.
        strict: whether a run that cannot be read is an error.
        predict: returns what a run predicts for examples of a split; None: the page and figures show none.

    Raises:
        UserError: for a directory without runs, for runs that cannot be read, or for a figure that there is not.
        OSError: if the files cannot be written.
    """
    axes = {key: value for key, value in {"x": x, "y": y}.items() if value}
    for name in figure:
        if name != NO_FIGURE:
            _check_figure(name, at, axes)
    options: Sequence[Mapping[str, Any]] = [{"when": step} for step in at] or [axes]
    drawn = [(name, chosen) for name in figure for chosen in options]
    comparisons, faults = read(runs, columns, layout, outside)
    _check_axes(figure, comparisons, x, y)
    for fault in faults:
        print(visible(f"left out: {fault}"), file=sys.stderr)
    if strict and faults:
        raise UserError("--strict: there are runs that cannot be read")
    names = [comparison.name for comparison in comparisons]
    printed: Format = "terminal" if format == "page" else format
    for place, comparison in enumerate(comparisons):
        table = replace(tables.table(comparison), caption=caption, label=label)
        folder = output or runs[0] / "report"
        if len(names) > 1:
            folder /= f"{comparison.name}-{place + 1}" if names.count(comparison.name) > 1 else comparison.name
        folder.mkdir(parents=True, exist_ok=True)
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        print(render(table, printed, width), end="\n" if printed == "terminal" else "", flush=True)
        lines = _write(comparison, table, folder, drawn, figure_formats, predict, page=format == "html")
        for line in itertools.chain(lines, _write_page(comparison, table, folder, predict) if format == "page" else ()):
            print(visible(line), file=sys.stdout if printed == "terminal" else sys.stderr, flush=True)


def _write(
    comparison: Comparison,
    table: tables.Table,
    folder: Path,
    asked: Sequence[tuple[str, Mapping[str, Any]]],
    figure_formats: Sequence[str],
    predict: Predict | None,
    page: bool,
) -> Iterator[str]:
    """Write all files of one experiment; yield a line for each kind, with its place."""
    for form, suffix in SUFFIXES.items():
        (folder / f"table.{suffix}").write_text(render(table, form), encoding="utf-8")
    yield f"table     {folder / 'table'}.{{{','.join(SUFFIXES.values())}}}"
    flatten(comparison.trials).to_csv(folder / "runs.csv", index=False)
    yield f"runs      {folder / 'runs.csv'}"
    rows = max(section["row"].nunique() for section in comparison.sections)
    images = ""
    for name, options in asked or [(name, {}) for name in comparison.experiment.figures]:
        if name == NO_FIGURE:
            continue
        if not asked and rows > MAX_ROWS:
            yield f"figure    {name}: not drawn, {rows} rows are more than {MAX_ROWS}; --figure={name} draws it"
            continue
        lines, png = _draw(name, options, comparison, folder, figure_formats, predict)
        yield from lines
        if png:  # within the page, so that it needs no other file
            images += f'<img alt="{escape(name)}" src="data:image/png;base64,{b64encode(png).decode()}">\n'
    if page:
        content = {"title": escape(table.name), "table": render(table, "html"), "images": images}
        (folder / "report.html").write_text(PAGE.format(**content), encoding="utf-8")
        yield f"page      {folder / 'report.html'}"


def _write_page(comparison: Comparison, table: tables.Table, folder: Path, predict: Predict | None) -> Iterator[str]:
    """Write the interactive page; yield a line for what it lacks, and one with its place."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        content = render_page(comparison, table, _examples(comparison, predict, "test") if predict else {})
    yield from dict.fromkeys(f"page      {warning.message!s}" for warning in caught)
    (folder / "page.html").write_text(content, encoding="utf-8")
    yield f"page      {folder / 'page.html'}"


def _examples(comparison: Comparison, predict: Predict, split: Split) -> dict[Path, Sequence[Example]]:
    """Return what one finished run of each row predicts; warn of those that cannot."""
    examples = {}
    for run in comparison.trials.dropna(subset="result").drop_duplicates(["section", "row"])["run"]:
        print(visible(f"predicts with {run.path}"), file=sys.stderr, flush=True)
        try:
            examples[run.path] = predict(run.path, split)
        except (UserError, OSError) as error:
            warnings.warn(f"no examples of {run.path}: {first_line(error)}", stacklevel=2)
    return examples


def _draw(
    name: str,
    options: Mapping[str, Any],
    comparison: Comparison,
    folder: Path,
    formats: Sequence[str],
    predict: Predict | None,
) -> tuple[list[str], bytes]:
    """Write a figure; return lines that say where, or why not and what is left out, and the PNG."""
    from research.reporting import figures  # matplotlib, which takes a second: after the table is printed

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            _check_figure(name)
            content = dict(options)
            if name in figures.OF_EXAMPLES:
                if predict is None:
                    raise UserError(f"it loads the models of the runs; --figure={name} draws it")
                content["examples"] = _examples(comparison, predict, "validation")
            figure = figures.draw(name, comparison, **content)
            name = "_".join(
                [name, *(f"at_{value}" if key == "when" else _word(value) for key, value in options.items())]
            )
            if figure is None:
                raise UserError("the runs have no record for it")
            paths = figures.save(figure, folder, name, formats)
        except OSError:
            raise
        except Exception as error:  # whatever it is, the other figures are drawn
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            line, png = f"figure    {name}: not drawn, {kind}{first_line(error)}", b""
        else:
            suffixes = ",".join(["png", *formats])
            line = f"figure    {folder / name}.{f'{{{suffixes}}}' if formats else suffixes}"
            png = paths[0].read_bytes()
    notes = [f"figure    {name}: {warning.message!s}" for warning in caught if warning.category is UserWarning]
    return [*dict.fromkeys(notes), line], png


def _word(axis: str | Column) -> str:
    """Return the name of an axis as part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", axis if isinstance(axis, str) else axis.title)


def _check_figure(name: str, at: Sequence[When] = (), axes: Iterable[str] = ()) -> None:
    from research.reporting.figures import AT, AXES, FIGURES

    if name not in FIGURES:
        raise UserError(f"figure {shorten(name)!r}: no such figure; {suggest(name, FIGURES)}")
    if at and name not in AT:
        raise UserError(f"figure {name}: must be one of {', '.join(AT)} with --at")
    for axis in axes:
        if name not in AXES:
            raise UserError(f"figure {name}: must be one of {', '.join(AXES)} with --{axis}")


def _check_axes(figure: Sequence[str], comparisons: Sequence[Comparison], x: str, y: Column | None) -> None:
    """Reject axes that the runs do not have."""
    trials = pd.concat([comparison.trials for comparison in comparisons])
    if "metric_by_key" in figure:
        require_numbers(trials, x)
    if x and "pareto_front" in figure:
        check([Column(x, x)], trials)
    check([y] if y else [], trials)
