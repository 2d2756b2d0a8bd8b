"""W&B: one run per trial, with the metrics of the run directory under the same names.

Only this module imports wandb and plotly, and only when a run needs them. W&B writes its files to `wandb/` in the run
directory, prints nothing and never asks for a login. If W&B fails, a one-line warning gives the reason and the training
continues without it. The run directory is the record; W&B is a view of it.
"""

import contextlib
import functools
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import numpy as np

from research.errors import UserError, first_line
from research.probes.gradient_flow import TINY, color_scale, heatmap_rows

HUGE = float(np.finfo(np.float32).max)
PROFILE_LINES, PROFILE_POINTS = 5, 100
HEATMAP_ROWS, HEATMAP_COLUMNS = 24, 256
SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "init_timeout": 30.0,  # seconds to wait for the server
    "finish_timeout": 60.0,  # seconds for the last uploads; `wandb sync` uploads the rest
    "symlink": False,
    "x_transaction_log_flush_interval": 1.0,  # seconds of records that a killed process may lose
    # Collecting data about the machine takes longer than logging a short trial; result.json has them.
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
}


@dataclass(frozen=True)
class WandbOptions:
    """Options of the W&B run of a trial."""

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: the mode of WANDB_MODE; if it is not set, online if you are logged in, else offline."""
    project: str = "recurrent-research"
    """Project of the run."""
    entity: str = ""
    """User or team that owns the project; empty: the default entity of the login."""
    group: str = ""
    """Group of the run; empty: the name of the sweep or experiment."""
    tags: str = ""
    """Tags of the run, separated by commas."""
    notes: str = ""
    """Description of the run."""


class WandbRun:
    """The W&B run of one trial.

    Online, a background thread performs all calls in order. Call `wait_for_uploads` at the end.
    """

    _unreachable: ClassVar[bool] = False
    _last_upload: ClassVar[Future[None] | None] = None

    def __init__(
        self,
        directory: Path,
        name: str,
        options: WandbOptions,
        config: Mapping[str, Any],
        group: str,
        resumed_from: int = 0,
    ) -> None:
        """Start a run, or resume the one in the run directory.

        Args:
            directory: the run directory.
            name: of the run.
            options: of the trial.
            config: flat options and environment of the trial.
            group: of the run, if the options name none.
            resumed_from: step of the checkpoint that the trial resumes from; 0: it starts.

        Raises:
            UserError: if the mode is online and the user is not logged in.
        """
        self._directory, self._name, self._options, self._config = directory, name, options, dict(config)
        self._group, self._resumed_from = options.group or group, resumed_from
        self._run: Any = None
        with _files_in(directory / "wandb"):
            self._mode = _mode(options.mode)
        self._do(self._start)

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Log the metrics of a step, unless the run has them already. Steps must not decrease."""
        record = dict(metrics)
        if step > self._resumed_from or self._resumed_from == 0:
            self._do(lambda: self._run.log(record, step=step))

    def gradient_flow(self, records: Sequence[Mapping[str, Any]], profile: str) -> None:
        """Log charts of a profile, such as "encoder/layer_1/forward/h", of `gradient_flow.jsonl`."""
        if any(profile in record for record in records):
            charts = {"gradient/time_profile": time_profile, "gradient/heatmap": heatmap}
            self._do(lambda: self._run.log({key: chart(records, profile) for key, chart in charts.items()}))

    def finish(self, status: str, summary: Mapping[str, Any]) -> None:
        """Finish the run. The exit code is 0 for diverged trials too; `status` tells them apart."""
        final = {**summary, "status": status}
        self._do(lambda: self._run.summary.update(final))
        self._do(lambda: self._run.finish(exit_code=0))

    def _do(self, action: Callable[[], object]) -> None:
        if self._mode == "online":
            WandbRun._last_upload = _background().submit(self._attempt, action)
        else:
            self._attempt(action)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._mode == "disabled":
            return
        try:
            with _files_in(self._directory / "wandb"):
                action()
        except Exception as error:  # no failure of W&B may end a training
            self._mode = "disabled"
            _warn(f"W&B failed, training continues without it: {first_line(error)}")

    def _start(self) -> None:
        try:
            self._run = self._init("offline" if self._unreachable else self._mode, _run_id(self._directory))
        except Exception as error:
            if self._mode != "online" or self._unreachable:
                raise
            WandbRun._unreachable = True
            _warn(f"W&B cannot be reached, runs stay offline until `wandb sync`: {first_line(error)}")
            self._run = self._init("offline", secrets.token_hex(4))  # the failed attempt has used the id

    def _init(self, mode: str, run_id: str) -> Any:
        wandb = _wandb()
        # A sweep agent has created the run: W&B uses the id and project of the agent.
        by_agent = bool(os.environ.get("WANDB_SWEEP_ID"))
        return wandb.init(
            id=run_id,
            project=self._options.project,
            entity=self._options.entity or None,
            dir=self._directory,
            name=self._name,
            group=self._group,
            tags=[tag.strip() for tag in self._options.tags.split(",") if tag.strip()] or None,
            notes=self._options.notes or None,
            config=self._config,
            mode=mode,
            resume="allow" if mode == "online" and not by_agent else None,
            reinit="create_new",
            settings=wandb.Settings(**SETTINGS),
        )


def wait_for_uploads() -> None:
    """Wait until W&B has performed all calls."""
    if WandbRun._last_upload:
        WandbRun._last_upload.result()


def time_profile(records: Sequence[Mapping[str, Any]], profile: str) -> Any:
    """Return a line chart of log10 ||dL/dh_t|| over t at a few training steps, including the first and the last."""
    steps, norms = heatmap_rows(records, profile, most=PROFILE_LINES)
    times = _spread(norms.shape[1], PROFILE_POINTS)
    decades, title = _drawable(norms, profile)
    keys = [f"step {step}" for step in steps]
    return _wandb().plot.line_series(times.tolist(), decades[:, times].tolist(), keys=keys, title=title, xname="t")


def heatmap(records: Sequence[Mapping[str, Any]], profile: str) -> Any:
    """Return a Plotly heat map of log10 ||dL/dh_t|| over t and training steps."""
    import plotly.graph_objects as go

    steps, norms = heatmap_rows(records, profile, most=HEATMAP_ROWS)
    times = _spread(norms.shape[1], HEATMAP_COLUMNS)
    decades, title = _drawable(norms, profile)
    regular = np.isfinite(norms) & (norms >= TINY)
    low, high = color_scale(decades[regular])
    beyond = regular & ((decades < low) | (decades > high))
    if beyond.any():
        title += f"; {beyond.sum()} of {beyond.size} outside the color scale, {low} to {high}"
    bar = {"title": {"text": _quantity(profile), "side": "right"}}
    z = decades[:, times].tolist()
    rows = [str(step) for step in steps]  # categories, as steps need not be evenly spaced
    mesh = go.Heatmap(x=times.tolist(), y=rows, z=z, zmin=low, zmax=high, colorscale="Viridis", colorbar=bar)
    layout = {"title": title, "xaxis_title": "t", "yaxis": {"title": "training step", "type": "category"}}
    return go.Figure(mesh, layout)


def _quantity(profile: str) -> str:
    """Return the label of a profile such as "encoder/layer_1/forward/c"."""
    return f"log10 ‖∂L/∂{profile.rpartition('/')[2]}_t‖"


def _drawable(norms: np.ndarray, profile: str) -> tuple[np.ndarray, str]:
    """Return log10 of norms [rows, T], clipped to the range of float32, and a title that counts the clipped ones."""
    overflow = ~np.isfinite(norms)
    underflow = ~overflow & (norms < TINY)
    decades = np.log10(np.where(overflow, HUGE, np.where(underflow, TINY, norms)))
    title = f"{_quantity(profile)} of {profile}"
    for name, where, limit in (("underflow", underflow, TINY), ("overflow", overflow, HUGE)):
        if where.any():
            title += f"; {where.sum()} of {where.size} {name}, drawn at {limit:.0e}"
    return decades.round(2), title


def _spread(length: int, most: int) -> np.ndarray:
    """Return at most `most` evenly spaced indices of 0 .. length - 1, including both ends."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))


def _mode(mode: str) -> str:
    """Return online, offline or disabled. auto is WANDB_MODE if set, else online if the user is logged in."""
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE", "auto")
    if mode in ("disabled", "offline"):
        return mode
    if _logged_in():
        return "online"
    if mode == "online":
        raise UserError("wandb.mode=online: not logged in; run `wandb login`, or choose auto or offline")
    return "offline"


@functools.cache
def _logged_in() -> bool:
    from wandb.sdk.lib import wbauth

    wandb = _wandb()
    try:
        host = wandb.setup(wandb.Settings(silent=True)).settings.base_url
        return wbauth.authenticate_session(host=host, source="", prompt=False, update_session=False) is not None
    except Exception as error:  # a malformed key
        _warn(f"W&B login cannot be used, runs stay offline: {first_line(error)}")
        return False


def _wandb() -> ModuleType:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # no crash reports over the network
    import wandb

    return wandb


def _run_id(directory: Path) -> str:
    """Return the id of the W&B run in the run directory, so that it is resumed; otherwise a new id."""
    # run-20260102_030405-ID, offline-run-20260102_030405-ID; ends in -1 if two runs start within a second
    folders = [re.search(r"run-(\d+_\d+)-(\w+)", path.name) for path in (directory / "wandb").glob("*run-*")]
    starts = sorted(match.groups() for match in folders if match)
    return starts[-1][1] if starts else secrets.token_hex(4)


@contextlib.contextmanager
def _files_in(folder: Path) -> Iterator[None]:
    """Keep W&B's logs and tables in the run directory, unless the user has set another folder."""
    places = {"WANDB_CACHE_DIR": folder / "cache", "WANDB_DATA_DIR": folder / "data"}
    changed = [name for name in places if name not in os.environ]
    os.environ.update({name: str(places[name]) for name in changed})
    try:
        yield
    finally:
        for name in changed:
            os.environ.pop(name, None)


@functools.cache
def _background() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="wandb")


@functools.cache
def _warn(line: str) -> None:
    """Print the line, once."""
    print(f"warning: {line}", file=sys.stderr)
