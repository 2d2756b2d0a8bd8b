"""Many trials in one compiled program.

The devices (on a CPU, one XLA device per core) form a mesh with the axes "trial" and "batch". The trials' states are
stacked on a leading axis K, which is sharded over "trial". On a CPU, each row of devices runs its trials one after the
other (`lax.map`). This is as fast as a batched program, and a trial gives the same bits in every pack. On GPU and TPU
the trials are batched (`vmap`). The devices of a row split the batch of each update into shards (`shards`).

Arguments always have the same types and placement, so every program is compiled once. Trials share a program if they
differ only in traced numbers (`research.options.static_key`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.batch import Batch, Tree
from research.options import static_key
from research.recurrence.kernels import cudnn
from research.training import hparams as hp
from research.training import shards
from research.training.hparams import Hparams
from research.training.state import TrialState
from research.training.step import Program, Record
from research.training.trial import Trial

PER_TRIAL, SHARED, PER_SHARD = PartitionSpec("trial"), PartitionSpec(), PartitionSpec(shards.AXIS)
EVALUATION_BATCH = 100


class Pack:
    """K trials with the same static options, padded to a multiple of the rows. Padding computes nothing on a CPU.

    When trials end, others of the same program can take their slots (`occupy`), without a compilation.
    """

    def __init__(self, program: Program, trials: Sequence[Hparams], batched: bool | None = None) -> None:
        """Place the trials on the devices.

        With `batched`, a device runs its trials as one batch; by default everywhere but on a CPU.
        """
        self.program = program
        self.batched = jax.devices()[0].platform != "cpu" if batched is None else batched
        self.columns = program.batch_shards
        rows = min(len(trials), len(jax.devices()) // self.columns)
        if self.columns == 1 and not self.batched:
            # XLA optimizes a program for one device differently: use two, so that a trial alone gives the same bits.
            rows = min(max(rows, 2), len(jax.devices()))
        devices = np.array(jax.devices()[: rows * self.columns])
        self.mesh = Mesh(devices.reshape(rows, self.columns), ("trial", shards.AXIS))
        self.slots = -(-len(trials) // rows) * rows
        self.occupy(trials)
        self.data = self._put(program.task.data, SHARED)
        data = PER_TRIAL if program.task.stream else SHARED
        self._run = self._compile(program.run, (PER_TRIAL, PER_TRIAL, data, SHARED, SHARED), donate=(1,))
        self._init = self._compile(program.init, (PER_TRIAL,))
        self._predict = self._compile(self._predict_trial, (PER_TRIAL, PER_TRIAL, PER_TRIAL, PER_SHARD))
        self._align = self._compile(program.align, (PER_TRIAL, PER_TRIAL, PER_TRIAL, SHARED))

    def occupy(self, trials: Sequence[Hparams]) -> None:
        """Give the slots to other trials of the program, at most as many as there are slots."""
        self.size, self.padding = len(trials), self.slots - len(trials)
        assert 0 < self.size <= self.slots
        self.seeds = [int(trial.seed) for trial in trials]
        self.hparams = self._put(hp.stack([*trials, *[trials[0]] * self.padding]), PER_TRIAL)
        self._taken = self._put(np.arange(self.slots) < self.size, PER_TRIAL)

    def init(self) -> TrialState:
        """Return the states before the first update."""
        return self.retire(self._init(self.hparams))

    def run(self, state: TrialState, start: int, stop: int, window: Any = None) -> tuple[TrialState, Record]:
        """Start the updates after `start`, up to `stop`, of each trial and return without waiting for them.

        The buffers of `state` are donated. `window` is a result of `place_window`, for tasks that stream their batches.
        """
        data = self.data if window is None else window
        count, start_on_devices = (self._put(np.int32(number), SHARED) for number in (stop - start, start))
        return self._run(self.hparams, state, data, count, start_on_devices)

    def tell_compiled(self, tell: Callable[[Any], None]) -> None:
        """Have `tell` called with the compiled updates (`jax.stages.Compiled`) before the first of them."""
        jitted: Any = self._run

        def run(*arguments: Any) -> Any:
            self._run = jitted.lower(*arguments).compile()
            tell(self._run)
            return self._run(*arguments)

        self._run = run

    def place_window(self, window: Tree) -> Tree:
        """Put arrays with a leading axis K on the devices."""

        def padded(x: np.ndarray) -> np.ndarray:
            return np.concatenate([x, np.repeat(x[:1], self.padding, axis=0)]) if self.padding else x

        return self._put(jax.tree.map(padded, window), PER_TRIAL)

    def predict(self, state: TrialState, batch: Batch) -> tuple[Any, np.ndarray]:
        """Return a `Score` and outputs on validation or test examples, as NumPy arrays [K, N, ...]."""
        count = len(batch.targets)
        turns = -(-count // (EVALUATION_BATCH * self.columns))
        shape = (turns, self.columns, EVALUATION_BATCH)
        # Tasks sort examples by length, so batches alternate between the devices.
        rows = np.resize(np.arange(count), shape).swapaxes(0, 1)
        numbers = np.arange(turns * self.columns, dtype=np.int32).reshape(turns, self.columns).T
        batches = self._put((jax.tree.map(lambda x: x[rows], batch), numbers), PER_SHARD)
        results = jax.device_get(self._predict(self._taken, self.hparams, state, batches))
        return jax.tree.map(lambda x: x.swapaxes(1, 2).reshape(len(x), -1, *x.shape[4:])[: self.size, :count], results)

    def align(
        self, state: TrialState, inputs: np.ndarray, lengths: np.ndarray | None, outputs: np.ndarray
    ) -> np.ndarray:
        """Return the attention weights [K, N, U, S] at the outputs [K, N, U] of each trial for N inputs."""
        arguments = self.place_window(outputs), self._put((inputs, lengths), SHARED)
        return jax.device_get(self._align(self.hparams, state, *arguments))[: self.size]

    def fetch(self, state: TrialState) -> list[TrialState]:
        """Return the state of each trial as NumPy arrays."""
        host = jax.device_get(state)
        return [jax.tree.map(lambda x, k=k: x[k], host) for k in range(self.size)]

    def place(self, states: Sequence[TrialState]) -> TrialState:
        """Put states on the devices: the inverse of `fetch`."""
        padded = [*states, *[states[0]] * self.padding]
        return self.retire(self._put(jax.tree.map(lambda *x: np.stack(x), *padded), PER_TRIAL))

    def retire(self, state: TrialState, stopped: Collection[int] = ()) -> TrialState:
        """Return the states with `ok` off for some trials, and for the padding: they make no more updates."""
        if not (self.padding or stopped):
            return state
        alive = [k < self.size and k not in stopped for k in range(self.slots)]
        return replace(state, ok=self._put(np.asarray(jax.device_get(state.ok)) & alive, PER_TRIAL))

    def _predict_trial(self, taken: Any, hparams: Hparams, state: TrialState, batches: tuple[Batch, Any]) -> Any:
        """Return predictions on all batches, [columns, turns, ...]; this device computes one column."""
        column = jax.tree.map(lambda x: x[0], batches)
        predict = partial(self.program.predict, hparams, state)

        def found() -> Any:
            return jax.lax.map(lambda batch: predict(*batch), column)

        def zeros() -> Any:
            return jax.tree.map(jnp.zeros_like, jax.eval_shape(found))

        return jax.lax.all_gather(jax.lax.cond(taken, found, zeros), shards.AXIS)

    def _compile(self, function: Callable, specs: tuple, donate: tuple[int, ...] = ()) -> Callable:
        """Compile a function of one trial for all trials: map it over the arguments whose spec is PER_TRIAL."""

        def one_after_the_other(*arguments: Any) -> Any:
            stacked = tuple(a for a, spec in zip(arguments, specs, strict=True) if spec == PER_TRIAL)

            def run_trial(row: tuple) -> Any:
                rest = iter(row)
                return function(
                    *(next(rest) if spec == PER_TRIAL else a for a, spec in zip(arguments, specs, strict=True))
                )

            return jax.lax.map(run_trial, stacked)

        axes = tuple(0 if spec == PER_TRIAL else None for spec in specs)
        local = jax.vmap(function, in_axes=axes) if self.batched else one_after_the_other
        # check_vma tracks which values differ between devices; sums over devices here are explicit.
        mapped = jax.shard_map(local, mesh=self.mesh, in_specs=specs, out_specs=PER_TRIAL, check_vma=False)
        return jax.jit(mapped, donate_argnums=donate)

    def _put(self, tree: Any, spec: PartitionSpec) -> Any:
        """Put arrays, equal in every process, on the devices of all processes."""
        place = NamedSharding(self.mesh, spec)

        def put(x: Any) -> jax.Array:
            array = np.asarray(x)
            return jax.make_array_from_callback(array.shape, place, lambda index: array[index])

        return jax.tree.map(put, tree)


class PackCache:
    """The packs that were compiled last: trials of the same program, shards and data take the slots of one of them."""

    def __init__(self, most: int = 2) -> None:
        """Start empty; keep at most so many packs, as each holds its data on the devices."""
        self._most = most
        self._packs: dict[Any, Pack] = {}

    def of(self, program: Program, trials: Sequence[Hparams]) -> Pack:
        key = (program.batch_shards, static_key(program.options))
        pack = self._packs.pop(key, None)
        # Batched, an empty slot costs as much as a trial.
        if pack and (len(trials) > pack.slots or (pack.batched and 2 * len(trials) < pack.slots)):
            pack = None
        if pack:
            pack.occupy(trials)
        else:
            pack = Pack(program, trials)
        self._packs[key] = pack
        while len(self._packs) > self._most:
            del self._packs[next(iter(self._packs))]
        return pack


@dataclass(frozen=True)
class Sharing:
    """How the trials of a sweep are trained, which may need several calls and several processes."""

    packs: PackCache = field(default_factory=PackCache)
    """Compiled packs, for the next call."""
    pack_size: int = 0
    """Largest number of trials of a pack; 0: no limit."""
    pause: Mapping[str, int] = field(default_factory=dict)
    """Step at which trials pause, by name; a record must end there."""
    peers: Mapping[str, int] = field(default_factory=dict)
    """Number of trials of the sweep that one program trains, by name, for trials whose peers train elsewhere."""
    leave_busy: bool = False
    """Leave the trials that another process trains to it, instead of refusing to start."""
    enough: Callable[[], bool] = lambda: False
    """Returns whether no more packs need to be started."""
    standing: Callable[[], str] = lambda: ""
    """Returns how the whole sweep stands, for the progress bar."""


def build_pack(trials: Sequence[Trial], batch_shards: int, packs: PackCache) -> Pack:
    """Return a pack of trials with the same static options, and the kernel of `model.backend: auto` chosen for them."""
    options = trials[0].options
    backend = cudnn.resolve_backend(options.model.backend, len(trials), jax.device_count() // batch_shards)
    options = replace(options, model=replace(options.model, backend=backend))
    return packs.of(Program(options, trials[0].task, batch_shards), [Hparams.of(trial.options) for trial in trials])
