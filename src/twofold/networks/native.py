"""The kernels as an operation of JAX: handlers for XLA's foreign function interface, compiled when first wanted."""

from functools import cache

import jax
import numpy as np
from jaxtyping import Array, Float

from twofold.networks import kernels
from twofold.networks.kernels import CHANNELS1, CHANNELS2


def can_do(images: Array, kernel1: Array, bias1: Array, kernel2: Array, bias2: Array) -> bool:
    """Whether JAX runs on a processor, and kernels are there for these channels and this precision."""
    types = {array.dtype.name for array in (images, kernel1, bias1, kernel2, bias2)}
    channels = (bias1.shape[-1], bias2.shape[-1]) == (CHANNELS1, CHANNELS2)
    return jax.default_backend() == "cpu" and channels and types in ({"float32"}, {"float64"})


@jax.custom_vjp
def features(
    images: Float[Array, "g n h w"],
    kernel1: Float[Array, "g 3 3 1 c"],
    bias1: Float[Array, "g c"],
    kernel2: Float[Array, "g 3 3 c d"],
    bias2: Float[Array, "g d"],
) -> Float[Array, "g n features"]:
    """What `twofold.networks.blocks.features` computes. The images get no gradient."""
    return _forward(images, kernel1, bias1, kernel2, bias2)[0]


def _forward(images: Array, kernel1: Array, bias1: Array, kernel2: Array, bias2: Array) -> tuple[Array, tuple]:
    g, n, height, width = images.shape
    sizes, real = kernels.geometry(height, width), images.dtype
    windows = sizes.window_rows * sizes.window_columns
    shapes = (
        jax.ShapeDtypeStruct((g, n, windows * CHANNELS2), real),
        jax.ShapeDtypeStruct((g, n, sizes.rows, sizes.columns, CHANNELS1), np.int8),
        jax.ShapeDtypeStruct((g, n, windows, CHANNELS2), np.int8),
        jax.ShapeDtypeStruct((g, kernels.tiles(sizes, n), 36, CHANNELS1), real),
        jax.ShapeDtypeStruct((kernels.forward_space(sizes),), real),
    )
    call = jax.ffi.ffi_call(_registered("forward", real), shapes, vmap_method="sequential")
    result, winners1, winners2, tiles, _ = call(images, kernel1, bias1, kernel2, bias2)
    return result, (images, kernel2, winners1, winners2, tiles)


def _backward(kept: tuple, gradient: Array) -> tuple[None, Array, Array, Array, Array]:
    images, kernel2, winners1, winners2, tiles = kept
    g, n, height, width = images.shape
    sizes, real = kernels.geometry(height, width), images.dtype
    shapes = (
        jax.ShapeDtypeStruct((g, 3, 3, 1, CHANNELS1), real),
        jax.ShapeDtypeStruct((g, CHANNELS1), real),
        jax.ShapeDtypeStruct(kernel2.shape, real),
        jax.ShapeDtypeStruct((g, CHANNELS2), real),
        jax.ShapeDtypeStruct(tiles.shape, real),
        jax.ShapeDtypeStruct((kernels.backward_space(sizes, n),), real),
    )
    target = _registered("backward", real)
    call = jax.ffi.ffi_call(target, shapes, vmap_method="sequential", input_output_aliases={5: 4})  # the tiles
    to_kernel1, to_bias1, to_kernel2, to_bias2, _, _ = call(images, kernel2, winners1, winners2, gradient, tiles)
    return None, to_kernel1, to_bias1, to_kernel2, to_bias2


features.defvjp(_forward, _backward)


@cache
def _registered(name: str, real: np.dtype) -> str:
    """The name under which XLA knows a handler, which is compiled or read from Numba's cache."""
    handler = kernels.compile_handler(name, real)
    target = f"twofold_{name}_{real.name}"
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(handler.address), platform="cpu")
    return target
