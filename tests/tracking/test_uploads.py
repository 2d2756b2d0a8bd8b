"""The wait for uploads has one deadline for all runs, is told, and can be stopped."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from research.errors import Stopped
from research.tracking import uploads
from research.tracking import wandb as tracking
from research.tracking import wandb_session as session
from research.tracking.uploads import uploading, wait_for_uploads
from research.tracking.wandb import WandbOptions, WandbRun


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[WandbRun]:
    """Provide runs of which the second and the third never get an answer."""
    session.warn.cache_clear()
    monkeypatch.setattr(uploads, "abandoned", [])
    monkeypatch.setattr(uploads, "_seconds", lambda: 0.05)
    runs = [WandbRun(tmp_path, name, WandbOptions(mode="disabled"), {}, "sweep") for name in "abc"]
    for run in runs:
        run.worker, run.finished, run.last = ThreadPoolExecutor(1), True, Future()
    assert runs[0].last
    runs[0].last.set_result(None)
    return runs


def test_one_deadline_holds_for_all_runs_and_the_wait_says_it(
    stuck: list[WandbRun], capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    wait_for_uploads(lines.append)
    assert lines[0] == (
        "uploading 2 runs to W&B, for at most 0 s more; Ctrl-C stops that, and the same command sends the rest"
    )
    reason = "W&B lacks part of 2 runs (b, c); the same command sends it: not sent within 0 s"
    assert capfd.readouterr().err == f"warning: {reason}\n"
    assert uploads.abandoned == ["b", "c"] and not tracking.RUNS
    assert [run.failure != "" for run in stuck] == [False, True, True]  # their threads start no more calls


def test_ctrl_c_in_the_wait_says_what_is_kept(stuck: list[WandbRun], capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Stopped) as stopped, uploading(interrupt):
        pass
    assert stopped.value.kept == "; all trials are complete, and the same command sends W&B the rest"
    assert "W&B lacks part of 2 runs (b, c)" in capfd.readouterr().err and uploads.abandoned == ["b", "c"]


def test_after_an_error_the_wait_is_short_and_the_error_goes_on(
    stuck: list[WandbRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(uploads, "wait_for_uploads", lambda show, most=0.0: waits.append(most))
    with pytest.raises(ZeroDivisionError), uploading(print):
        raise ZeroDivisionError
    assert waits == [uploads.STOP_SECONDS]
    tracking.RUNS.clear()


@pytest.mark.parametrize(("variable", "seconds"), [("", 80), ("6", 26), ("soon", 80)])
def test_the_deadline_follows_the_time_that_a_run_may_take(
    variable: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", variable)
    assert uploads._seconds() == seconds
