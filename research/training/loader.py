"""Batches for a pack: from data on the device, or streamed in windows of batches.

Grain reads batches ahead, in threads or worker processes. A thread stacks them into a window and puts it on the device
while the device trains on the previous window. A batch is a pure function of (seed, step), so reading can start at any
step. Windows start at multiples of their span, in every pack and after every resume.

Worker processes end with the training process, even if it is killed. They ignore Ctrl-C.
"""

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
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
"""Largest size of one trial's window, unless one batch is larger. Three windows exist at a time."""
MAX_SPAN = 64
POLL_SECONDS = 0.001


class Loader:
    """Runs a pack whose data are on the device, or are generated there."""

    span = 0
    """Updates per window; 0: there are no windows."""
    waited: float | None = None
    """Seconds in which the device was idle because it waited for batches; None: nothing is read."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def run(self, state: TrialState, start: int, stop: int) -> tuple[TrialState, Record]:
        """Start the updates from `start` to `stop` and return without waiting for them."""
        return self.pack.run(state, start, stop)

    def close(self) -> None:
        """Stop reading."""


class StreamingLoader(Loader):
    """Reads batches while the pack trains. A call must not exceed a window."""

    def __init__(self, pack: Pack, start: int) -> None:
        """Start to read at the window that contains the step `start`."""
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
        assert start <= stop <= (number + 1) * self.span, "a call must not exceed its window"
        if self._window is None or (number == self._next and not self._all_diverged()):
            self._window = self._take()
        state, self._running = self.pack.run(state, start, stop, self._window)
        return state, self._running

    def close(self) -> None:
        self._batches.close()
        self._reader.shutdown(cancel_futures=True)

    def _number(self, step: int) -> int:
        """Return the index of the window that contains a step, at most that of the last window."""
        return min(step // self.span, self._last)

    def _all_diverged(self) -> bool:
        """Return whether all trials are known to have diverged, so that no more batches are needed."""
        ok: Any = self._running and self._running.ok
        return ok is not None and ok.is_ready() and not np.any(jax.device_get(ok))

    def _take(self) -> Window:
        """Return the next window; add the time in which the device is idle to `waited`."""
        assert self.waited is not None
        running: Any = self._running and self._running.ok
        while not self._ahead.done():
            start = time.monotonic()
            idle = running is None or running.is_ready()
            wait([self._ahead], POLL_SECONDS)
            self.waited += time.monotonic() - start if idle else 0.0
        try:
            window = self._ahead.result()
        except RuntimeError as error:  # Grain has no error type for it
            if "Worker process was terminated" not in str(error):
                raise
            needs = "fewer loader.num_workers need less memory; the same command resumes from the last checkpoint"
            raise UserError(f"a process that reads the training examples was killed; {needs}") from error
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
        return jax.block_until_ready(window)  # so that the device does not wait for the transfer


def create(pack: Pack, start: int) -> Loader:
    """Return the loader of a pack that starts at a step. The caller closes it."""
    return Loader(pack) if pack.program.task.stream is None else StreamingLoader(pack, start)


@dataclass(frozen=True)
class _Interleaved:
    """Batches of all trials, window by window; within a window, trial by trial."""

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
    """Return an iterator over the batches that starts at a window and reads ahead."""
    per_window = len(source.trials) * source.span
    buffer_size = max(per_window, options.num_threads)
    reading = grain.ReadOptions(num_threads=options.num_threads, prefetch_buffer_size=buffer_size)
    batches = grain.MapDataset.source(source)[window * per_window :].to_iter_dataset(reading)
    if options.num_workers:
        if not flags.FLAGS.is_parsed():  # Grain requires parsed absl flags
            flags.FLAGS.mark_as_parsed()
        ahead = -(-per_window // options.num_workers)
        processes = grain.MultiprocessingOptions(options.num_workers, per_worker_buffer_size=ahead)
        batches = batches.mp_prefetch(processes, _end_with_parent)
    return iter(batches)


def _without_interrupts() -> None:
    """Block Ctrl-C in the processes that this thread starts; each would print a traceback."""
    resource_tracker.ensure_running()  # started later, it would unblock the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def _end_with_parent(worker: int, workers: int) -> None:
    """End a worker process when the training process is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
