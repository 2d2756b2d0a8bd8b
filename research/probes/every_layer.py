"""Gradient profiles of every layer, direction, side and part of the state, by a backward pass of their own.

Profiles are in the order in which a direction reads. Where lengths differ, a profile is aligned to the step that is
read last, the nearest one to the loss: its last entry is of that step in all sequences. `…/from_start` is aligned to
the step that is read first. Not all sequences have a step far from that one, so the norm is

    sqrt(B / n_t * sum_b ||dL/ds_t,b||^2)        B sequences, of which n_t have the step t

which is the norm over the batch where all are equally long. It is NaN where no sequence has the step, and after the
step whose loss is chosen; a norm that is not a number, infinity times zero, is infinite here.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.batch import Batch
from research.errors import UserError
from research.probes.probe import Loss, Snapshot
from research.recurrence.norms import norm
from research.seq2seq.heads import TokenHead
from research.seq2seq.model import Way


class Side(NamedTuple):
    """The encoder or the decoder on a batch."""

    stack: Any
    steps: int
    longest: int
    """Steps of the longest sequences of all batches."""
    lengths: Int[Array, " B"] | None


def profiles(snapshot: Snapshot, loss_step: int) -> dict[str, Float[Array, " T"]]:
    """Return the profile of each part of each layer and direction, such as "encoder/layer_1/forward/h".

    Those of an encoder with attention are also split by the way of the gradient out of the decoder: `…/by_recurrence`
    from the last state of the encoder, `…/by_attention` from the attention to its states; dL/ds_t is the sum of both.
    """
    return snapshot.on_batch(lambda batch, loss: _profiles(snapshot, loss_step, batch, loss))


def _profiles(snapshot: Snapshot, loss_step: int, batch: Batch, loss: Loss) -> dict[str, Array]:
    model, spec, found = snapshot.model, snapshot.spec, {}
    if abs(loss_step) > spec.target_length:
        allowed = f"at most {spec.target_length}, the longest target in training, in magnitude"
        raise UserError(f"probes.gradient_flow.loss_step={loss_step}: must be {allowed}")
    sides = {"encoder": Side(model.encoder.stack, batch.inputs.shape[1], spec.input_length, batch.input_lengths)}
    attends = False
    if isinstance(model.head, TokenHead):
        decoder, steps = model.head.decoder, batch.targets.shape[1]
        attends = decoder.attention is not None
        if not decoder.waits:  # its steps are taken one by one, without the hand-written backward pass
            sides["decoder"] = Side(decoder.stack, steps, spec.target_length, batch.target_lengths)
    size, parts = len(batch.inputs), model.encoder.stack.cell.parts
    zeros = {
        f"{name}/{direction}": jnp.zeros((side.steps, size, len(parts)))
        for name, side in sides.items()
        for layer in side.stack.names
        for direction in layer
    }

    def add(way: Way, suffix: str, kept: tuple[str, ...]) -> None:
        chosen = {name: x for name, x in zeros.items() if name.startswith(kept)}
        norms = jax.grad(lambda zeros: loss(snapshot.params, zeros, loss_step=loss_step, way=way))(chosen)
        for name, values in norms.items():
            side, reverse = sides[name.partition("/")[0]], name.endswith("/reverse")
            for index, part in enumerate(parts):
                for ending, profile in _aligned(values[:, :, index], side, reverse).items():
                    found[f"{name}/{part}{suffix}{ending}"] = _to_the_loss(profile) if loss_step else profile

    add("all", "", tuple(sides))
    if attends:
        add("recurrence", "/by_recurrence", ("encoder",))
        add("attention", "/by_attention", ("encoder",))
    return found


def _to_the_loss(profile: Float[Array, " T"]) -> Float[Array, " T"]:
    """Return the profile with NaN for the steps after the last one that has a gradient; as it is if none has."""
    has_later = jnp.cumsum((profile > 0)[::-1])[::-1] > 0
    return jnp.where(has_later | ~has_later[0], profile, jnp.nan)


def _aligned(norms: Float[Array, "T B"], side: Side, reverse: bool) -> dict[str, Array]:
    """Return the norms over the batch, aligned to the end and, where lengths differ, to the start."""
    steps, size = norms.shape
    padding, norms = side.longest - steps, jnp.where(jnp.isnan(norms), jnp.inf, norms)
    if side.lengths is None:
        return {"": jnp.pad(norm(norms, axis=1), (padding, 0), constant_values=jnp.nan)}
    place, lengths = jnp.arange(steps)[:, None], side.lengths[None, :]
    first = steps - lengths if reverse else jnp.zeros_like(lengths)  # what is read from its end starts with its padding

    def over_batch(index: Array, valid: Array) -> Array:
        chosen = jnp.where(valid, jnp.take_along_axis(norms, jnp.clip(index, 0, steps - 1), axis=0), 0)
        count = jnp.sum(valid, axis=1)
        return jnp.where(count > 0, norm(chosen, axis=1) * jnp.sqrt(size / jnp.maximum(count, 1)), jnp.nan)

    from_start = over_batch(first + place, place < lengths)
    from_end = over_batch(first + lengths - steps + place, place >= steps - lengths)
    return {
        "": jnp.pad(from_end, (padding, 0), constant_values=jnp.nan),
        "/from_start": jnp.pad(from_start, (0, padding), constant_values=jnp.nan),
    }
