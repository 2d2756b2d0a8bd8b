"""Teacher forcing: the tokens that the decoder reads in training.

The decoder reads the true previous token with a probability that may change during training, sampled for each token or
once for each target. Otherwise it reads its own prediction: the likeliest token, or one sampled from its distribution
(Bengio et al. 2015). No gradient passes through a discrete prediction, so the decoder's inputs are computed first,
without gradient, and the loss is then computed on these inputs.
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import BOS, WHOLE, Shard
from research.options import LARGE, require_between, require_default, traced
from research.seq2seq.decoder import NO_NOISE, Decoder, DecoderNoise
from research.seq2seq.encoder import Memory
from research.seq2seq.loss import argmax
from research.seq2seq.step_options import StepOptions

FALLING = ("linear", "exponential", "inverse_sigmoid")
"""Schedules whose probability decreases during training."""
Feedback = Literal["argmax", "sample"]


@dataclass(frozen=True)
class TeacherForcingOptions:
    """Whether the decoder reads the true previous token in training, or its own prediction."""

    schedule: Literal["always", "never", "constant", "linear", "exponential", "inverse_sigmoid"] = traced(
        "always", off="always"
    )
    """Schedule of the probability of the true token: 1, 0, constant, or decreasing (Bengio et al. 2015)."""
    ratio: float = traced(1.0)
    """Probability with schedule constant."""
    half_life: float = traced(1000.0)
    """Updates after which a decreasing probability is one half."""
    min_ratio: float = traced(0.0)
    """Lower bound of a decreasing probability."""
    granularity: Literal["token", "sequence"] = traced("token")
    """Choose between truth and prediction for each token, or once for all tokens of a target."""
    feedback: Feedback = "argmax"
    """Prediction that the decoder reads: the likeliest token, or one sampled from its distribution."""

    def __post_init__(self) -> None:
        require_between(self, "teacher_forcing", ratio=(0, 1), min_ratio=(0, 1), half_life=(1, LARGE))
        schedule = self.schedule
        uses = {
            "ratio": schedule == "constant",
            "half_life": schedule in FALLING,
            "min_ratio": schedule in FALLING,
            "granularity": schedule not in ("always", "never"),
            "feedback": schedule != "always",
        }
        for name, used in uses.items():
            require_default(self, "teacher_forcing", name, used, f"teacher_forcing.schedule={schedule}")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TeacherForcing:
    """The schedule of teacher forcing, as numbers that may differ between trials of one program.

        linear            max(min_ratio, 1 - i / (2 n))
        exponential       max(min_ratio, k^i)                     k = 2^(-1/n)
        inverse sigmoid   max(min_ratio, k / (k + exp(i / k)))    k ln k = n

    for update i (from 0) and half-life n: the schedules of Bengio et al. 2015, which are 1/2 at i = n.
    """

    falling: Int[Array, "*K"]
    """Index in `FALLING`; -1: constant."""
    ratio: Float[Array, "*K"]
    half_life: Float[Array, "*K"]
    min_ratio: Float[Array, "*K"]
    steepness: Float[Array, "*K"]
    """k of the inverse sigmoid."""
    per_sequence: Float[Array, "*K"]
    """1: sample the inputs of a whole target at once; 0: sample each token."""

    @classmethod
    def of(cls, options: TeacherForcingOptions) -> "TeacherForcing | None":
        """Return the numbers of these options as NumPy scalars; None if the decoder always reads the true token."""
        from scipy.special import lambertw  # k ln k = n  <=>  k = n / W(n)

        schedule, half_life = options.schedule, options.half_life
        if schedule == "always":
            return None
        ratio = 0.0 if schedule == "never" else options.ratio
        per_sequence = options.granularity == "sequence"
        values = (ratio, half_life, options.min_ratio, half_life / lambertw(half_life).real, per_sequence)
        falling = np.int32(FALLING.index(schedule) if schedule in FALLING else -1)
        scalars: list[Any] = [falling, *map(np.float32, values)]
        return cls(*scalars)

    def probability(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Return the probability of the true token at update `step`, from 0."""
        i, k = step.astype(self.ratio.dtype), self.steepness
        linear, exponential = 1 - i / (2 * self.half_life), jnp.exp2(-i / self.half_life)
        inverse_sigmoid = 1 / (1 + jnp.exp(jnp.minimum(i / k, 80.0)) / k)
        schedules = jnp.stack([linear, exponential, inverse_sigmoid])
        falling = jnp.maximum(schedules[jnp.maximum(self.falling, 0)], self.min_ratio)
        return jnp.where(self.falling < 0, self.ratio, falling)


def previous_tokens(targets: Int[Array, "B U"]) -> Int[Array, "B U"]:
    """Return BOS, then the targets without their last token."""
    return jnp.pad(targets[:, :-1], ((0, 0), (1, 0)), constant_values=BOS)


def decoder_inputs(
    decoder: Decoder,
    memory: Memory,
    targets: Int[Array, "B U"],
    options: StepOptions,
    key: Array,
    shard: Shard = WHOLE,
    noise: DecoderNoise = NO_NOISE,
    feedback: Feedback = "argmax",
) -> Int[Array, "B U"]:
    """Return the tokens that the decoder reads in training.

    `targets` and `noise` are those of a shard of the batch; `key` samples for the whole batch.
    """
    true, ratio = previous_tokens(targets), options.teacher_forcing
    if ratio is None:
        return true
    count, steps = true.shape
    whole = shard.count * count

    def choose() -> Array:
        # JAX's bits depend on the index: with time first, more padding leaves earlier samples unchanged.
        draws = jax.random.uniform(key, (steps, whole)).T
        if options.per_sequence is not None:
            draws = jnp.where(options.per_sequence > 0, draws[:, :1], draws)
        forced = shard.rows(draws < ratio).at[:, 0].set(True)

        def predict(u: Array, logits: Array) -> Array:
            if feedback == "sample":
                shape = (whole, logits.shape[1])
                logits += shard.rows(jax.random.gumbel(jax.random.fold_in(key, u), shape, logits.dtype))
            return argmax(logits).astype(true.dtype)

        def step(carry, inputs):
            state, predicted = carry
            u, true_u, forced_u = inputs
            tokens = jnp.where(forced_u, true_u, predicted)
            logits, _, state = decoder.step(memory, state, tokens, noise.step(u))
            return (state, predict(u, logits)), tokens

        start = (decoder.start(memory), jnp.zeros_like(true[:, 0]))
        return jax.lax.scan(step, start, (jnp.arange(steps), true.T, forced.T))[1].T

    return jax.lax.stop_gradient(jax.lax.cond(ratio < 1, choose, lambda: true))
