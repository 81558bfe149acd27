"""The kernels as operations of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.native import foreign, geometry, kernels
from twofold.native.geometry import CHANNELS1, CHANNELS2


def can_do(images: Array, kernel1: Array, bias1: Array, kernel2: Array, bias2: Array) -> bool:
    """Whether JAX runs on a processor, and there are kernels for these shapes and this precision.

    The kernels look at no shape but that of the images.
    """
    arrays = (images, kernel1, bias1, kernel2, bias2)
    g, n, height, width = images.shape
    shapes = ((g, 3, 3, 1, CHANNELS1), (g, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2), (g, CHANNELS2))
    fitting = tuple(array.shape for array in arrays[1:]) == shapes and n > 0 and min(height, width) >= 10
    return fitting and foreign.can_run(*arrays)


@jax.custom_vjp
def features(
    images: Float[Array, "g n h w"],
    kernel1: Float[Array, "g 3 3 1 c"],
    bias1: Float[Array, "g c"],
    kernel2: Float[Array, "g 3 3 c d"],
    bias2: Float[Array, "g d"],
) -> Float[Array, "g n features"]:
    """Twice a convolution, 2x2 max pooling and ReLU, where `can_do`; the images get no gradient.

    The features are in the order (row, column, channel).
    """
    return _forward(images, kernel1, bias1, kernel2, bias2)[0]


def _forward(images: Array, kernel1: Array, bias1: Array, kernel2: Array, bias2: Array) -> tuple[Array, tuple]:
    g, n, height, width = images.shape
    sizes, real = geometry.geometry_of(height, width), images.dtype
    shapes = (
        jax.ShapeDtypeStruct((g, n, sizes.features), real),
        jax.ShapeDtypeStruct((g, n, sizes.rows, sizes.columns, CHANNELS1), np.int8),
        jax.ShapeDtypeStruct((g, n, sizes.features), np.int8),
        jax.ShapeDtypeStruct((g, geometry.padded_tiles(sizes, n), geometry.TILE, CHANNELS1), real),
        jax.ShapeDtypeStruct((geometry.matrices_space(g),), real),
        jax.ShapeDtypeStruct((geometry.forward_space(sizes),), real),
    )
    target = foreign.register(*kernels.handler("forward", real))
    call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential")
    result, winners1, winners2, tiles, matrices, _ = call(images, kernel1, bias1, kernel2, bias2)
    return result, (images, winners1, winners2, tiles, matrices)


def _backward(kept: tuple, gradient: Array) -> tuple[None, Array, Array, Array, Array]:
    images, winners1, winners2, tiles, matrices = kept
    g, n, height, width = images.shape
    sizes, real = geometry.geometry_of(height, width), images.dtype
    shapes = (
        jax.ShapeDtypeStruct((g, 3, 3, 1, CHANNELS1), real),
        jax.ShapeDtypeStruct((g, CHANNELS1), real),
        jax.ShapeDtypeStruct((g, 3, 3, CHANNELS1, CHANNELS2), real),
        jax.ShapeDtypeStruct((g, CHANNELS2), real),
        jax.ShapeDtypeStruct(tiles.shape, real),
        jax.ShapeDtypeStruct(matrices.shape, real),
        jax.ShapeDtypeStruct((geometry.backward_space(sizes, n),), real),
    )
    target = foreign.register(*kernels.handler("backward", real))
    places = {4: 4, 5: 5}  # tiles and matrices
    call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential", input_output_aliases=places)
    to_kernel1, to_bias1, to_kernel2, to_bias2, *_ = call(images, winners1, winners2, gradient, tiles, matrices)
    return None, to_kernel1, to_bias1, to_kernel2, to_bias2


features.defvjp(_forward, _backward)


def can_multiply(inputs: Array, weight: Array) -> bool:
    """Whether JAX runs on a processor, and there is a kernel for the gradient of a weight of this shape."""
    branches, rows, columns = weight.shape
    fitting = inputs.shape[0] == branches and rows % 4 == 0 and columns % CHANNELS2 == 0 and inputs.shape[1] > 0
    return fitting and foreign.can_run(inputs, weight)


@jax.custom_vjp
def product(inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"]) -> Float[Array, "g n o"]:
    """The product of a fully connected layer, where `can_multiply`.

    XLA is fast at it and at the gradient of the inputs, but not at that of the weights, for which it transposes. As of
    all these operations there is no second derivative.
    """
    return inputs @ weight


def _product(inputs: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return inputs @ weight, (inputs, weight)


def _product_back(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    inputs, weight = kept
    target = foreign.register(*kernels.handler("weight_gradient", weight.dtype))
    shape = jax.ShapeDtypeStruct(weight.shape, weight.dtype)
    to_weight = jax.ffi.ffi_call(target, shape, vmap_method="sequential")(inputs, gradient)
    return jnp.einsum("gno,gio->gni", gradient, weight), to_weight


product.defvjp(_product, _product_back)
