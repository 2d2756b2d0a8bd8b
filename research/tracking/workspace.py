"""A saved workspace of W&B for a sweep: a panel for each metric, in sections by prefix, and one that compares all runs.

That panel is a custom chart over the table `gradient/profiles` of each run: the norm of the gradient against t, a line
for each variant with a band over seeds, at a training step that a slider chooses. W&B shows custom charts by the name
of a preset, so the preset is registered first. Its name ends in a hash of its content, so one that exists is the same.

Only this module imports wandb_workspaces, when it is asked for.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from research.errors import UserError, first_line
from research.tracking import charts, media
from research.tracking import wandb_session as session

BOUNDS = "datum.log10_norm < -37.9 || datum.log10_norm > 38.5"
"""Underflow and overflow are drawn at the smallest and the largest float32."""
X = {"field": "t", "type": "quantitative", "title": charts.TIME}
COLOR = {"field": "variant", "type": "nominal", "legend": {"symbolOpacity": 1}}
BY_SEED = ["variant", "seed"]
# W&B opens the slider by the gear of a panel, for inputs in `params` of Vega-Lite 5. It fits a single view to the panel
# and replaces ${string:…} in texts, so the slider's end is one: that of training, also while runs train.
CHART: Mapping[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "description": "Norm of the gradient with respect to the state after step t, by variant, with a band over seeds",
    "data": {"name": "wandb"},
    "width": 600,
    "height": 300,
    "params": [
        {
            "name": "step",
            "value": "${string:last_step}",
            "bind": {"input": "range", "min": 0, "max": "${string:end}", "step": 1, "name": "training step "},
        }
    ],
    "title": {
        "text": {"expr": "'${string:setting}: last record up to training step ' + step"},
        "subtitle": "line: median over seeds; band: lowest to highest; triangles: underflow and overflow of float32",
    },
    "transform": [
        {"filter": "datum.setting == '${string:setting}' && isValid(datum.log10_norm)"},
        {"joinaggregate": [{"op": "max", "field": "step", "as": "end"}], "groupby": BY_SEED},
        {"filter": "datum.step <= step && step <= datum.end"},
        {"joinaggregate": [{"op": "max", "field": "step", "as": "shown"}], "groupby": BY_SEED},
        {"filter": "datum.step == datum.shown"},
    ],
    "encoding": {"x": X, "color": COLOR},
    "layer": [
        {
            "mark": {"type": "area", "opacity": 0.2},
            "encoding": {
                "y": {"aggregate": "min", "field": "log10_norm", "type": "quantitative", "title": media.COMPARED},
                "y2": {"aggregate": "max", "field": "log10_norm"},
            },
        },
        {
            "mark": {"type": "line", "tooltip": True},
            "encoding": {"y": {"aggregate": "median", "field": "log10_norm", "type": "quantitative"}},
        },
        {
            "transform": [{"filter": BOUNDS}],
            "mark": {"type": "point", "filled": True, "size": 40},
            "encoding": {
                "y": {"field": "log10_norm", "type": "quantitative"},
                "shape": {
                    "condition": {"test": "datum.log10_norm > 0", "value": "triangle-up"},
                    "value": "triangle-down",
                },
            },
        },
    ],
}


@dataclass(frozen=True)
class SweepView:
    """What a workspace shows."""

    name: str
    """Of the sweep."""
    entity: str
    """User or team; empty: that of WANDB_ENTITY, or else the default of the login."""
    project: str
    group: str
    """Of the runs."""
    grouping: Sequence[str]
    """Config keys that tell the lines of a panel apart; the band of a line is over the other runs."""
    metrics: Iterable[str]
    settings: Mapping[str, tuple[int, int]]
    """Training steps of the last profile of the gradient so far and of the end, by setting; {} without profiles."""
    num_runs: int


def create(view: SweepView) -> str:
    """Create the workspace and return its address.

    Raises:
        UserError: if nobody is logged in, a package is missing, or the server refuses.
    """
    if not session.logged_in():
        raise UserError(
            "not logged in at W&B: run `wandb login`; without an account, `report --format=page` has the same views"
        )
    try:
        import wandb_workspaces  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise UserError("wandb-workspaces is not installed: run `pip install -r requirements.txt`") from error
    os.environ.setdefault("WANDB_X_GRAPHQL_RETRY_MAX", "3")  # W&B would try for minutes
    try:
        api = session.load().Api(timeout=session.ANSWER_SECONDS)
        entity = view.entity or os.environ.get("WANDB_ENTITY") or api.default_entity
        if not entity:
            raise UserError("W&B: the login has no default entity; set WANDB_ENTITY to a user or a team")
        workspace = _workspace(view, entity, _register(api, entity) if view.settings else "")
        workspace.save()
        return workspace.url
    except UserError:
        raise
    except Exception as error:  # of several classes, also of W&B's service
        raise UserError(f"W&B: no workspace: {first_line(error)}") from error


def _register(api: Any, entity: str) -> str:
    """Return the id of the chart's preset, which is registered if the entity does not have it."""
    text = json.dumps(CHART, ensure_ascii=False)
    name = f"gradient-norm-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    try:
        return api.create_custom_chart(entity, name, "Gradient norm by variant", "vega2", "private", text)
    except Exception as error:
        if "exist" in str(error).lower() or "duplicate" in str(error).lower():
            return f"{entity}/{name}"
        raise


def _workspace(view: SweepView, entity: str, chart: str) -> Any:
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as workspaces
    from wandb_workspaces import expr

    sections: dict[str, list[Any]] = {}
    for metric in sorted(view.metrics, key=_place):
        sections.setdefault(metric.partition("/")[0], []).append(_panel(panels, metric))
    compared: list[Any] = [
        panels.CustomChart(
            query={"id": {}, "name": {}, "summaryTable": {"tableKey": media.PROFILES}},
            chart_name=chart,
            chart_strings={"setting": setting, "last_step": str(last), "end": str(end)},
        )
        for setting, (last, end) in view.settings.items()
    ]
    if compared:
        compared.append(panels.MediaBrowser(title="heat maps", media_keys=["gradient/heatmap_image"]))
    large = workspaces.SectionLayoutSettings(columns=2, rows=2)
    first = workspaces.Section(name="gradient over the sequence", panels=compared, is_open=True, layout_settings=large)
    return workspaces.Workspace(
        entity=entity,
        project=view.project,
        name=view.name,
        sections=[
            *([first] if compared else []),
            *(workspaces.Section(name=name, panels=shown, is_open=True) for name, shown in sections.items()),
        ],
        settings=workspaces.WorkspaceSettings(max_runs=max(10, view.num_runs), group_by_prefix="first"),
        runset_settings=workspaces.RunsetSettings(
            filters=expr.And(expr.Metric("Group") == view.group, expr.Metric("JobType") != "report"),
            groupby=[expr.Config(key) for key in view.grouping],
        ),
    )


ORDER = ("train", "validation", "test", "gradient")
"""Sections that come first; those of other probes follow."""


def _place(metric: str) -> tuple[int, str]:
    section = metric.partition("/")[0]
    return ORDER.index(section) if section in ORDER else len(ORDER), metric


def _panel(panels: Any, metric: str) -> Any:
    """Return a line against the training step, with its range over a group of runs; a bar for what is scored once."""
    range_over = {"groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}
    if metric.startswith("test/"):
        return panels.BarPlot(title=metric, metrics=[metric], **range_over)
    logarithmic = metric.endswith(("norm", "ratio")) or None
    return panels.LinePlot(title=metric, x="Step", y=[metric], log_y=logarithmic, **range_over)
