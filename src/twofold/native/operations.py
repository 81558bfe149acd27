"""Operations of JAX that each have several ways: our own machine code on a processor, and what every platform has.

Every array has a leading axis `g`: one branch that sees all the images (shared weights), or two branches that see half
of them each. On a GPU convolutions and products are those of `twofold.native.together`, since trials are trained
together there. Of the native operations there is no second derivative.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.native import geometry, handlers, together
from twofold.native.convolution import convolution
from twofold.native.geometry import CHANNELS1, CHANNELS2
from twofold.native.pinning import platform
from twofold.native.pooling import max_pool
from twofold.native.rules import Numbers

# What the two convolutions of a branch take, and what comes of them.
Images: TypeAlias = Float[Array, "g n *channels h w"]
Kernel1: TypeAlias = Float[Array, "g 3 3 i c"]
Bias1: TypeAlias = Float[Array, "g c"]
Kernel2: TypeAlias = Float[Array, "g 3 3 c d"]
Bias2: TypeAlias = Float[Array, "g d"]
Features: TypeAlias = Float[Array, "g n features"]

# Row and column of the four places of a pooling window.
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))


def features(images: Images, kernel1: Kernel1, bias1: Bias1, kernel2: Kernel2, bias2: Bias2) -> Features:
    """Twice a convolution, 2x2 max pooling and ReLU; images must be at least 10 x 10, and get no gradient.

    Grey images have no axis of channels, and kernels of their own; others have those of any network. The features are
    in the order (row, column, channel). The gradient of a maximum goes to the first of equals, as PyTorch's does (where
    not all pixels that they see are the same, rounding may tell equals apart).
    """
    arguments = (images, kernel1, bias1, kernel2, bias2)
    if has_features(*arguments):
        return native_features(*arguments)
    if images.ndim == 5 and handlers.can_run(*arguments):
        return general_features(*arguments)
    return portable_features(*arguments) if platform() == "cpu" else together_features(*arguments)


def product(inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"]) -> Float[Array, "g n o"]:
    """The product of a fully connected layer."""
    if has_product(inputs, weight):
        return native_product(inputs, weight)
    return portable_product(inputs, weight) if platform() == "cpu" else together.product(inputs, weight)


def step(rule: Callable, numbers: Float[Array, "6"], gradients: list, parameters: list, kept: list[list]) -> list[list]:
    """Lists of parameters and of memories after a step by a rule of `twofold.native.rules`.

    `kept` has a list of the parameters' memories of each kind.
    """
    arrays = [numbers, *gradients, *parameters, *(array for memories in kept for array in memories)]
    take = native_step if handlers.can_run(*arrays) else portable_step
    return take(rule, numbers, gradients, parameters, kept)


def has_features(images: Array, kernel1: Array, bias1: Array, kernel2: Array, bias2: Array) -> bool:
    """Whether there is machine code for these shapes and this precision; it looks only at the shape of the images."""
    arrays = (images, kernel1, bias1, kernel2, bias2)
    if images.ndim != 4:
        return False
    g, n, height, width = images.shape
    shapes = ((g, 3, 3, 1, CHANNELS1), (g, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2), (g, CHANNELS2))
    fitting = tuple(array.shape for array in arrays[1:]) == shapes and n > 0 and min(height, width) >= 10
    return fitting and handlers.can_run(*arrays)


def has_product(inputs: Array, weight: Array) -> bool:
    """Whether there is machine code for the gradient of a weight of this shape."""
    branches, rows, columns = weight.shape
    fitting = inputs.shape[0] == branches and rows % 4 == 0 and columns % CHANNELS2 == 0 and inputs.shape[1] > 0
    return fitting and handlers.can_run(inputs, weight)


def portable_features(images: Images, kernel1: Kernel1, bias1: Bias1, kernel2: Kernel2, bias2: Bias2) -> Features:
    """`features` in operations that every platform has."""
    hidden = _block(_channels_last(images), kernel1, bias1)
    return _block(hidden, kernel2, bias2).reshape(*images.shape[:2], -1)


def together_features(images: Images, kernel1: Kernel1, bias1: Bias1, kernel2: Kernel2, bias2: Bias2) -> Features:
    """`features` for a device that trains many trials together."""
    hidden = together.block(_channels_last(images), kernel1, bias1)
    return together.block(hidden, kernel2, bias2).reshape(*images.shape[:2], -1)


def general_features(images: Images, kernel1: Kernel1, bias1: Bias1, kernel2: Kernel2, bias2: Bias2) -> Features:
    """`features` by our operations for any sizes and channels, a branch after the other."""
    none, ones, twos = ((0, 0), (0, 0)), (1, 1), (2, 2)
    branches = []
    for branch, *layers in zip(_channels_last(images), kernel1, bias1, kernel2, bias2):
        for kernel, bias in (layers[:2], layers[2:]):
            branch = max_pool(convolution(branch, kernel, ones, ones, none), bias, twos, twos, ones, True)
        branches.append(branch.reshape(len(branch), -1))
    return jnp.stack(branches)


def _channels_last(images: Images) -> Float[Array, "g n h w i"]:
    """The images as what a convolution reads: they are data, and get no gradient."""
    images = jax.lax.stop_gradient(images)
    return images[..., None] if images.ndim == 4 else jnp.moveaxis(images, 2, -1)


def _block(
    inputs: Float[Array, "g n h w c"], kernel: Float[Array, "g 3 3 c d"], bias: Float[Array, "g d"]
) -> Float[Array, "g n rows columns d"]:
    height, width = (size - 2 for size in inputs.shape[2:4])
    seen = [inputs[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    weights = kernel.reshape(len(kernel), 1, 1, -1, kernel.shape[-1])
    hidden = jnp.concatenate(seen, axis=-1) @ weights + bias[:, None, None, None]
    rows, columns = height // 2, width // 2
    places = jnp.stack([hidden[:, :, i : 2 * rows : 2, j : 2 * columns : 2] for i, j in _PLACES])
    winner = places.argmax(axis=0) == jnp.arange(4).reshape(4, 1, 1, 1, 1, 1)
    return jax.nn.relu(jnp.where(winner, places, 0).sum(axis=0))


@jax.custom_vjp
def native_features(images: Images, kernel1: Kernel1, bias1: Bias1, kernel2: Kernel2, bias2: Bias2) -> Features:
    """`features` in our machine code."""
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
    target = handlers.register("forward", real.name)
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
    target = handlers.register("backward", real.name)
    places = {4: 4, 5: 5}  # tiles and matrices
    call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential", input_output_aliases=places)
    to_kernel1, to_bias1, to_kernel2, to_bias2, *_ = call(images, winners1, winners2, gradient, tiles, matrices)
    return None, to_kernel1, to_bias1, to_kernel2, to_bias2


native_features.defvjp(_forward, _backward)


@jax.custom_vjp
def native_product(inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"]) -> Float[Array, "g n o"]:
    """`product`, with the gradient of the weights in our machine code.

    XLA is fast at the product and at the gradient of the inputs, but not at that of the weights: it transposes for it.
    """
    return inputs @ weight


def _product(inputs: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return inputs @ weight, (inputs, weight)


def _product_back(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    inputs, weight = kept
    target = handlers.register("weight_gradient", weight.dtype.name)
    shape = jax.ShapeDtypeStruct(weight.shape, weight.dtype)
    to_weight = jax.ffi.ffi_call(target, shape, vmap_method="sequential")(inputs, gradient)
    return jnp.einsum("gno,gio->gni", gradient, weight), to_weight


native_product.defvjp(_product, _product_back)


def portable_product(inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"]) -> Float[Array, "g n o"]:
    """`product` in operations that every platform has."""
    return jnp.matmul(inputs, weight)


def portable_step(
    rule: Callable, numbers: Float[Array, "6"], gradients: list, parameters: list, kept: list[list]
) -> list[list]:
    """`step` in operations that every platform has."""
    stepped, each = [], Numbers(*numbers)
    for gradient, parameter, *memories in zip(gradients, parameters, *kept):
        change, *memories = rule(jnp.sqrt, each, gradient, *memories)
        stepped.append((parameter - change, *memories))
    return [list(arrays) for arrays in zip(*stepped)]


def native_step(
    rule: Callable, numbers: Float[Array, "6"], gradients: list, parameters: list, kept: list[list]
) -> list[list]:
    """`step` in one pass over memory."""
    n = len(parameters)
    changed = [array for arrays in (parameters, *kept) for array in arrays]
    call = jax.ffi.ffi_call(
        handlers.register(rule.__name__, numbers.dtype.name),
        [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in changed],
        vmap_method="sequential",
        input_output_aliases={1 + n + i: i for i in range(len(changed))},
    )
    result = call(numbers, *gradients, *changed)
    return [list(result[first : first + n]) for first in range(0, len(changed), n)]
