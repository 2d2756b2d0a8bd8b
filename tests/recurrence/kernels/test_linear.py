"""Linear maps with their own backward pass: what flax and JAX make of the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.recurrence.kernels.linear import linear


@pytest.mark.parametrize(("shape", "use_bias"), [((3,), False), ((2, 4, 3), True), ((0, 3), True)])
def test_values_and_gradients_are_those_of_flax(shape, use_bias):
    with jax.enable_x64(True):
        ours = linear(3, 5, nnx.Rngs(0), use_bias)
        theirs = nnx.Linear(3, 5, use_bias=use_bias, kernel_init=nnx.initializers.glorot_uniform(), rngs=nnx.Rngs(0))
        actual, wanted = (jax.tree.map(lambda w: w.astype(jnp.float64), nnx.state(own)) for own in (ours, theirs))
        jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(actual), jax.tree.leaves(wanted))
        x = jax.random.normal(jax.random.key(1), shape, jnp.float64)

        def loss(own: nnx.Linear, params, x):
            return jnp.sum(jnp.sin(nnx.merge(nnx.graphdef(own), params)(x)))

        for a, b in zip(
            jax.tree.leaves(jax.value_and_grad(loss, argnums=(1, 2))(ours, actual, x)),
            jax.tree.leaves(jax.value_and_grad(loss, argnums=(1, 2))(theirs, wanted, x)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
