"""Where the updates of a pack get their batches: from data on the device, or from windows of batches read meanwhile.

Grain reads batches ahead, in threads or worker processes; a thread stacks them into a window and puts it on the device
while the device trains on the window before. A batch is a pure function of (seed, step), so reading starts at any step
without a state. Windows begin at multiples of their span, whatever the pack and wherever it resumes.

Worker processes end with the training process: at its end, at its Ctrl-C, which is kept from them, and where it is
killed.
"""

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from multiprocessing import resource_tracker
from typing import Any

import grain
import jax
import numpy as np
from absl import flags

from research.batch import Batch
from research.data.streaming import Batches, Window
from research.errors import UserError
from research.training.options import LoaderOptions
from research.training.pack import Pack
from research.training.state import TrialState
from research.training.step import Record, data_keys

WINDOW_BYTES = 2**26
"""The most that a window of one trial takes, if it is more than one batch: three windows are held at a time."""
MAX_SPAN = 64
POLL_SECONDS = 0.001


class Loader:
    """Gives a pack the data that lie on the device, or are drawn on it."""

    span = 0
    """Steps of a window; 0: there are none."""
    waited: float | None = None
    """Seconds that the device was idle for want of input, at the start as well; None: nothing is read."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def run(self, state: TrialState, start: int, stop: int) -> tuple[TrialState, Record]:
        """Start the updates from `start` to `stop`; return at once, the results follow."""
        return self.pack.run(state, stop - start)

    def close(self) -> None:
        """Stop reading."""


class StreamingLoader(Loader):
    """Reads batches while the pack trains: a call must not go beyond a window's end."""

    def __init__(self, pack: Pack, start: int) -> None:
        """Start reading the window that `start` is in."""
        super().__init__(pack)
        options = pack.program.options
        stream, training = pack.program.task.stream, options.training
        keys = [data_keys(np.int32(seed))[0] for seed in pack.seeds]
        batch = stream.batches(keys[0], 1, training.batch_size)[0]
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
        self.span = max(1, min(MAX_SPAN, WINDOW_BYTES // size))
        self.waited = 0.0
        count = -(-training.steps // self.span)
        trials = [stream.batches(key, count * self.span, training.batch_size) for key in keys]
        self._last = count - 1
        self._next = self._number(start)
        self._batches = _read_ahead(_Interleaved(trials, self.span, count), self._next, options.loader)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="loader", initializer=_without_interrupts)
        self._ahead = self._reader.submit(self._read, self._next)
        self._window: Window | None = None
        self._running: Record | None = None

    def run(self, state: TrialState, start: int, stop: int) -> tuple[TrialState, Record]:
        number = self._number(start)
        assert start <= stop <= (number + 1) * self.span, "a call goes beyond its window"
        if self._window is None or (number == self._next and not self._all_diverged()):
            self._window = self._take()
        state, self._running = self.pack.run(state, stop - start, self._window)
        return state, self._running

    def close(self) -> None:
        self._batches.close()
        self._reader.shutdown(cancel_futures=True)

    def _number(self, step: int) -> int:
        """Return the number of the window that a step is in; after the last step, that of the last window."""
        return min(step // self.span, self._last)

    def _all_diverged(self) -> bool:
        """Return whether it is known that no trial continues, so that nothing needs to be read."""
        ok: Any = self._running and self._running.ok
        return ok is not None and ok.is_ready() and not np.any(jax.device_get(ok))

    def _take(self) -> Window:
        """Return the next window; count the time in which there is none and the device is idle."""
        assert self.waited is not None
        running: Any = self._running and self._running.ok
        while not self._ahead.done():
            start = time.monotonic()
            idle = running is None or running.is_ready()
            wait([self._ahead], POLL_SECONDS)
            self.waited += time.monotonic() - start if idle else 0.0
        with _deaths_in_one_line():
            window = self._ahead.result()
        self._next += 1
        if self._next <= self._last:
            self._ahead = self._reader.submit(self._read, self._next)
        return window

    def _read(self, number: int) -> Window:
        """Return the next window of all trials, on the device."""
        parts = list(itertools.islice(self._batches, len(self.pack.seeds) * self.span))
        shape = (len(self.pack.seeds), self.span)
        stacked = [np.stack(arrays).reshape(*shape, *arrays[0].shape) for arrays in zip(*parts, strict=True)]
        window = self.pack.place_window(Window(np.full(shape[0], number * self.span, np.int32), Batch(*stacked)))
        return jax.block_until_ready(window)  # the device would wait for what is on its way


def create(pack: Pack, start: int) -> Loader:
    """Return the loader of a pack from this step on; close it after use."""
    return Loader(pack) if pack.program.task.stream is None else StreamingLoader(pack, start)


@dataclass(frozen=True)
class _Interleaved:
    """The batches of all trials, window by window; in a window, those of one trial after the other."""

    trials: Sequence[Batches]
    span: int
    windows: int

    def __len__(self) -> int:
        return self.windows * len(self.trials) * self.span

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rest, step = divmod(index, self.span)
        window, trial = divmod(rest, len(self.trials))
        batch = self.trials[trial][window * self.span + step]
        return tuple(getattr(batch, item.name) for item in fields(batch))


def _read_ahead(source: _Interleaved, window: int, options: LoaderOptions) -> Any:
    """Return an iterator over the batches from the beginning of a window on, which are read before they are needed."""
    per_window = len(source.trials) * source.span
    buffer_size = max(per_window, options.num_threads)
    reading = grain.ReadOptions(num_threads=options.num_threads, prefetch_buffer_size=buffer_size)
    batches = grain.MapDataset.source(source)[window * per_window :].to_iter_dataset(reading)
    if options.num_workers:
        if not flags.FLAGS.is_parsed():  # Grain reads its options from absl's flags, which nobody sets
            flags.FLAGS.mark_as_parsed()
        ahead = -(-per_window // options.num_workers)
        processes = grain.MultiprocessingOptions(options.num_workers, per_worker_buffer_size=ahead)
        batches = batches.mp_prefetch(processes, _end_with_parent)
    return iter(batches)


@contextlib.contextmanager
def _deaths_in_one_line() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # that Grain raises has no type of its own
        if "Worker process was terminated" not in str(error):
            raise
        needs = "fewer loader.num_workers need less memory; the same command resumes from the last checkpoint"
        raise UserError(f"a process that reads the training examples was killed; {needs}") from error


def _without_interrupts() -> None:
    """Keep Ctrl-C from the processes that this thread starts, each of which would report it."""
    resource_tracker.ensure_running()  # else it is started later, and lets interrupts through again
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def _end_with_parent(worker: int, workers: int) -> None:
    """End a worker process when the training process is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
