"""Several processes that train one trial together (`jax.distributed`): each computes its devices' batch shards.

The first process decides, reads and writes; the others only compute. JAX's environment variables describe them:

    JAX_COORDINATOR_ADDRESS    HOST:PORT on which the first process listens
    JAX_NUM_PROCESSES          number of processes                    (not needed with Slurm or Open MPI)
    JAX_PROCESS_ID             index of this process, from 0          (not needed with Slurm or Open MPI)
"""

import contextlib
import os
import pickle
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from research.errors import UserError

ADDRESS, COUNT, ID = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
CONNECT_SECONDS, SHUTDOWN_SECONDS = 120, 10  # processes wait for each other at the end
T = TypeVar("T")


def start() -> None:
    """Connect to the other processes, if the environment names any. Call this before JAX is initialized.

    Raises:
        UserError: if a variable is missing or wrong, or the processes do not connect in time.
    """
    if jax.distributed.is_initialized():
        return
    settings = {name: os.environ[name] for name in (ADDRESS, COUNT, ID) if os.environ.get(name)}
    if not settings:
        return
    count, index = _whole(settings, COUNT, 1), _whole(settings, ID, 0)
    address = re.fullmatch(r"(?:[^\s:\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", settings.get(ADDRESS, ""))
    if not (address and 0 < int(address[1]) < 2**16):
        known = ", ".join(f"{name}={text}" for name, text in settings.items() if name != ADDRESS)
        others = f"with {known}, " if ADDRESS not in settings else ""
        raise UserError(f"{ADDRESS}={settings.get(ADDRESS, '')}: {others}must be HOST:PORT of the first process")
    if count is not None and index is not None and index >= count:
        raise UserError(f"{ID}={index}: must be less than {COUNT}={count}")
    try:
        with _ended_in_time(settings[ADDRESS]):
            jax.distributed.initialize(
                num_processes=count,
                process_id=index,
                initialization_timeout=2 * CONNECT_SECONDS,
                shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            )
    except (ValueError, RuntimeError) as error:  # a missing variable, or no connection
        missing = [name for name, value in ((COUNT, count), (ID, index)) if value is None]
        reason = f"{' and '.join(missing)} must be set" if missing else str(error).strip().partition("\n")[0]
        raise UserError(f"{ADDRESS}={settings[ADDRESS]}: {reason}") from error


@contextlib.contextmanager
def _ended_in_time(address: str) -> Iterator[None]:
    """Exit with a one-line error if the processes do not connect in time; JAX would print a stack trace."""

    def end() -> None:
        wanted = f"not all {COUNT} processes connected within {CONNECT_SECONDS} seconds"
        print(f"error: {ADDRESS}={address}: {wanted}", file=sys.stderr, flush=True)
        os._exit(2)

    timer = threading.Timer(CONNECT_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_first() -> bool:
    """Return whether this is the first process, or the only one."""
    return jax.process_index() == 0


def from_first(make: Callable[[], T]) -> T:
    """Call `make` in the first process and return its result in all; if it raises an error, all do."""
    if jax.process_count() == 1:
        return make()
    if not is_first():
        value, fault = _broadcast(b"")
        if fault is not None:
            raise UserError(fault)
        return value
    try:
        value = make()
    except Exception as error:
        _broadcast(pickle.dumps((None, str(error))))
        raise
    _broadcast(pickle.dumps((value, None)))
    return value


def _broadcast(message: bytes) -> Any:
    """Return the unpickled message of the first process."""
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    text = np.frombuffer(message, np.uint8) if message else np.zeros(size, np.uint8)
    return pickle.loads(multihost_utils.broadcast_one_to_all(text).tobytes())


def _whole(settings: dict[str, str], name: str, least: int) -> int | None:
    text = settings.get(name)
    if text is not None and not (text.isdecimal() and least <= int(text) < 2**20):
        raise UserError(f"{name}={text}: must be a whole number, at least {least}, less than 2**20")
    return int(text) if text is not None else None
