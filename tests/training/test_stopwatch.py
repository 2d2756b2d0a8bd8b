"""A stopwatch counts what trains and nothing else."""

import types

from research.training import stopwatch
from research.training.stopwatch import Stopwatch


def test_a_stopwatch_counts_what_it_times_and_resumes_from_before(monkeypatch):
    clock = iter([10.0, 12.0, 50.0, 51.0])
    monkeypatch.setattr(stopwatch, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Stopwatch(4.0)
    watch.seconds = 1.0  # of the run that is resumed
    assert watch.time(lambda x: x + 1, 1) == 2
    assert (watch.seconds, watch.over) == (3.0, False)
    watch.time(lambda: None)
    assert (watch.seconds, watch.over) == (4.0, True)


def test_a_stopwatch_without_a_budget_counts_on_until_it_pauses(monkeypatch):
    clock = iter([10.0, 12.0, 15.0, 50.0, 51.0])
    monkeypatch.setattr(stopwatch, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    watch = Stopwatch(0.0)
    watch.seconds = 1.0
    assert watch.elapsed == 1.0
    assert watch.time(lambda: 3) == 3
    assert (watch.seconds, watch.elapsed) == (1.0, 3.0)
    watch.time(lambda: 4)
    watch.pause()
    assert (watch.seconds, watch.elapsed, watch.over) == (6.0, 6.0, False)
    watch.pause()
    watch.time(lambda: 5)
    assert watch.elapsed == 7.0
