"""A person sees one bar that stays in its place; a log file gets a line now and then."""

import io
import re
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from research.tracking import progress
from research.tracking.progress import ProgressBar

WIDTH = 72


@pytest.fixture
def console(request, monkeypatch) -> Console:
    """Stands for stderr: a terminal, or a file."""
    console = Console(file=io.StringIO(), force_terminal=request.param, width=WIDTH, color_system=None)
    monkeypatch.setattr(progress, "STDERR", console)
    return console


terminal = pytest.mark.parametrize("console", [True], indirect=True, ids=["terminal"])
log_file = pytest.mark.parametrize("console", [False], indirect=True, ids=["file"])


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def frames(console: Console) -> list[str]:
    """Return what stood on the line, one after the other."""
    return [text for text in re.split(r"\r|\n|\x1b\[[0-9;?]*[A-Za-z]", written(console)) if text.strip()]


def run(seconds: float = 0.0) -> None:
    with ProgressBar() as bar:
        bar.doing("reading the data")
        bar.expect(200)
        bar.part("2/12 · ", " · 4 × lstm on pixels")
        for step in (0, 50, 100):
            bar.doing(f"step {step}/400")
            bar.advance(25)
            time.sleep(seconds)


@terminal
def test_a_terminal_has_one_line_that_is_redrawn_and_ends_at_the_whole(console):
    run(seconds=0.3)
    assert written(console).count("\n") == 1
    shown = frames(console)
    assert any("step 50/400" in frame and "2/12" in frame for frame in shown)
    assert all(len(frame) <= WIDTH for frame in shown)
    assert "100%" in shown[-1] and shown[-1].strip().endswith("done")


@terminal
def test_the_line_is_cut_at_its_end_and_nowhere_else(console):
    with ProgressBar() as bar:
        bar.expect(4)
        bar.advance(1)
        bar.doing("word " * 40)
        time.sleep(0.25)
    cut = next(frame for frame in frames(console) if "word" in frame)
    assert re.search(r"━━━━ {14}25% 0:00:00 left .:..:.. word", cut)
    assert cut.rstrip().endswith("…")


@terminal
def test_a_bar_inside_it_is_put_below_and_not_over_it(console):
    with ProgressBar() as bar:
        bar.doing("reading the data")
        with Progress(console=console) as inner:
            inner.add_task("mnist: preparing", total=3, completed=3)
            time.sleep(0.25)
    text = written(console)
    assert re.search(r"reading the data[^\n]*\n[^\n]*mnist: preparing", text)


@log_file
def test_a_file_gets_lines_at_intervals_also_while_nothing_advances(console, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.1)
    run(seconds=0.25)
    lines = written(console).splitlines()
    assert 5 <= len(lines) <= 10
    assert lines[0] == "  0%  0:00:00  reading the data"
    assert " 38%  0:00:00  2/12 · step 100/400 · 4 × lstm on pixels" in lines
    assert lines[-1] == "100%  0:00:00  done"
    assert "\x1b" not in written(console)


@log_file
def test_a_short_run_leaves_two_lines_in_a_file(console):
    run()
    assert len(written(console).splitlines()) == 2


@pytest.mark.parametrize("console", [True, False], indirect=True)
def test_a_run_that_fails_does_not_end_at_the_whole(console):
    with pytest.raises(RuntimeError), ProgressBar() as bar:
        bar.expect(4)
        bar.doing("working")
        bar.advance(1)
        raise RuntimeError
    assert "25%" in frames(console)[-1] and "done" not in written(console)


@log_file
def test_a_run_that_fails_in_its_first_activity_leaves_one_line_in_a_file(console):
    with pytest.raises(RuntimeError), ProgressBar() as bar:
        bar.doing("reading the data")
        raise RuntimeError
    assert written(console).splitlines() == ["  0%  0:00:00  reading the data"]
