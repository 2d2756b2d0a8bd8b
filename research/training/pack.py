"""Many trials in one compiled program.

The devices (on a CPU, one XLA device a core) form a mesh with the axes "trial" and "batch". The trials' states are
stacked on a leading axis K, which is sharded over "trial". Each row of devices runs its trials one after the other
(`lax.map`), which on a CPU is as fast as a batched program and bit-exact: a trial's numbers do not depend on the pack
that it is in. On GPU and TPU they are batched (`vmap`). The devices of a row share the batch of each update: each
computes one part of it (`shards`).

All first arguments have the placement and types of all later ones, so every program is compiled once.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.batch import Batch, Tree
from research.training import hparams as hp
from research.training import shards
from research.training.step import Program, Record, TrialState

EACH, SAME, PARTS = PartitionSpec("trial"), PartitionSpec(), PartitionSpec(shards.AXIS)
EVALUATION_BATCH = 100


class Pack:
    """K trials with the same static config. Trials are padded to a multiple of the rows; the padding never runs."""

    def __init__(self, program: Program, trials: list[hp.Hparams], batched: bool | None = None) -> None:
        """Place the trials on the devices.

        Args:
            batched: whether a device runs its trials as one batch; by default on anything but a CPU.
        """
        self.program = program
        self.size = len(trials)
        self.batched = jax.devices()[0].platform != "cpu" if batched is None else batched
        self.columns = program.batch_shards
        rows = min(self.size, len(jax.devices()) // self.columns)
        if self.columns == 1 and not self.batched:
            # XLA optimises a program for one device differently, so a trial alone takes two to keep its bits.
            rows = min(max(rows, 2), len(jax.devices()))
        devices = np.array(jax.devices()[: rows * self.columns])
        self.mesh = Mesh(devices.reshape(rows, self.columns), ("trial", shards.AXIS))
        self.padding = -self.size % rows
        self.seeds = [int(trial.seed) for trial in trials]
        self.hparams = self._put(hp.stack(trials + trials[:1] * self.padding), EACH)
        self.data = self._put(program.task.data, SAME)
        data = EACH if program.task.stream else SAME
        self._run = self._compile(self._run_one, (EACH, EACH, data, SAME), donate=(1,))
        self._init = self._compile(program.init, (EACH,))
        self._predict = self._compile(self._predict_one, (EACH, EACH, PARTS))

    def init(self) -> TrialState:
        """The states before the first update."""
        return self._retire_padding(self._init(self.hparams))

    def run(self, state: TrialState, count: int, window: Any = None) -> tuple[TrialState, Record]:
        """`count` updates of each trial in one call; returns at once, the results follow. `state` is consumed.

        Args:
            window: of `place_window`, where batches are read while the pack is trained.
        """
        data = self.data if window is None else window
        return self._run(self.hparams, state, data, self._put(np.int32(count), SAME))

    def place_window(self, window: Tree) -> Tree:
        """On the devices, arrays whose leading axis holds what each trial is trained on."""

        def padded(x: np.ndarray) -> np.ndarray:
            return np.concatenate([x, np.repeat(x[:1], self.padding, axis=0)]) if self.padding else x

        return self._put(jax.tree.map(padded, window), EACH)

    def predict(self, state: TrialState, held_out: Batch) -> tuple[Any, np.ndarray]:
        """Scores and outputs on the held-out examples, [K, N, ...] as NumPy arrays."""
        count = len(held_out.targets)
        turns = -(-count // (EVALUATION_BATCH * self.columns))
        shape = (turns, self.columns, EVALUATION_BATCH)
        # Tasks put examples that end together side by side, so the devices take their batches in turn.
        rows = np.resize(np.arange(count), shape).swapaxes(0, 1)
        numbers = np.arange(turns * self.columns, dtype=np.int32).reshape(turns, self.columns).T
        batches = self._put((jax.tree.map(lambda x: x[rows], held_out), numbers), PARTS)
        found = jax.device_get(self._predict(self.hparams, state, batches))
        return jax.tree.map(lambda x: x.swapaxes(1, 2).reshape(len(x), -1, *x.shape[4:])[: self.size, :count], found)

    def fetch(self, state: TrialState) -> list[TrialState]:
        """Each trial's state as NumPy arrays."""
        host = jax.device_get(state)
        return [jax.tree.map(lambda x, k=k: x[k], host) for k in range(self.size)]

    def place(self, states: list[TrialState]) -> TrialState:
        """The inverse of `fetch`."""
        padded = states + states[:1] * self.padding
        return self._retire_padding(self._put(jax.tree.map(lambda *x: np.stack(x), *padded), EACH))

    def _run_one(self, hparams: hp.Hparams, state: TrialState, data: Any, count: Any) -> tuple[TrialState, Record]:
        return self.program.run(hparams, state, data, count)

    def _predict_one(self, hparams: hp.Hparams, state: TrialState, batches: tuple[Batch, Any]) -> Any:
        """Predictions on all batches, [columns, turns, ...], of which this device has computed one column."""
        own = jax.tree.map(lambda x: x[0], batches)
        predict = partial(self.program.predict, hparams, state)
        return jax.lax.all_gather(jax.lax.map(lambda each: predict(*each), own), shards.AXIS)

    def _retire_padding(self, state: TrialState) -> TrialState:
        if not self.padding:
            return state
        alive = np.arange(self.size + self.padding) < self.size
        ok = self._put(np.asarray(jax.device_get(state.ok)) & alive, EACH)
        return replace(state, ok=ok)

    def _compile(self, one: Callable, specs: tuple, donate: tuple[int, ...] = ()) -> Callable:
        """`one` over the trial axis of the arguments whose spec is EACH."""

        def in_turn(*arguments: Any) -> Any:
            each = tuple(a for a, spec in zip(arguments, specs, strict=True) if spec == EACH)

            def trial(own: tuple) -> Any:
                remaining = iter(own)
                return one(*(next(remaining) if s == EACH else a for a, s in zip(arguments, specs, strict=True)))

            return jax.lax.map(trial, each)

        local = jax.vmap(one, in_axes=tuple(0 if s == EACH else None for s in specs)) if self.batched else in_turn
        # What is summed over devices is summed in plain words, so nothing is gained by tracking which values differ.
        mapped = jax.shard_map(local, mesh=self.mesh, in_specs=specs, out_specs=EACH, check_vma=False)
        return jax.jit(mapped, donate_argnums=donate)

    def _put(self, tree: Any, spec: PartitionSpec) -> Any:
        """Arrays that every process has, on the devices of all."""
        place = NamedSharding(self.mesh, spec)

        def put(x: Any) -> jax.Array:
            array = np.asarray(x)
            return jax.make_array_from_callback(array.shape, place, lambda index: array[index])

        return jax.tree.map(put, tree)
