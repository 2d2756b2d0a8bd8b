"""Entropy, monotonicity and coverage are those of the weights, without padding."""

import itertools

import jax
import numpy as np
import pytest
from flax import nnx

from research.batch import Batch
from research.errors import UserError
from research.probes.attention import measures
from tests.probes.inspected import inspect
from tests.training.trials import WORDS, hparams_of, of


def by_hand(weights, ends, lengths):
    """Return the numbers of each example, one after the other."""
    entropies, forward, covered = [], [], []
    for a, end, length in zip(weights, ends, lengths, strict=True):
        a = a[:end, :length]
        entropies += [-sum(p * np.log(p) for p in row if p) for row in a]
        position = a @ np.arange(length)
        forward += [later >= earlier for earlier, later in itertools.pairwise(position)]
        covered += [min(1, total) for total in a.sum(axis=0)]
    return np.mean(entropies), np.mean(forward), np.mean(covered)


def test_numbers_are_those_of_the_weights_one_by_one():
    rng, ends, lengths = np.random.default_rng(0), (4, 2, 1), (5, 3, 1)
    weights = rng.dirichlet(np.ones(5), size=(3, 4))
    for row, length in enumerate(lengths):
        weights[row, :, length:] = 0
        weights[row] /= weights[row].sum(axis=1, keepdims=True)
    written, read = np.arange(4) < np.array(ends)[:, None], np.arange(5) < np.array(lengths)[:, None]
    with jax.enable_x64(True):
        found = jax.device_get(jax.jit(measures)(*map(jax.numpy.asarray, (weights, written, read))))
    wanted = by_hand(weights, ends, lengths)
    np.testing.assert_allclose([found[name] for name in ("entropy", "monotonicity", "coverage")], wanted, rtol=1e-12)
    np.testing.assert_allclose(found["position_by_token"][2], weights[0, 2] @ np.arange(5), rtol=1e-12)


def test_a_sharp_diagonal_has_no_entropy_moves_forward_and_covers_all():
    diagonal = np.eye(4, dtype=np.float32)[None]
    every = np.ones((1, 4), bool)
    for weights, monotonicity in ((diagonal, 1), (diagonal[:, ::-1], 0)):
        found = measures(*map(jax.numpy.asarray, (weights, every, every)))
        assert [float(found[name]) for name in ("entropy", "monotonicity", "coverage")] == [0, monotonicity, 1]
    uniform = measures(*map(jax.numpy.asarray, (np.full((1, 2, 4), 0.25, np.float32), every[:, :2], every)))
    assert float(uniform["entropy"]) == pytest.approx(np.log(4))
    assert (float(uniform["monotonicity"]), float(uniform["coverage"])) == (1, 0.5)


def test_the_record_is_of_the_models_alignment():
    config = of(WORDS, attention__name="dot", probes__attention__every=1, probes__attention__examples=2)
    inputs, targets = np.array([[3, 4, 5, 6], [7, 8, 0, 0]]), np.array([[3, 4, 5, 6, 2], [7, 8, 2, 0, 0]])
    batch = Batch(inputs, np.array([4, 2]), targets, np.array([5, 3]))
    program, state, found = inspect(config, batch)
    model = nnx.merge(program.graphdef, state.params)
    arrays = jax.tree.map(jax.numpy.asarray, batch)
    weights = model.alignment(arrays.inputs, arrays.input_lengths, arrays.targets, hparams_of(config).rates)
    wanted = by_hand(np.asarray(weights, np.float64), (5, 3), (4, 2))
    np.testing.assert_allclose([found[name] for name in ("entropy", "monotonicity", "coverage")], wanted, rtol=1e-5)


def test_attention_without_weights_is_one_line():
    with pytest.raises(
        UserError, match=r"^probes\.attention\.every=2: must be 0 as attention\.name=none has no weights$"
    ):
        of(WORDS, probes__attention__every=2)
