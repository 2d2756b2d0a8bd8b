"""The page of verdicts: a claim opens to its conditions and means, a mean to its runs with configs and curves."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from research.config.claim import Condition, Slope
from research.errors import escape
from research.reporting import verdict_page
from research.reporting.interactive import render as pages
from research.reporting.interactive.thinning import number
from research.reporting.verdicts import Verdict, scale, title, value
from research.tracking import strict_json
from research.tracking.run_directory import RunDirectory

MAX_CURVES = 8
"""Metrics of a claim that have a curve."""
CLASSES = ("", "more", "more", "n", "verdict")
"""Of the columns; `more` is what a narrow screen shows only where a claim is open."""
ORDER = ("holds", "undecided", "fails", "not run")

Variants = Mapping[tuple[str, str], int]
"""The place of each row among those of all claims, by claim and row."""


def render(verdicts: Sequence[Verdict]) -> str:
    """Return the page."""
    rows = dict.fromkeys((verdict.name, trial.row) for verdict in verdicts for trial in verdict.trials)
    variants = {row: place for place, row in enumerate(rows)}
    metrics = list(dict.fromkeys(mean.metric for verdict in verdicts for mean in verdict.means))
    data = _data(verdicts, variants, metrics)
    return pages.fill(
        "verdicts.html",
        data,
        method=html.escape(verdict_page.METHOD.replace("`", "")),
        count=html.escape(verdict_page.count(verdicts)),
        tables="\n".join(_table(verdicts, variants, metrics, data["runs"])),
    )


def _data(verdicts: Sequence[Verdict], variants: Variants, metrics: Sequence[str | Slope]) -> dict[str, Any]:
    """Return what the script shows, as JSON: its columns are the metrics of all claims."""
    from research.reporting.figures import style  # matplotlib, which takes a second

    count = sum(trial.run is not None for verdict in verdicts for trial in verdict.trials)
    points = int(np.clip(pages.MAX_POINTS // max(1, MAX_CURVES * count), *pages.CURVE_POINTS))
    shared: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for verdict in verdicts:
        finished = [(trial, trial.run, trial.result) for trial in verdict.trials if trial.run and trial.result]
        records = [pages.read_metrics(run) for _, run, _ in finished]
        names = pages.curve_names(records)[:MAX_CURVES]
        common, own = _options([run for _, run, _ in finished])
        shared.append(common)
        used = {mean.metric for mean in verdict.means}
        for (trial, run, result), options, lines in zip(finished, own, records, strict=True):
            alone = [Condition(key, {trial.row: 1}, above=0) if key in used else None for key in metrics]
            runs.append(
                {
                    "variant": variants[verdict.name, trial.row],
                    "options": options,
                    "shared": len(shared) - 1,
                    "curves": {key: pages.curve(lines, key, points) for key in names},
                    "name": escape(run.path.name),
                    "path": escape(str(run.path)),
                    "seed": trial.seed,
                    "status": str(result["status"]),
                    "values": [number(value(verdict.name, item, result)) if item else None for item in alone],
                }
            )
    colors = style.COLORS * len(variants)
    return {
        "variants": [
            {"label": escape(f"{name}: {row}"), "color": colors[place], "dash": "solid"}
            for (name, row), place in variants.items()
        ],
        "columns": [{"title": title(key), "key": str(key), "percent": scale(key) == 100} for key in metrics],
        "metrics": list(dict.fromkeys(key for run in runs for key in run["curves"])),
        "shared": shared,
        "runs": runs,
    }


def _options(runs: Sequence[RunDirectory]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the options that all runs of a claim share, and those of each that differ."""
    configs = pd.DataFrame([strict_json.decode(run.options()) for run in runs], dtype=object)
    return pages.options(configs) if len(configs) else ({}, [])


def _table(
    verdicts: Sequence[Verdict],
    variants: Variants,
    metrics: Sequence[str | Slope],
    runs: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Yield the parts of the table of all claims."""
    header = dict(zip(verdict_page.HEADER, CLASSES, strict=True))
    yield '<table class="claims"><thead><tr>'
    for name, kind in header.items():
        yield f'<th scope="col" class="{kind}" aria-sort="none">'
        yield f'<button type="button" class="sort">{name}</button></th>'
    yield "</tr></thead><tbody>"
    for verdict in verdicts:
        yield '<tr><th scope="row"><button type="button" class="open" aria-expanded="false">'
        yield f"{html.escape(verdict.claim.claim)}</button><small>{html.escape(verdict.name)}</small></th>"
        _, *cells, last = (html.escape(cell).replace("\n", "<br>") for cell in verdict_page.row(verdict, "\n"))
        yield from (f'<td class="{kind}">{cell}</td>' for cell, kind in zip(cells, CLASSES[1:-1], strict=True))
        yield f'<td class="{CLASSES[-1]}" data-order="{ORDER.index(verdict.word)}">{last}'
        yield "<template><dl>"  # what the claim opens to
        for name, text in verdict_page.facts(verdict, verdicts).items():
            yield f"<dt>{name}</dt><dd>{html.escape(text.replace('`', ''))}</dd>"
        yield "</dl>"
        conditions = (map(html.escape, cells) for cells in verdict_page.conditions(verdict))
        yield from _inner(verdict_page.CONDITIONS, (("<tr>", *cells) for cells in conditions))
        yield from _inner(verdict_page.MEANS, _means(verdict, variants, metrics, runs))
        yield "</template></td></tr>"
    yield "</tbody></table>"


def _means(
    verdict: Verdict, variants: Variants, metrics: Sequence[str | Slope], runs: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, ...]]:
    """Yield the tag and the cells of each mean of a claim; the mean opens its runs, if there are any."""
    for mean in verdict.means:
        variant = variants.get((verdict.name, mean.row))
        places = [str(place) for place, run in enumerate(runs) if run["variant"] == variant]
        text = html.escape(mean.text)
        if places:
            column = metrics.index(mean.metric)
            text = f'<button type="button" class="open" aria-expanded="false" data-column="{column}">{text}</button>'
        name, metric = html.escape(escape(mean.row)), html.escape(title(mean.metric))
        yield f'<tr data-runs="{",".join(places)}">', name, metric, text, str(mean.estimate.count)


def _inner(header: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table within a claim, from the tag and the cells of each line."""
    head = "".join(f'<th scope="col" class="name">{name}</th>' for name in header)
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
    for tag, *cells in lines:
        yield tag + "".join(f'<td class="text">{cell}</td>' for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
