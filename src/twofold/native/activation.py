"""The ReLU of images with channels last, with what is added before it, by our own operation (`twofold.native.relus`) or
portably."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from twofold.native import handlers


def relu_of_sum(
    x: Float[Array, "*n c"], bias: Float[Array, " c"] | None, others: Float[Array, "*n c"] | None
) -> Float[Array, "*n c"]:
    """The ReLU of images, of a bias for each channel, and of other images, together."""
    given = [each for each in (x, bias, others) if each is not None]
    if x.size == 0 or not handlers.can_run(*given):
        return portable_relu(x, bias, others)
    bias = jnp.zeros(x.shape[-1], x.dtype) if bias is None else bias
    return native_relu(x, bias, others)


def portable_relu(x: Array, bias: Array | None, others: Array | None) -> Array:
    """`relu_of_sum` in operations that every platform has."""
    x = x if bias is None else x + bias
    return jax.nn.relu(x if others is None else x + others)


@jax.custom_vjp
def native_relu(x: Array, bias: Array, others: Array | None) -> Array:
    """`relu_of_sum` in our machine code; there is no second derivative."""
    return _forward(x, bias, others)[0]


def _forward(x: Array, bias: Array, others: Array | None) -> tuple[Array, tuple[Array, bool]]:
    call = jax.ffi.ffi_call(
        handlers.register("relu", x.dtype.name), jax.ShapeDtypeStruct(x.shape, x.dtype), vmap_method="sequential"
    )
    outputs = call(x, bias, jnp.zeros(0, x.dtype) if others is None else others)
    return outputs, (outputs, others is not None)


def _backward(kept: tuple[Array, bool], gradient: Array) -> tuple[Array, Array, Array | None]:
    outputs, more = kept
    shapes = [jax.ShapeDtypeStruct(shape, outputs.dtype) for shape in (outputs.shape, outputs.shape[-1:])]
    call = jax.ffi.ffi_call(handlers.register("relu_back", outputs.dtype.name), shapes, vmap_method="sequential")
    to_x, to_bias = call(outputs, gradient)
    return to_x, to_bias, to_x if more else None


native_relu.defvjp(_forward, _backward)
