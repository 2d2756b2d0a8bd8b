"""The training of one trial as pure functions: initial state, n updates, predictions.

Model, task, batch size and optimizer are compiled into a `Program`; hyperparameters, state and data are arguments. A
trial diverges when its loss, gradient or weights are not finite, or when its loss exceeds `training.divergence_loss`.
It then keeps its last finite state and skips all further updates.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.batch import WHOLE, Batch, Shard
from research.errors import UserError
from research.options import numbers
from research.probes import Observed, Probe, Snapshot
from research.probes.probe import Loss
from research.recurrence.norms import leaf_norms, norm
from research.recurrence.trajectory import gate_names
from research.recurrence.unroll import kernel_of
from research.seq2seq.model import Score, Seq2seq
from research.tasks import task as tasks
from research.tasks.task import Task
from research.training import shards
from research.training.hparams import Hparams
from research.training.options import TrialOptions
from research.training.state import Params, TrialState, update_average

INIT, UPDATES, EVALUATION = range(3)
"""Uses of a trial's random keys."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sums:
    """Sums over the updates of a record."""

    updates: Float[Array, ""]
    """Number of updates, including one that diverged."""
    loss: Float[Array, ""]
    """Without label smoothing."""
    objective: Float[Array, ""]
    """The minimized loss: with label smoothing."""
    error: Float[Array, ""]
    grad_norm: Float[Array, ""]
    clipped: Float[Array, ""]
    """Updates whose gradient was clipped."""
    gradient_regularizer: Float[Array, ""]
    """Omega, averaged over the sequences; 0 if it is off."""
    good_loss: Float[Array, ""]
    """The loss of the successful updates alone."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Record:
    """The metrics of n updates."""

    ok: Bool[Array, ""]
    """Whether the trial continues."""
    num_updates: Int[Array, ""]
    """Successful updates since the start of the training."""
    sums: Sums
    learning_rate: Float[Array, ""]
    """Learning rate of the last update."""
    teacher_forcing: Float[Array, ""]
    """Probability of teacher forcing in the last update."""
    objective: Float[Array, ""]
    """The minimized loss of the last update, as is what follows: in case it failed."""
    grad_norms: Float[Array, " L"]
    """Norm of the gradient of each leaf of the weights."""
    param_norms: Float[Array, " L"]
    """Norm of each leaf of the weights after the update."""
    probes: dict[str, dict[str, Array]]
    """Measurements of each probe in the first update, and in the model before it."""


_Gradient = tuple[Float[Array, "4"], Params, Float[Array, "S P"]]
"""A shard's (objective, loss, error, Omega), its gradient, and its norms of dL/dh_t."""


class Program:
    """The training of one trial with given static options. Every method can be traced."""

    def __init__(self, options: TrialOptions, task: Task, batch_shards: int = 1) -> None:
        """Set what is compiled; `options` are those of any trial, with resolved sizes.

        With more than one of `batch_shards`, map `run` over as many devices along `shards.AXIS`; all devices get the
        same results.
        """
        self.options, self.task, self.batch_shards = options, task, batch_shards
        self.probes = options.probes.enabled()
        self.inspecting = {name: probe for name, probe in self.probes.items() if probe.inspects}
        """Probes that run the model."""
        self.profile_names = options.profile_names if any(p.reads_profiles for p in self.probes.values()) else ()
        self.graphdef = nnx.graphdef(nnx.eval_shape(lambda: self._model(Hparams.of(options))))

    @property
    def kernel(self) -> str:
        """Implementation of the encoder's recurrence on this machine: scan, associative or cudnn."""
        options, model = self.options, self.options.model
        stepwise = bool(
            model.remat_every or model.tbptt_steps or numbers(options.zoneout) or options.training.gradient_regularizer
        )
        only_scan = bool(self.profile_names or options.dropout.recurrent or model.compute_dtype != "float32")
        return kernel_of(options.cell, model.backend, stepwise=stepwise, only_scan=only_scan)

    def init(self, hparams: Hparams) -> TrialState:
        """Return the state before the first update."""
        params = nnx.state(self._model(hparams), nnx.Param)
        return TrialState(
            params=params,
            optimizer=hparams.optimizer(self.options).transformation(1.0).init(params),
            step=jnp.int32(0),
            ok=jnp.bool_(True),
            average=None if hparams.number("training", "ema_decay") is None else params,
            schedule=hparams.schedule(self.options).init(),
        )

    def run(
        self,
        hparams: Hparams,
        state: TrialState,
        data: Any,
        count: Int[Array, ""],
        start: Int[Array, ""],
    ) -> tuple[TrialState, Record]:
        """Return the state and the metrics after `count` updates. A trial that has diverged skips them.

        `data` are those of the task, or a window of batches; `start` is the number of updates before, the same for all
        trials of a pack.
        """
        inspected = self._inspect(hparams, state, data, count, start)

        def update(index: Array, loop: tuple[TrialState, Record]) -> tuple[TrialState, Record]:
            bucket = self.task.bucket(start + index, self.options.training.batch_size)
            gradient = self._gradient(hparams, data, loop[0], bucket)
            return jax.lax.cond(loop[0].ok, lambda: self._update(hparams, *loop, gradient), lambda: loop)

        state, record = jax.lax.fori_loop(0, count, update, (state, self._empty_record(state)))
        probes = {name: {**inspected.get(name, {}), **measured} for name, measured in record.probes.items()}
        return state, replace(record, probes=probes)

    def predict(self, hparams: Hparams, state: TrialState, batch: Batch, number: Int[Array, ""]) -> tuple[Score, Array]:
        """Return teacher-forced scores and free-running outputs, with the averaged weights if there are any.

        `number` is the index of the batch, which seeds decoding that samples.
        """
        key = jax.random.fold_in(_key(hparams.seed, EVALUATION), number)
        return self._evaluated(state).predict(batch, hparams.rates, key)

    def align(
        self, hparams: Hparams, state: TrialState, outputs: Int[Array, "N U"], inputs: tuple[Array, Array | None]
    ) -> Float[Array, "N U S"]:
        """Return the attention weights at outputs for inputs and their lengths, as in evaluation."""
        return self._evaluated(state).alignment(*inputs, outputs, hparams.rates)

    def _evaluated(self, state: TrialState) -> Seq2seq:
        return nnx.merge(self.graphdef, state.params if state.average is None else state.average)

    def _model(self, hparams: Hparams) -> Seq2seq:
        rngs = nnx.Rngs(params=_key(hparams.seed, INIT))
        return Seq2seq(self.options, self.task.spec, hparams.init, rngs)

    def _empty_record(self, state: TrialState) -> Record:
        zero = jnp.float32(0)
        sums, norms = Sums(*[zero] * 8), jnp.zeros(len(jax.tree.leaves(state.params)))
        profile = jnp.zeros(self.task.spec.input_length)
        profiles = dict.fromkeys(self.profile_names, profile)
        shapes = jax.eval_shape(self._measure, Observed(zero, state.params, state.params, state.params, profiles))
        measured = jax.tree.map(jnp.zeros_like, shapes)
        return Record(state.ok, state.step, sums, zero, zero, zero, norms, norms, measured)

    def _inspect(
        self, hparams: Hparams, state: TrialState, data: Any, count: Array, start: Array
    ) -> dict[str, dict[str, Array]]:
        """Return what probes find in the model before the updates; zeros where they need not be recorded."""
        if not self.inspecting:
            return {}
        snapshot, training = self._snapshot(hparams, state, data, start), self.options.training
        stop = start + count
        every_record = (stop % training.log_every == 0) if training.max_seconds else False  # any may be the last

        def inspect(probe: Probe) -> dict[str, Array]:
            def found() -> dict[str, Array]:
                try:
                    return probe.require_arrays("inspect", probe.inspect(snapshot))
                except KeyError as error:
                    cell = self.options.cell
                    gates = ", ".join(gate_names(cell)) or "none"
                    raise UserError(
                        f"probe {probe.name}: no {error}; cell {cell.name} has the gates {gates}"
                    ) from error

            def zeros() -> dict[str, Array]:
                return jax.tree.map(jnp.zeros_like, jax.eval_shape(found))

            due = (count > 0) & ((start % probe.every == 0) | (stop == training.steps) | every_record)
            # Trials of a batched pack share `due`, but not `ok`, so that records that are not due cost nothing.
            return jax.lax.cond(due, lambda: jax.lax.cond(state.ok, found, zeros), zeros)

        return {name: inspect(probe) for name, probe in self.inspecting.items()}

    def _snapshot(self, hparams: Hparams, state: TrialState, data: Any, start: Array) -> Snapshot:
        batch_key, model_key = data_keys(hparams.seed)
        training, step = self.options.training, state.step

        def on_batch(function: Callable[[Batch, Loss], Any]) -> Any:
            def branch(bucket: int) -> Any:
                batch = tasks.training_batch(self.task, data, batch_key, step, training.batch_size, bucket)

                def loss(params: Params, perturbation: Any = None, shard: Shard = WHOLE, **options: Any) -> Array:
                    model, key = nnx.merge(self.graphdef, params), jax.random.fold_in(model_key, step)
                    return model.loss(batch, key, hparams.step_options(step, None), perturbation, shard, **options)[0]

                return function(batch, loss)

            branches = [functools.partial(branch, bucket) for bucket in range(self.task.buckets)]
            return jax.lax.switch(self.task.bucket(start, training.batch_size), branches)

        return Snapshot(self._evaluated(state), state.params, self.task.spec, hparams.rates, self._examples, on_batch)

    @functools.cached_property
    def _examples(self) -> Batch:
        """Validation examples for probes; constants of the program."""
        count = max(getattr(probe, "examples", 1) for probe in self.inspecting.values())
        return self.task.eval_examples("validation", count).batch

    def _measure(self, observed: Observed) -> dict[str, dict[str, Array]]:
        return {name: probe.require_arrays("measure", probe.measure(observed)) for name, probe in self.probes.items()}

    def _update(
        self, hparams: Hparams, state: TrialState, record: Record, gradient: _Gradient
    ) -> tuple[TrialState, Record]:
        training, step, count = self.options.training, state.step, self.batch_shards
        optimizer, schedule = hparams.optimizer(self.options), hparams.schedule(self.options)
        scalars, grads, profile = gradient
        objective, loss, error, omega = shards.total(scalars, count)
        grads, profile = shards.total(grads, count), shards.total_norm(profile, count)

        grad_norms = leaf_norms(grads)
        grad_norm = norm(grad_norms)
        clipped_grads, clipped = optimizer.clip(grads, grad_norm)
        rate = schedule.rate(optimizer.learning_rate, step, training.steps, state.schedule)
        updates, optimizer_state = optimizer.transformation(rate).update(clipped_grads, state.optimizer, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)

        bounded = objective <= hparams.numbers["training"]["divergence_loss"]
        param_norms = leaf_norms(params)
        ok = bounded & jnp.isfinite(grad_norm) & jnp.isfinite(norm(param_norms))
        decay = hparams.number("training", "ema_decay")
        average = None if decay is None else update_average(decay, state.average, params, step)
        after = TrialState(
            params, optimizer_state, step + 1, ok, average, schedule.observe(state.schedule, objective, step)
        )
        kept = jax.tree.map(lambda new, old: jnp.where(ok, new, old), after, state)

        profiles = {name: profile[:, index] for index, name in enumerate(self.profile_names)}
        observed = Observed(objective, state.params, grads, updates, profiles)
        first = record.sums.updates == 0
        flag, good_loss = clipped.astype(jnp.float32), jnp.where(ok, loss, 0.0)
        terms = Sums(jnp.float32(1), loss, objective, error, grad_norm, flag, omega, good_loss)
        return replace(kept, ok=ok), Record(
            ok=ok,
            num_updates=kept.step,
            sums=jax.tree.map(jnp.add, record.sums, terms),
            learning_rate=rate,
            teacher_forcing=hparams.forcing_probability(step),
            objective=objective,
            grad_norms=grad_norms,
            param_norms=param_norms,
            probes=jax.lax.cond(first, lambda: self._measure(observed), lambda: record.probes),
        )

    def _gradient(self, hparams: Hparams, data: Any, state: TrialState, chosen: Array | int) -> _Gradient:
        """Return the gradient on a batch of the chosen bucket; zeros after the trial has diverged.

        The switch is outside of `cond`: under `vmap`, a `cond` whose predicate differs between trials computes both
        branches, and any switch within them all of its own.
        """
        batch_key, model_key = data_keys(hparams.seed)

        def branch(bucket: int) -> _Gradient:
            def gradient() -> _Gradient:
                return self._gradient_in_bucket(hparams, data, state, batch_key, model_key, bucket)

            def zeros() -> _Gradient:
                return jax.tree.map(jnp.zeros_like, jax.eval_shape(gradient))

            return jax.lax.cond(state.ok, gradient, zeros)

        return jax.lax.switch(chosen, [functools.partial(branch, bucket) for bucket in range(self.task.buckets)])

    def _gradient_in_bucket(
        self, hparams: Hparams, data: Any, state: TrialState, batch_key: Array, model_key: Array, bucket: int
    ) -> _Gradient:
        batch = tasks.training_batch(self.task, data, batch_key, state.step, self.options.training.batch_size, bucket)
        direction = self.profile_names[0].rpartition("/")[0] if self.profile_names else ""
        zeros = {direction: jnp.zeros((batch.inputs.shape[1], len(self.profile_names)))} if direction else {}

        def objective(
            params: Params, zeros: dict[str, Array], omega: Array | None
        ) -> tuple[Array, tuple[Array, Array]]:
            model = nnx.merge(self.graphdef, params)
            key = jax.random.fold_in(model_key, state.step)
            step_options = hparams.step_options(state.step, omega)
            return model.loss(batch, key, step_options, zeros, shards.this_shard(self.batch_shards))

        differentiated = jax.value_and_grad(objective, argnums=(0, 1, 2), has_aux=True)
        weight = hparams.number("training", "gradient_regularizer")
        (value, (loss, error)), gradients = differentiated(state.params, zeros, weight)
        grads, profiles, omega = gradients  # `kernels.backward` defines the last two
        omega = jnp.float32(0) if omega is None else omega
        return jnp.stack([value, loss, error, omega]), grads, profiles.get(direction, jnp.zeros((0, 0)))


def data_keys(seed: Int[Array, ""] | np.int32) -> tuple[Array, Array]:
    """Return the key of a trial's batches, and the key of all other randomness in its updates."""
    batch_key, model_key = jax.random.split(_key(seed, UPDATES))
    return batch_key, model_key


def _key(seed: Int[Array, ""] | np.int32, use: int) -> Array:
    return jax.random.fold_in(jax.random.key(seed), use)
