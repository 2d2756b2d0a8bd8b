"""The training of one trial, as pure functions: initial state, n updates, predictions.

`Program` holds what is compiled in (model, task, batch size, optimizer); hyperparameters, state and data are
arguments. A trial whose loss, gradient or weights stop being finite, or whose loss exceeds its ceiling, freezes at its
last good state and takes no further step.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.batch import Batch
from research.config import Config
from research.recurrent.cell import create
from research.seq2seq.model import Score, Seq2seq
from research.tasks.task import Task
from research.training import budget, optim, shards
from research.training import hparams as hp
from research.training.stretches import Stretches

Params = Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrialState:
    """All that a trial carries from step to step: what a checkpoint holds."""

    params: Params
    optimizer: Any
    step: Int[Array, ""]
    """Updates made."""
    ok: Bool[Array, ""]
    """False: the trial has diverged, in the update after `step`."""
    average: Params | None = None
    """Moving average of the weights, which is what is evaluated; None: the weights themselves are."""
    plateau: optim.Plateau | None = None
    """None: the learning rate does not look at the loss."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Record:
    """What n updates report: sums over the updates tried, and the gradient profile of the first."""

    ok: Bool[Array, ""]
    """Whether the trial goes on."""
    good: Int[Array, ""]
    """Updates made since the start of the training."""
    steps: Float[Array, ""]
    loss: Float[Array, ""]
    error: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    clipped: Float[Array, ""]
    gradient_regulariser: Float[Array, ""]
    """Omega, the mean over the sequences; 0 without it."""
    learning_rate: Float[Array, ""]
    """Of the last update."""
    teacher_forcing: Float[Array, ""]
    """Probability of the true token in the last update."""
    profile: Float[Array, "S P"]
    """Norm of dL/dcarry_t of the encoder's top layer; zeros where it is not asked for."""


class Program:
    """One trial's training, for a static config; every method can be traced."""

    def __init__(self, config: Config, task: Task, batch_shards: int = 1) -> None:
        """Fix what is compiled.

        Args:
            batch_shards: parts of a batch; if more than one, `run` must be mapped over as many devices on
                `shards.AXIS`, all of which get the same results.
        """
        self.config = config = budget.settled(config, task.interface)
        self.batch_shards = batch_shards
        self.task = task
        self.interface = task.interface
        self.cell = create(config.model.cell, config.cell)
        model = nnx.eval_shape(lambda: self._model(hp.of(config, task.interface)))
        self.graphdef = nnx.graphdef(model)
        self.stretches = Stretches(nnx.state(model, nnx.Param), batch_shards)
        probing = config.probes.gradient_flow_every > 0
        self.profile_shape = (self.interface.input_length, len(self.cell.parts)) if probing else None

    def init(self, hparams: hp.Hparams) -> TrialState:
        """The state before the first update."""
        params = nnx.state(self._model(hparams), nnx.Param)
        optimizer = optim.transform(self.config.training.optimizer, 1.0, hparams.rule).init(params)
        average = None if hparams.averaging is None else params
        plateau = None if hparams.patience is None else optim.no_plateau()
        return TrialState(params, optimizer, jnp.int32(0), jnp.bool_(True), average, plateau)

    def run(
        self, hparams: hp.Hparams, state: TrialState, data: Any, count: Int[Array, ""]
    ) -> tuple[TrialState, Record]:
        """`count` updates; none for a trial that has diverged."""

        def update(index: Array, loop: tuple[TrialState, Record]) -> tuple[TrialState, Record]:
            return jax.lax.cond(loop[0].ok, lambda: self._update(hparams, data, *loop), lambda: loop)

        profile = jnp.zeros(self.profile_shape or (0, 0))
        zero = jnp.float32(0)
        start = Record(state.ok, state.step, *[zero] * 8, profile=profile)
        state, record = jax.lax.fori_loop(0, count, update, (_shared(state, self.stretches.cut), start))
        return _shared(state, self.stretches.joined), record

    def predict(
        self, hparams: hp.Hparams, state: TrialState, batch: Batch, number: Int[Array, ""]
    ) -> tuple[Score, Array]:
        """Teacher-forced scores and the model's own outputs, by the average of the weights where there is one.

        Args:
            number: of the batch, which decides what is drawn where decoding draws.
        """
        params = state.params if state.average is None else state.average
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(hparams.seed), 2), number)
        return nnx.merge(self.graphdef, params).predict(batch, hparams.rates, key)

    def _model(self, hparams: hp.Hparams) -> Seq2seq:
        rngs = nnx.Rngs(params=jax.random.fold_in(jax.random.key(hparams.seed), 0))
        return Seq2seq(self.config, self.cell, self.interface, hparams.init, rngs)

    def _update(self, hparams: hp.Hparams, data: Any, state: TrialState, record: Record) -> tuple[TrialState, Record]:
        batch_key, forcing_key = data_keys(hparams.seed)
        branches = [
            lambda bucket=bucket: self._gradient(hparams, data, state, batch_key, forcing_key, bucket)
            for bucket in range(self.task.buckets)
        ]
        chosen = self.task.bucket(batch_key, state.step, self.config.training.batch_size)
        loss, error, grads, omega, profile = jax.lax.switch(chosen, branches)
        parts, stretches = self.batch_shards, self.stretches
        loss, error, omega = shards.total(jnp.stack([loss, error, omega]), parts)
        profile = shards.total_norm(profile, parts)
        grads = stretches.total(grads)
        size = optim.global_norm(grads, parts)
        clipped, reached = optim.clipped(grads, size, hparams.clip_value, hparams.clip_norm, parts)
        rate = optim.learning_rate(hparams, state.step, self.config.training.steps, state.plateau)
        before = stretches.own(state.params)
        rule = optim.transform(self.config.training.optimizer, rate, hparams.rule, stretches.matrices)
        updates, optimizer = rule.update(clipped, state.optimizer, before)
        params = jax.tree.map(jnp.add, before, updates)
        ok = (loss <= hparams.loss_ceiling) & jnp.isfinite(size) & jnp.isfinite(optim.global_norm(params, parts))
        after = TrialState(
            params,
            optimizer,
            state.step + 1,
            ok,
            optim.averaged(hparams.averaging, state.average, params, state.step),
            optim.plateau_after(hparams, state.plateau, loss, state.step),
        )
        kept = jax.tree.map(lambda new, old: jnp.where(ok, new, old), after, replace(state, params=before))
        first = record.steps == 0
        forced = hparams.conditions(state.step).teacher_forcing
        observed = Record(
            ok=ok,
            good=kept.step,
            steps=record.steps + 1,
            loss=record.loss + loss,
            error=record.error + error,
            gradient_norm=record.gradient_norm + size,
            clipped=record.clipped + reached,
            gradient_regulariser=record.gradient_regulariser + omega,
            learning_rate=rate,
            teacher_forcing=jnp.float32(1) if forced is None else forced,
            profile=jnp.where(first, profile, record.profile),
        )
        return replace(kept, ok=ok, params=stretches.whole(kept.params)), observed

    def _gradient(
        self, hparams: hp.Hparams, data: Any, state: TrialState, batch_key: Array, forcing_key: Array, bucket: int
    ):
        """Loss, error, gradient and Omega, to be summed over the parts of the batch; norms of this part's profile."""
        batch = self.task.batch(data, batch_key, state.step, self.config.training.batch_size, bucket)
        probe = None if self.profile_shape is None else jnp.zeros((batch.inputs.shape[1], self.profile_shape[1]))

        def loss(params: Params, probe: Array | None, omega: Array | None) -> tuple[Array, Array]:
            model = nnx.merge(self.graphdef, params)
            own = jax.random.fold_in(forcing_key, state.step)
            shard = shards.own(self.batch_shards)
            conditions = replace(hparams.conditions(state.step), gradient_regulariser=omega)
            return model.loss(batch, own, conditions, probe, shard)

        differentiated = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
        (value, error), found = differentiated(state.params, probe, hparams.gradient_regulariser)
        grads, profile, omega = found  # the last two are what their arguments ask for: see `recurrent.vjp`
        nothing = jnp.zeros((0, 0))
        return value, error, grads, jnp.float32(0) if omega is None else omega, nothing if profile is None else profile


def _shared(state: TrialState, share: Callable[[Any], Any]) -> TrialState:
    """All that goes with the weights but only an update reads."""
    return replace(state, optimizer=share(state.optimizer), average=share(state.average))


def data_keys(seed: Int[Array, ""] | np.int32) -> tuple[Array, Array]:
    """What the batches of a trial are drawn with, and what its updates draw beside them."""
    batch_key, forcing_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1))
    return batch_key, forcing_key
