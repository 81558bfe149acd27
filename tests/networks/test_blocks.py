"""The fast blocks against the plain formulation: values and gradients, on random shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.networks.plain import plain_block

from twofold.networks.blocks import first_block, lay_out_patches, pooled_size, second_block
from twofold.networks.winograd import winograd

# Each new shape is a new compilation.
FEW = settings(max_examples=6, deadline=None)
CHANNELS = 3


def random(key, *shape):
    return jax.random.normal(jax.random.key(key), shape)


def in_order(blocks, rows, columns):
    """(g, windows, n, d) as (g, n, rows, columns, d)."""
    g, _, n, d = blocks.shape
    return blocks.reshape(g, rows, columns, n, d).transpose(0, 3, 1, 2, 4)


def assert_same_values_and_gradients(fast, plain, arguments):
    """Both are functions of the arguments; gradients are those of the sum of the outputs' sines."""

    def values_and_gradients(function):
        def total(*arguments):
            outputs = function(*arguments)
            return jnp.sin(outputs).sum(), outputs

        (_, outputs), gradients = jax.jit(jax.value_and_grad(total, range(len(arguments)), has_aux=True))(*arguments)
        return outputs, *gradients

    for ours, theirs in zip(values_and_gradients(fast), values_and_gradients(plain), strict=True):
        scale = float(jnp.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * scale)


@FEW
@given(g=st.integers(1, 2), n=st.integers(1, 5), height=st.integers(4, 17), width=st.integers(4, 17))
def test_first_block(g, n, height, width):
    images = random(0, g, n, height, width)
    rows, columns = pooled_size(height, width)

    def fast(kernel, bias):
        hidden = first_block(lay_out_patches(images), kernel, bias)
        return in_order(hidden.reshape(g, rows * columns, n, -1), rows, columns)

    def plain(kernel, bias):
        return jax.vmap(plain_block)(images[..., None], kernel, bias)

    assert_same_values_and_gradients(fast, plain, (random(1, g, 3, 3, 1, CHANNELS), random(2, g, CHANNELS)))


@FEW
@given(g=st.integers(1, 2), n=st.integers(1, 4), height=st.integers(4, 12), width=st.integers(4, 12))
def test_second_block(g, n, height, width):
    rows, columns = pooled_size(height, width)

    def fast(inputs, kernel, bias):
        return in_order(second_block(inputs.transpose(0, 2, 3, 1, 4), kernel, bias), rows, columns)

    def plain(inputs, kernel, bias):
        return jax.vmap(plain_block)(inputs, kernel, bias)

    arguments = (random(0, g, n, height, width, CHANNELS), random(1, g, 3, 3, CHANNELS, 4), random(2, g, 4))
    assert_same_values_and_gradients(fast, plain, arguments)


def test_first_of_equal_maxima_gets_the_gradient():
    """On an empty image all four places of a window are equal; PyTorch's pooling takes the first."""
    images = jnp.zeros((1, 1, 4, 4)).at[0, 0, 0, 0].set(1.0)  # only the first place sees the pixel
    kernel, bias = jnp.zeros((1, 3, 3, 1, 1)), jnp.ones((1, 1))

    def total(kernel):
        return first_block(lay_out_patches(images), kernel, bias).sum()

    assert jax.grad(total)(kernel)[0, 0, 0, 0, 0] == 1.0


def test_a_shut_relu_passes_no_gradient():
    images, kernel, bias = random(0, 1, 2, 6, 6), jnp.zeros((1, 3, 3, 1, 2)), -jnp.ones((1, 2))
    gradients = jax.grad(lambda *a: first_block(lay_out_patches(images), *a).sum(), (0, 1))(kernel, bias)
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("m", [2, 4])
def test_winograd_is_exact_convolution(m):
    """In one dimension and double precision, up to the order of the outputs."""
    rng = np.random.default_rng(m)
    inputs, kernel = rng.normal(size=m + 2), rng.normal(size=3)
    transform = winograd(m)
    ours = transform.outputs @ ((transform.kernel @ kernel) * (transform.inputs @ inputs))
    direct = np.correlate(inputs, kernel, "valid")
    by_place = direct.reshape(m // 2, 2).T.reshape(-1)
    np.testing.assert_allclose(ours, by_place, rtol=1e-12, atol=1e-12)
