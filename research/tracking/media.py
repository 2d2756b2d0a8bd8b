"""What is logged to W&B besides numbers: charts, samples of predictions, checkpoints, the table of a report."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from research.tracking import charts
from research.tracking import wandb_session as session
from research.tracking.charts import Profiles

COMPARED = "log10 ‖∂L/∂s_t‖"
PROFILES = "gradient/profiles"
PROFILE_COLUMNS = ("setting", "variant", "seed", "step", "t", "log10_norm")
"""Columns of the table from which one panel compares all runs (see `workspace`)."""
NO_SETTING = "default"
"""Stands for the setting of a run that has none, as W&B does not replace an empty word in a chart."""
AUDIO = "validation/audio"
AXES = "; rows: tokens of the prediction, the first at the top; columns: source; light: much attention"


@dataclass(frozen=True)
class Alignment:
    """The attention's weights at each predicted token over the encoder's states."""

    weights: Float[np.ndarray, "U S"]
    example: Mapping[str, Any]
    """Its line in the table."""


@dataclass(frozen=True)
class Samples:
    """What a model predicts for a few validation examples."""

    table: Sequence[Mapping[str, Any]]
    """A line of each example, with the same columns."""
    alignments: Sequence[Alignment] = ()
    recordings: Callable[[], Sequence[tuple[np.ndarray, int]]] = list
    """Return the samples and the sample rate of each input; [] if inputs are no audio."""


def samples(found: Samples, with_audio: bool) -> dict[str, Any]:
    """Return the table of predictions, images of alignments and, if asked for, the audio of the inputs."""
    wandb, lines = session.load(), found.table
    logged: dict[str, Any] = {"validation/samples": table([*lines[0]], [[*line.values()] for line in lines])}
    if found.alignments:
        sizes = np.max([aligned.weights.shape for aligned in found.alignments], axis=0)  # W&B wants equal sizes
        logged["validation/alignments"] = [
            wandb.Image(charts.pixels(_padded(aligned.weights, sizes)), caption=_caption(aligned.example) + AXES)
            for aligned in found.alignments
        ]
    if recordings := found.recordings() if with_audio else ():
        logged[AUDIO] = [
            wandb.Audio(samples, sample_rate=rate, caption=f"{line['example']}: {line['reference']}")
            for (samples, rate), line in zip(recordings, lines, strict=True)
        ]
    return logged


def _padded(weights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    padding = [(0, size - length) for size, length in zip(sizes, weights.shape, strict=True)]
    return np.pad(weights, padding, constant_values=np.nan)


def _caption(line: Mapping[str, Any]) -> str:
    read = f"{line['input']} → " if "input" in line else ""
    return f"{line['example']}: {read}{line['prediction']}"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], types: Sequence[type] = ()) -> Any:
    """Return a table of W&B, by default one whose columns may have numbers and words."""
    made = session.load().Table(columns=list(columns), dtype=list(types), allow_mixed_types=not types)
    made.data.extend(list(row) for row in rows)  # `data=rows` infers types row by row: half of the time of `finish`
    return made


def checkpoint(run_id: str, directory: Path, step: int) -> Any:
    """Return an artifact of the checkpoint of a step with what `predict` needs besides, in the form of a run directory.

    Its name is that of W&B's integrations for Lightning and Hugging Face: model-ID.
    """
    artifact = session.load().Artifact(f"model-{run_id}", type="model", metadata={"step": step})
    files = (directory / "checkpoint" / str(step)).rglob("*")
    for path in (*files, directory / "config.json", directory / "processor.json"):
        if path.is_file():
            artifact.add_file(str(path), name=path.relative_to(directory).as_posix())
    return artifact


def heat_maps(profiles: Profiles) -> dict[str, Any]:
    """Return the heat map as a chart and as an image. They need no answer of the server, as tables do."""
    pixels, caption = charts.image(profiles)
    return {
        "gradient/heatmap": charts.heatmap(profiles),
        "gradient/heatmap_image": session.load().Image(pixels, caption=caption),
    }


def gradient_charts(profiles: Profiles, trial: tuple[str, str, int]) -> dict[str, Any]:
    """Return the heat maps, lines at some training steps, and what compares runs: lines, and a table of profiles.

    `trial` is the setting, the variant and the seed of the run.
    """
    wandb, (times, decades, keys, title) = session.load(), charts.lines(profiles)
    logged = heat_maps(profiles)
    lines = {key: (times, line) for key, line in zip(keys, decades, strict=True)}
    logged["gradient/time_profile"] = _line_series(lines, title)
    for name, line in (("first", decades[0]), ("latest", decades[-1])):
        columns = (charts.TIME, COMPARED)  # the same in all runs: a panel takes them, and the title, from one of them
        content = table(columns, _points(times, line), (float, float))
        heading = f"{name} record: {COMPARED}, s: the part of the state that carries the gradient"
        logged[f"gradient/{name}_profile"] = wandb.plot.line(content, *columns, title=heading)
    if len(profiles.names) > 1:
        latest = {name: charts.lines(Profiles(profiles.records[-1:], name)) for name in profiles.names}
        lines = {name: (times, decades[0]) for name, (times, decades, _, _) in latest.items()}
        logged["gradient/by_layer"] = _line_series(lines, f"latest record: {COMPARED}")
    return logged | compared(profiles, trial)


def _points(times: Sequence[float], decades: Sequence[float]) -> list[tuple[float, float | None]]:
    return [(t, None if math.isnan(y) else y) for t, y in zip(times, decades, strict=True)]  # JSON has no NaN


def _line_series(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str) -> Any:
    """Return the chart of `wandb.plot.line_series`, from a table that is made in a tenth of the time."""
    columns = ("step", "lineKey", "lineVal")
    series = [(t, name, y) for name, line in lines.items() for t, y in _points(*line)]
    content, fields = table(columns, series, (float, str, float)), dict(zip(columns, columns, strict=True))
    words = {"title": title, "xname": charts.TIME}
    return session.load().plot_table("wandb/lineseries/v0", content, fields=fields, string_fields=words)


def compared(profiles: Profiles, trial: tuple[str, str, int]) -> dict[str, Any]:
    """Return the table of profiles from which one panel compares all runs (see `gradient_charts` for arguments)."""
    rows = [(*trial, step, t, None if math.isnan(norm) else norm) for step, t, norm in charts.points(profiles)]
    return {PROFILES: table(PROFILE_COLUMNS, rows, (str, str, int, int, int, float))}
