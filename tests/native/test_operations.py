"""The features of the two blocks, for a processor and for any platform, against the plain formulation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.ways import assert_same_ways
from tests.networks.plain import plain_block

from twofold.native import operations, quickly
from twofold.native.geometry import BLOCK, CHANNELS1, CHANNELS2
from twofold.native.quickly import compile_quickly
from twofold.networks import blocks

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

all_ways = pytest.mark.parametrize(
    "features",
    [operations.native_features, operations.portable_features, operations.together_features],
    ids=["native", "portable", "together"],
)


def plain_features(images, kernel1, bias1, kernel2, bias2):
    def branch(images, kernel1, bias1, kernel2, bias2):
        hidden = plain_block(plain_block(images[..., None], kernel1, bias1), kernel2, bias2)
        return hidden.reshape(len(images), -1)

    return jax.vmap(branch)(images, kernel1, bias1, kernel2, bias2)


def random_arguments(g, n, height, width, dtype=np.float32):
    keys = jax.random.split(jax.random.key(0), 5)
    shapes = ((g, 3, 3, 1, CHANNELS1), (g, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2), (g, CHANNELS2))
    images = jax.random.uniform(keys[0], (g, n, height, width), dtype)
    return images, *(jax.random.normal(key, shape, dtype) for key, shape in zip(keys[1:], shapes))


# Compiled once for a way and a shape, by whichever test is first.
@partial(jax.jit, static_argnums=0, compiler_options=quickly.OPTIONS)
def values_and_gradients(features, arguments):
    """The features, and the gradients of the sum of their sines by all arguments but the images."""

    def total(*arguments):
        outputs = features(*arguments)
        return jnp.sin(outputs).sum(), outputs

    (_, outputs), gradients = jax.value_and_grad(total, range(1, 5), has_aux=True)(*arguments)
    return outputs, *gradients


@partial(jax.jit, static_argnums=0, compiler_options=quickly.OPTIONS)
def gradients_of_sum(features, images, parameters):
    return jax.grad(lambda parameters: features(images, *parameters).sum())(parameters)


def assert_as_plain(features, arguments, tolerance):
    ours, plain = (values_and_gradients(way, arguments) for way in (features, plain_features))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * float(jnp.abs(b).max()))


@pytest.mark.slow
@all_ways
@FEW
@given(g=st.integers(1, 2), n=st.integers(1, 2 * BLOCK + 1), height=st.integers(10, 30), width=st.integers(10, 30))
def test_values_and_gradients_on_random_shapes(features, g, n, height, width):
    """In double precision, so that not even a tie of two places that are not quite equal goes the other way."""
    with jax.enable_x64(True):
        assert_as_plain(features, random_arguments(g, n, height, width, np.float64), 1e-11)


@all_ways
@pytest.mark.parametrize(("g", "n"), [(1, 50), (2, 25), (1, 3)])
def test_values_and_gradients_in_single_precision(features, g, n):
    assert_as_plain(features, random_arguments(g, n, 14, 14), 1e-4)


@all_ways
def test_ties_are_broken_as_in_the_plain_formulation(features):
    """Most windows of a digit's background are ties. PyTorch's pooling takes the first of equals, as the plain does."""
    images, *parameters = random_arguments(1, 6, 14, 14)
    images = jnp.where(images > 0.9, images, 0.0)
    assert_as_plain(features, (images, *parameters), 1e-4)
    first = jnp.zeros((1, 1, 14, 14)).at[0, 0, 4, 4].set(1.0)  # seen by the corner of the first place of a window alone
    parameters = (jnp.zeros((1, 3, 3, 1, CHANNELS1)), jnp.ones((1, CHANNELS1)), *map(jnp.abs, parameters[2:]))
    gradient, *_ = gradients_of_sum(features, first, parameters)
    assert (gradient[0, 0, 0] > 0).all()


@all_ways
def test_a_shut_relu_passes_no_gradient(features):
    images, kernel1, bias1, kernel2, bias2 = random_arguments(2, 3, 14, 14)
    first_shut = gradients_of_sum(features, images, (kernel1, bias1 - 100, kernel2, bias2))
    assert all((gradient == 0).all() for gradient in first_shut[:3])
    second_shut = gradients_of_sum(features, images, (kernel1, bias1, kernel2, bias2 - 1000))
    assert all((gradient == 0).all() for gradient in second_shut)


@all_ways
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [1, 2, 3, 4])
def test_what_is_not_finite_shows(features, value, which):
    """As in PyTorch, where neither pooling nor ReLU hides a NaN."""
    arguments = list(random_arguments(1, 2, 14, 14))
    arguments[which] = arguments[which].at[0].set(value)
    assert not np.isfinite(jax.jit(features, compiler_options=quickly.OPTIONS)(*arguments)).any()


def arguments_in_channels(g, n, channels, height, width, dtype=np.float32):
    _, _, *others = random_arguments(g, n, height, width, dtype)
    images = jax.random.uniform(jax.random.key(1), (g, n, channels, height, width), dtype)
    return images, jax.random.normal(jax.random.key(2), (g, 3, 3, channels, CHANNELS1), dtype), *others


def plain_features_of_channels(images, *parameters):
    def branch(images, kernel1, bias1, kernel2, bias2):
        hidden = plain_block(plain_block(jnp.moveaxis(images, 1, -1), kernel1, bias1), kernel2, bias2)
        return hidden.reshape(len(images), -1)

    return jax.vmap(branch)(jax.lax.stop_gradient(images), *parameters)


def test_images_of_several_channels():
    """Values alone, by operations whose gradients have tests of their own."""
    arguments = arguments_in_channels(2, 3, 3, 11, 17)
    for way in (operations.features, operations.portable_features, operations.together_features):
        ours = compile_quickly(way, *arguments)(*arguments)
        np.testing.assert_allclose(ours, plain_features_of_channels(*arguments), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [operations.general_features, operations.portable_features, operations.together_features]
)
def test_gradients_of_images_of_several_channels(way):
    with jax.enable_x64(True):
        arguments = arguments_in_channels(2, 3, 3, 11, 17, np.float64)
    assert_same_ways(way, plain_features_of_channels, arguments)


def test_on_a_processor_the_native_kernels_do_the_work():
    arguments = random_arguments(1, 2, 14, 14)
    assert "twofold_forward_float32" in jax.jit(operations.features).lower(*arguments).as_text()


def test_what_the_kernels_cannot_do_is_done_otherwise():
    """Two precisions at once, other channels; and parameters of one branch for two, or no images."""
    images, *parameters = random_arguments(1, 2, 14, 14)
    plain = plain_features(images, *parameters)
    halves = jax.jit(operations.features)(images.astype(jnp.float16), *parameters)
    np.testing.assert_allclose(halves, plain, rtol=0.01, atol=0.01 * float(plain.max()))
    assert not operations.has_features(jnp.concatenate([images, images]), *parameters)
    assert not operations.has_features(images[:, :0], *parameters)
    few = (parameters[0][..., :3], parameters[1][..., :3], parameters[2][..., :3, :5], parameters[3][..., :5])
    np.testing.assert_allclose(operations.features(images, *few), plain_features(images, *few), rtol=1e-4, atol=1e-3)


def total(parameters, images):
    return jnp.sin(operations.native_features(images, *parameters)).sum()


@pytest.mark.parametrize(
    "way", [jax.vmap, lambda function: lambda *trials: jax.lax.map(lambda t: function(*t), trials)]
)
def test_many_trials_are_as_one_after_another(way):
    """Values and gradients, each trial with images and parameters of its own."""
    trials = [random_arguments(1, 4, 14, 14), tuple(array + 0.1 for array in random_arguments(1, 4, 14, 14))]
    images, *parameters = (jnp.stack(arrays) for arrays in zip(*trials))
    together = jax.jit(way(jax.value_and_grad(total)))(parameters, images)
    for index, (images, *parameters) in enumerate(trials):
        alone = jax.jit(jax.value_and_grad(total))(parameters, images)
        jax.tree.map(lambda a, t, i=index: np.testing.assert_array_equal(a, t[i]), alone, together)


@pytest.mark.parametrize("transform", [lambda function: function, jax.jit], ids=["eager", "jit"])
def test_what_is_kept_for_the_gradient_serves_more_than_once(transform):
    """The gradient's kernel works where the forward one kept things; XLA copies what is needed again."""
    images, *parameters = random_arguments(2, 6, 14, 14)

    def several(parameters):
        outputs, gradient = jax.vjp(lambda p: operations.native_features(images, *p), parameters)
        return [gradient(outputs) for _ in range(3)]

    first, second, third = transform(several)(parameters)
    jax.tree.map(np.testing.assert_array_equal, first, second)
    jax.tree.map(np.testing.assert_array_equal, first, third)


def test_gradients_of_steps_in_a_scan():
    """As the training has them: parameters that change from step to step."""
    images, *parameters = random_arguments(1, 4, 14, 14)

    def step(parameters, _):
        value, gradient = jax.value_and_grad(total)(parameters, images)
        return jax.tree.map(lambda p, g: p - 1e-4 * g, parameters, gradient), value

    scanned, values = jax.jit(lambda p: jax.lax.scan(step, p, length=3))(parameters)
    for value in values:
        parameters, alone = jax.jit(lambda p: step(p, None))(parameters)
        assert value == alone
    jax.tree.map(np.testing.assert_array_equal, scanned, parameters)


@pytest.mark.slow
@FEW
@given(
    g=st.integers(1, 2),
    n=st.integers(1, 60),
    inputs=st.integers(1, 9).map(lambda size: 4 * size) | st.integers(1, 9),
    outputs=st.sampled_from([1, 2, 10, 64, 128]),
)
def test_a_dense_layer_on_random_shapes(g, n, inputs, outputs):
    """Values and all gradients against a plain sum, with the kernel and where it does not fit."""
    with jax.enable_x64(True):
        shapes = ((g, n, inputs), (g, inputs, outputs), (g, outputs))
        arguments = [jax.random.normal(jax.random.key(i), shape, np.float64) for i, shape in enumerate(shapes)]
        value, ours = jax.jit(jax.value_and_grad(lambda *a: jnp.sin(blocks.dense(*a)).sum(), (0, 1, 2)))(*arguments)
        x, w, b = arguments
        sums = (x[..., None] * w[:, None]).sum(2) + b[:, None]
        np.testing.assert_allclose(value, jnp.sin(sums).sum(), rtol=1e-9, atol=1e-9)
        outside = jnp.cos(sums)
        plain = ((outside[:, :, None] * w[:, None]).sum(3), (x[..., None] * outside[:, :, None]).sum(1), outside.sum(1))
        jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, rtol=1e-9, atol=1e-9), ours, plain)


def test_the_first_dense_layer_has_the_kernel_and_the_last_has_none():
    x, w, b = jnp.ones((1, 3, 256)), jnp.ones((1, 256, 128)), jnp.ones((1, 128))
    text = [
        jax.jit(jax.grad(lambda w, b: blocks.dense(x, w, b).sum())).lower(w[..., :o], b[:, :o]).as_text()
        for o in (128, 2)
    ]
    assert ["weight_gradient" in program for program in text] == [True, False]


def test_the_kernel_is_not_for_shapes_that_it_would_misread():
    """One branch's weights for the inputs of two, two precisions, no images; columns or rows that do not fit."""
    x, w = jnp.ones((2, 5, 8)), jnp.ones((2, 8, 64))
    assert operations.has_product(x, w)
    others = [(x, w[:1]), (x.astype(jnp.float16), w), (x[:, :0], w), (x, w[..., :63]), (x[..., :7], w[:, :7])]
    assert not any(operations.has_product(*each) for each in others)
