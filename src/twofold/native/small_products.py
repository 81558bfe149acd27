"""Many small products of matrices, by our own operation (`twofold.native.gathered`): XLA's takes long to begin each."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.native import handlers
from twofold.native.products import gathered

# Rows, columns and terms of what is small.
_SMALL = 64


def matmul(a: Array, b: Array) -> Array:
    """`jax.numpy.matmul`, by our own operation where there are many small products."""
    if has_small_products(a, b):
        return native_matmul(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])).reshape(
            *a.shape[:-1], b.shape[-1]
        )
    return jnp.matmul(a, b)


def has_small_products(a: Array, b: Array) -> bool:
    """Whether these are batches of small matrices, for which there is machine code."""
    if a.ndim < 3 or a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        return False
    small = max(*a.shape[-2:], *b.shape[-2:]) <= _SMALL and min(a.size, b.size) > 0
    return small and len(a) > 1 and handlers.can_run(a, b)


@jax.custom_vjp
def native_matmul(a: Float[Array, "z m k"], b: Float[Array, "z k n"]) -> Float[Array, "z m n"]:
    """The products in our machine code; there is no second derivative."""
    (_, m, k), n = a.shape, b.shape[-1]
    return gathered(a, _steps(m, k), _steps(1, 1), b.reshape(len(b), 1, k, n))


def _forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return native_matmul(a, b), (a, b)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    a, b = kept
    (_, m, k), n = a.shape, b.shape[-1]
    to_b = gathered(a, _steps(k, 1), _steps(m, k), gradient.reshape(len(b), m, 1, n))
    return native_matmul(gradient, jnp.swapaxes(b, -1, -2)), to_b


native_matmul.defvjp(_forward, _backward)


def _steps(count: int, step: int) -> np.ndarray:
    return np.arange(count, dtype=np.int32) * np.int32(step)
