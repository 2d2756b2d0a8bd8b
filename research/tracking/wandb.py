"""W&B: one run per trial, with the rows of `metrics.jsonl` under the same names.

The run directory is the record; W&B is a view of it. A run starts with the records that exist, so after a stop W&B has
each of them once: offline, a complete folder replaces the old one; online, rows after the last one of the server are
sent. A folder with the mark of `wandb sync`, `run-ID.wandb.synced`, is of a run that the server has whole. What others
lack is sent when the same command is started again; `wandb sync` would append rows that the server has.

`wandb_session` imports wandb, and only when a run needs it. W&B writes its files to `wandb/` in the run
directory, prints nothing and never asks for a login. No failure of W&B ends a training.
"""

import contextlib
import functools
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from research.errors import first_line
from research.tracking import media
from research.tracking import wandb_session as session
from research.tracking.charts import Profiles
from research.tracking.directions import direction
from research.tracking.media import Samples
from research.tracking.run_directory import METRICS
from research.tracking.wandb_options import WandbOptions

SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "init_timeout": 30.0,  # seconds to wait for the server
    "finish_timeout": 60.0,  # seconds for the last uploads
    "finish_timeout_raises": True,
    "symlink": False,
    "x_transaction_log_flush_interval": 1.0,  # seconds of records that a killed process may lose
}
OFFLINE_SETTINGS: dict[str, Any] = {
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "disable_git": True,
}
"""Collecting data about the machine takes longer than logging a short trial, and result.json has them."""


class WandbRun:
    """The W&B run of one trial. Online, a thread of its own performs the calls in order (see `uploads`)."""

    def __init__(
        self,
        directory: Path,
        name: str,
        options: WandbOptions,
        config: Mapping[str, Any],
        group: str,
        records: Sequence[Mapping[str, Any]] = (),
        job_type: str = "train",
    ) -> None:
        """Start a run, or resume the one in the run directory.

        Args:
            directory: the run directory.
            name: of the run.
            options: of the trial.
            config: flat options and environment of the trial.
            group: of the run, if neither the options nor the environment name one.
            records: the records of `metrics.jsonl`.
            job_type: of the run, if the environment names none.

        Raises:
            UserError: if the mode is online and the user is not logged in.
        """
        self.name, self._folder, self._options, self._config = name, directory / "wandb", options, dict(config)
        self._group, self._job_type = group, job_type
        self._run: Any = None
        self._row: dict[str, Any] = {}
        self._profiles: Profiles | None = None
        self._samples: Samples | None = None
        self._sends_tables = True
        self._step = -1
        self._defined: set[str] = set()
        self._best: dict[str, dict[str, float]] = {}
        """The best and the last value of metrics, as in W&B's summary: {"train/loss": {"min": 0.5, "last": 0.6}}."""
        with _files_in(self._folder):
            self._mode = session.mode_of(options.mode)
        self.worker = ThreadPoolExecutor(1, "wandb") if self._mode == "online" else None
        self.failure = ""
        """Why the run is incomplete on the server."""
        self.finished = False
        self.last: Future[None] | None = None
        """The last call of the thread."""
        RUNS.append(self)
        self._do(self._start, list(records))

    def log(
        self,
        step: int,
        metrics: Mapping[str, Any],
        profiles: Profiles | None = None,
        samples: Samples | None = None,
    ) -> None:
        """Log metrics; those of one step share a row. Steps must not decrease.

        Args:
            step: updates so far.
            metrics: by name.
            profiles: for charts, which are drawn online alone, as they take a tenth of a second.
            samples: of predictions.
        """
        self._do(self._add, step, dict(metrics), profiles if self.worker else None, samples)

    def finish(
        self,
        status: str,
        summary: Mapping[str, Any],
        profiles: Profiles | None = None,
        tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] | None = None,
        checkpoint: int | None = None,
    ) -> None:
        """Finish the run. The exit code is 0 for diverged trials too; `status` tells them apart.

        Args:
            status: of the trial.
            summary: last metrics.
            profiles: for charts.
            tables: columns and rows of tables, by name.
            checkpoint: step of the checkpoint that the run keeps, which is sent if the options ask for it.
        """
        self._do(self._finish, {**summary, "status": status}, profiles, tables or {}, checkpoint)
        self._close()

    def stop(self) -> None:
        """Close the run of a trial that is unfinished. Its last row, which may lack metrics, is not logged."""
        self._do(lambda: self._run.finish(exit_code=1))
        self._close()

    def _close(self) -> None:
        self.finished = True
        if self.worker:
            self.worker.shutdown(wait=False)

    def _do(self, action: Callable[..., object], *args: Any) -> None:
        if self.worker:
            self.last = self.worker.submit(self._attempt, action, *args)
        else:
            self._attempt(action, *args)

    def abandon(self, reason: str) -> None:
        """Start no more calls; the one that the thread is in goes on."""
        self.failure = self.failure or reason

    def _attempt(self, action: Callable[..., object], *args: Any) -> None:
        if self._mode == "disabled" or self.failure:
            return
        try:
            with _files_in(self._folder) if self._mode == "offline" else contextlib.nullcontext():
                action(*args)
        except Exception as error:
            self.failure = first_line(error)
            if not self.worker:
                session.warn(f"W&B failed, training continues without it: {self.failure}")

    def _start(self, records: Sequence[Mapping[str, Any]]) -> None:
        if self._mode == "online" and session.unreachable():
            self._mode = "offline"
        old = list(self._folder.glob("*run-*"))
        # `wandb sync` would append to what it has sent of a run, so a synced run that resumes offline is a new one.
        resumable = [path for path in old if self._mode == "online" or not any(path.glob("*.synced"))]
        self._run = self._init(_run_id(resumable))
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        for record in records:
            self._add(record["step"], {key: value for key, value in record.items() if key != "step"})

    def _add(
        self,
        step: int,
        metrics: Mapping[str, Any],
        profiles: Profiles | None = None,
        samples: Samples | None = None,
    ) -> None:
        if step != self._step:
            self._send_row()
        self._step, self._profiles, self._samples = step, profiles or self._profiles, samples or self._samples
        self._row.update(metrics)
        for name, value in metrics.items():
            if (best := _best(name)) and value == value:
                pick, before = min if best == "min" else max, self._best.get(name, {})
                self._best[name] = {best: pick(value, before.get(best, value)), "last": value}

    def _send_row(self, complete: bool = True) -> bool:
        """Log the row of the current step, unless the server has it; return whether it is logged."""
        row, profiles, samples = self._row, self._profiles, self._samples
        self._row, self._profiles, self._samples = {}, None, None
        if not row or self._step < self._run.starting_step:
            return False
        self._define(row)
        self._run.log(session.load().util.make_safe_for_json(row), step=self._step, commit=False)
        if samples and self._sends_tables:
            with_audio = not self._has(media.AUDIO)
            # One failure is enough: a table waits for the answer of a server.
            self._sends_tables = not self._draw("samples", lambda: media.samples(samples, with_audio))
        if profiles and complete:  # the end draws them
            self._draw("charts", lambda: media.heat_maps(profiles))
            if self._sends_tables:
                self._sends_tables = not self._draw("profiles", lambda: media.compared(profiles, self._trial()))
        if complete:
            self._run.log({}, commit=True)
        return True

    def _define(self, metrics: Iterable[str]) -> None:
        """Have the summary keep the best value of each metric next to the last, where its name says what is better."""
        for name in metrics:
            if name not in self._defined and (best := _best(name)):
                self._run.define_metric(name, summary=f"{best},last")
        self._defined.update(metrics)

    def _finish(
        self,
        summary: Mapping[str, Any],
        profiles: Profiles | None,
        tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]],
        checkpoint: int | None,
    ) -> None:
        profiles = profiles or self._profiles
        is_new = self._send_row(complete=False)
        safe = session.load().util.make_safe_for_json
        self._run.summary.update(safe({**summary, **self._best}))
        fault = ""
        for file in sorted(self._folder.parent.glob("*.jsonl")):
            if file.stem != METRICS:  # the records of probes, in full
                self._run.save(file, base_path=file.parent, policy="now")
        if profiles and (is_new or not self._has("gradient/heatmap")):
            fault = self._draw("charts", lambda: media.gradient_charts(profiles, self._trial()))
        if tables:
            fault = self._draw("table", lambda: {name: media.table(*content) for name, content in tables.items()})
        if checkpoint is not None and self._options.log_checkpoint:
            fault = self._attach(checkpoint, summary["weights"]) or fault
        if is_new:
            self._run.log({}, commit=True)
            self._run.summary.update(safe(self._best))  # W&B itself counts from where the process has resumed the run
        self._run.finish(exit_code=0)
        if self.worker:
            self._check(fault)

    def _draw(self, what: str, make: Callable[[], Mapping[str, Any]]) -> str:
        """Log media in the row of the last step, or after it if the server has that; return why it failed."""
        try:
            self._run.log(make(), commit=False)
        except Exception as error:
            return self._told(f"no {what}: {first_line(error)}")
        return ""

    def _attach(self, step: int, alias: str) -> str:
        """Send a checkpoint; return why it failed."""
        try:
            artifact = media.checkpoint(self._run.id, self._folder.parent, step)
            self._run.log_artifact(artifact, aliases=["latest", alias])
            if self._mode == "online":
                # `artifact.wait()` also asks for details of the artifact, which openwandb does not know.
                done = artifact._save_handle.wait_or(timeout=self._run.settings.finish_timeout)
                if fault := done.response.log_artifact_response.error_message:
                    raise ConnectionError(fault)
        except Exception as error:
            return self._told(f"no checkpoint: {first_line(error)}")
        return ""

    def _has(self, name: str) -> bool:
        """Return whether the run has logged something of this name, perhaps before it was resumed."""
        names = self._run.summary.keys()  # the summary itself does not answer `in`
        return name in names

    def _told(self, fault: str) -> str:
        session.warn(f"W&B: {fault}")
        return fault

    def _check(self, fault: str) -> None:
        """Mark the folder as `wandb sync` does if the server has the whole run: a fault of an upload raises nothing."""
        if fault or self._mode == "offline":
            raise ConnectionError(fault or session.unreachable())
        wandb, end = session.load(), time.monotonic() + session.ANSWER_SECONDS
        api = wandb.Api(timeout=session.ANSWER_SECONDS)
        with contextlib.suppress(wandb.CommError):  # a server that does not know the question, such as openwandb
            served = api.run(self._run.path)
            # The request that completes a run follows all others of its stream of rows and summaries.
            while served.state != "finished" or served.summary.get("_step", self._step) < self._step:
                if time.monotonic() > end:
                    raise ConnectionError(f"the server has the run as {served.state}")
                time.sleep(1.0)
                served.load(force=True)
        for file in self._folder.glob("*run-*/*.wandb"):
            file.with_name(f"{file.name}.synced").touch()

    def _run_name(self) -> str:
        return self._options.run_name or os.environ.get("WANDB_NAME") or self.name

    def _trial(self) -> tuple[str, str, int]:
        """Return the setting, the variant (what the name tells besides setting, seed and ID), and the seed."""
        config = self._config
        setting, variant = str(config.get("setting", "")), str(config.get("variant", ""))
        label = re.sub(r"-?(seed\d+-)?[0-9a-f]{8}$", "", self._run_name())
        label = f"{label}-".removeprefix(f"{setting}-").strip("-")
        if label in ("", variant.replace(" ", "_")):
            label = variant or str(config.get("cell.name", ""))
        return setting or media.NO_SETTING, label, int(config.get("seed", 0))

    def _init(self, run_id: str) -> Any:
        wandb, options = session.load(), self._options
        settings = SETTINGS | (OFFLINE_SETTINGS if self._mode == "offline" and not session.asks_for_machine() else {})
        settings = {key: value for key, value in settings.items() if not session.in_environment(key)}
        if self._mode == "online" and (saves_code := session.saves_code()) is not None:
            settings["save_code"] = saves_code
        return wandb.init(
            id=run_id,
            project=options.project_name(),
            entity=options.entity or None,
            dir=self._folder.parent,
            name=self._run_name(),
            group=options.group_name(self._group),
            job_type=os.environ.get("WANDB_JOB_TYPE") or self._job_type,
            tags=[tag.strip() for tag in options.tags.split(",") if tag.strip()] or None,
            notes=options.notes or None,
            config=_nested(self._config),
            mode=self._mode,
            # A sweep agent has created the run: W&B uses the id and project of the agent.
            resume="allow" if self._mode == "online" and not session.by_agent() else None,
            reinit="create_new",
            settings=wandb.Settings(**settings),
        )


_environment = threading.RLock()
RUNS: list[WandbRun] = []
"""Runs since the last `uploads.wait_for_uploads`."""


def _best(metric: str) -> str:
    """Return what the summary keeps of a metric next to the last value: min, max or nothing."""
    return direction(metric) if metric.startswith(("train/", "validation/")) else ""


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree of dotted keys, which W&B shows as sections."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = re.split("[./]", key)
        functools.reduce(lambda node, section: node.setdefault(section, {}), sections, tree)[name] = value
    return tree


def _run_id(paths: Sequence[Path]) -> str:
    """Return the id of the newest W&B run of these folders, so that it is resumed; otherwise a new id."""
    # run-20260102_030405-ID, offline-run-20260102_030405-ID; ends in -1 if two runs start within a second
    folders = [re.search(r"run-(\d+_\d+)-(\w+)", path.name) for path in paths]
    starts = sorted(match.groups() for match in folders if match)
    return starts[-1][1] if starts else secrets.token_hex(4)


@contextlib.contextmanager
def _files_in(folder: Path) -> Iterator[None]:
    """Keep what W&B writes in the run directory, unless the user has set another folder. One thread at a time."""
    places = {"WANDB_CACHE_DIR": folder / "cache", "WANDB_DATA_DIR": folder / "data"}
    with _environment:
        changed = [name for name in places if name not in os.environ]
        os.environ.update({name: str(places[name]) for name in changed})
        try:
            yield
        finally:
            for name in changed:
                os.environ.pop(name, None)
