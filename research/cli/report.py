"""`report`: table and figures of trials."""

import functools
import itertools
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from research.cli.parser import parse_command, words_of
from research.config.experiment import Column, Statistic
from research.errors import UserError, visible
from research.options import require

NOT_EMPTY = ("columns", "rows", "sections", "where", "sort", "figure", "at", "x", "y", "figure-formats")
"""Options that an empty value would switch off in silence."""
VECTOR_FORMATS = ("pdf", "svg")


@dataclass(frozen=True)
class Report:
    """Print the table of runs, and write tables (Markdown, LaTeX, HTML, CSV) and figures (PNG; PDF, SVG)."""

    runs: tuple[Path, ...]
    """Directories with runs in them, such as runs/gradient_norms, or single runs; several are reported together."""
    format: Literal["terminal", "markdown", "latex", "html", "csv", "page"] = "terminal"
    """Form of the printed table; page: that of the terminal, and an interactive page, page.html, is written."""
    output: Path | None = None
    """Folder of the files; by default report in the first of RUNS."""
    caption: str = ""
    """Caption of the LaTeX table; by default the claim of the experiment, or the description of the sweep."""
    label: str = ""
    """Label of the LaTeX table; by default tab:NAME."""
    columns: str = ""
    """Columns of the table, by default those of the experiment: METRIC or TITLE=METRIC, with commas between them; *
    stands for any text. median(METRIC) and iqm(METRIC) have another statistic than the mean, METRIC>0.9 or METRIC<0.1
    the fraction of seeds that reach it."""
    rows: str = ""
    """Config keys that tell rows apart, with commas between them, such as cell.name,init.gain; by default those that
    differ."""
    sections: str = ""
    """Config keys that tell sections apart, such as task.length; by default setting and task."""
    where: str = ""
    """Runs that are in the table: KEY=VALUE,VALUE, with semicolons between them, such as cell.name=lstm,gru;seed=0."""
    sort: str = ""
    """Metric by which rows are sorted, the best first, such as validation/loss; by default that of a search (bayes)."""
    figure: str = ""
    """Figures to draw, by default those of the experiment, with commas between them; none: no figure."""
    at: str = ""
    """Training steps at which gradient_profiles, or the figures of --figure, are drawn, such as 0,100,last."""
    x: str = ""
    """Horizontal axis of --figure=metric_by_key: a config key whose values are numbers, such as task.length; of
    pareto_front: train/seconds (default), model/parameters, model/carry_size or another metric."""
    y: str = ""
    """Vertical axis of these figures, in the form of --columns; by default the first column of test data."""
    figure_formats: str = ""
    """Formats in which figures are written besides PNG: pdf, svg or pdf,svg; each takes time."""
    examples: int = 0
    """Examples that one run of each row predicts: of test data on the page of --format=page, by default none; of
    validation data in --figure=alignments, by default 3."""
    list_metrics: bool = False
    """Print the names of the metrics that the runs have, and nothing else."""
    strict: bool = False
    """Exit code 2 if a run cannot be read; otherwise such runs are named and left out."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("RUNS must be given: directories with runs in them, or single runs")
        for name, axis in {"--x": self.x, "--y": self.y}.items():
            require(not axis or bool(self.figure), name, axis, "given with --figure=metric_by_key or pareto_front")
        formats = set(words_of(self.figure_formats)) <= set(VECTOR_FORMATS)
        require(formats, "--figure-formats", self.figure_formats, "pdf, svg or pdf,svg")
        require(self.examples >= 0, "--examples", self.examples, "at least 0")
        shown = self.format == "page" or self.draws_examples
        allowed = "0 without --format=page or --figure=alignments"
        require(shown or not self.examples, "--examples", self.examples, allowed)
        allowed = "of letters, digits and : . _ + / -"
        require(re.fullmatch(r"[\w:.+/-]*", self.label) is not None, "label", self.label, allowed)

    @property
    def draws_examples(self) -> bool:
        """Whether a figure shows predictions."""
        return "alignments" in words_of(self.figure)


def run(args: Sequence[str]) -> None:
    """Print the table and write the figures."""
    options = parse_command(Report, args, "report")
    for word, after in itertools.pairwise([*args, "--"]):
        for name in NOT_EMPTY:
            if word == f"--{name}=" or (word == f"--{name}" and not after):
                raise UserError(f"report: --{name}=: must not be empty; without the option it is the default")
    from research.reporting import page, runs  # pandas and matplotlib: `--help` need not wait for them
    from research.reporting.columns import metrics
    from research.reporting.layout import Layout
    from research.sweep import membership

    if options.list_metrics:
        trials, faults = runs.read(options.runs)
        for fault in faults:
            print(visible(f"left out: {fault}"), file=sys.stderr)
        print(*map(visible, metrics(trials)), sep="\n")
        return
    at: list[int | Literal["first", "last"]] = [_step(text) for text in dict.fromkeys(words_of(options.at))]
    conditions: dict[str, list[str]] = {}
    for key, values in map(_condition, words_of(options.where, ";")):
        require(key not in conditions, "--where", options.where, "KEY=VALUE,VALUE with each key once")
        conditions[key] = values
    require(bool(options.columns) == bool(words_of(options.columns)), "--columns", options.columns, "names of metrics")
    layout = Layout(tuple(words_of(options.rows)), tuple(words_of(options.sections)), conditions, options.sort)
    page.report(
        *options.runs,
        format=options.format,
        output=options.output,
        caption=options.caption,
        label=options.label,
        columns=[_column(text) for text in words_of(options.columns)],
        layout=layout,
        outside=membership.outside,
        figure=words_of(options.figure or "gradient_profiles" * bool(at)),
        at=at,
        x=options.x,
        y=_column(options.y) if options.y else None,
        figure_formats=words_of(options.figure_formats),
        strict=options.strict,
        predict=_predict(options.examples or 3) if options.examples or options.draws_examples else None,
    )


def _predict(count: int) -> Callable[..., Sequence[Any]]:
    from research.inference import examples  # takes seconds, and few reports need it
    from research.training import compilation, devices

    devices.require()
    compilation.enable_cache()
    return functools.partial(examples.predicted, count=count)


def _step(text: str) -> int | Literal["first", "last"]:
    if text in ("first", "last"):
        return text
    require(text.isdecimal() and len(text) < 10, "--at", text, "a number of updates, first or last")
    return int(text)


def _column(text: str) -> Column:
    """Return the column that a text stands for; its title is the text itself where it has none."""
    title, metric = (match[1], match[2]) if (match := re.fullmatch(r"(.*[^<>])=(.*)", text)) else (text, text)
    if match := re.fullmatch(r"(median|iqm|mean)\((.+)\)", metric):
        return Column(title, match[2].strip(), statistic=cast(Statistic, match[1]))
    if match := re.fullmatch(r"(.+?)([<>])=?(.+)", metric):
        require(_is_number(match[3]), "--columns", text, "METRIC>NUMBER or METRIC<NUMBER")
        is_rate = re.search("accuracy|error_rate|exact_match", match[1])
        require(not is_rate or 0 <= float(match[3]) <= 1, "--columns", text, "a threshold from 0 to 1, as of any rate")
        way = "higher" if match[2] == ">" else "lower"
        return Column(title, match[1].strip(), statistic="success", threshold=float(match[3]), better=way)
    return Column(title, metric)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _condition(text: str) -> tuple[str, list[str]]:
    key, _, values = text.partition("=")
    require(bool(key.strip() and words_of(values)), "--where", text, "KEY=VALUE or KEY=VALUE,VALUE")
    return key.strip(), words_of(values)
