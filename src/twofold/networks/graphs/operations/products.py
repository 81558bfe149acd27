"""Matrix products and what is made of them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.native.small_products import matmul
from twofold.networks.graphs.operations.sampling import dropout
from twofold.networks.graphs.operations.table import Key, Number, operation

for _name in ("matmul", "mm", "bmm", "mv", "dot", "vdot", "linalg_matmul"):
    operation(_name)(matmul)
operation("outer", "ger")(jnp.outer)


@operation("linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """A fully connected layer; PyTorch's weights are (out, in)."""
    product = jnp.matmul(x, weight.T)
    return product if bias is None else product + bias


@operation("addmm", "addmv", "baddbmm")
def add_product(x: Array, first: Array, second: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """A product, and something added to it."""
    product = matmul(first, second)
    product = product if alpha == 1 else alpha * product
    return product if beta == 0 else product + (x if beta == 1 else beta * x)


@operation("addbmm")
def addbmm(x: Array, first: Array, second: Array, *, beta: Number = 1, alpha: Number = 1) -> Array:
    """The sum of a batch of products, and something added to it."""
    return beta * x + alpha * jnp.einsum("bij,bjk->ik", first, second)


@operation("einsum")
def einsum(equation: str, operands: tuple[Array, ...], *, path: Any = None) -> Array:
    """A sum of products by its equation."""
    return jnp.einsum(equation, *operands)


@operation("bilinear")
def bilinear(first: Array, second: Array, weight: Array, bias: Array | None = None) -> Array:
    """A layer that is linear in each of two inputs."""
    product = jnp.einsum("...i,oij,...j->...o", first, weight, second)
    return product if bias is None else product + bias


@operation("scaled_dot_product_attention", random=True)
def attention(
    query: Array,
    keys: Array,
    values: Array,
    attn_mask: Array | None = None,
    dropout_p: Number = 0.0,
    is_causal: bool = False,
    *,
    scale: Number | None = None,
    enable_gqa: bool = False,
    key: Key,
) -> Array:
    """Values weighted by how well their keys answer the query."""
    if enable_gqa:
        times = query.shape[-3] // keys.shape[-3]
        keys, values = (jnp.repeat(each, times, axis=-3) for each in (keys, values))
    scores = matmul(query, jnp.swapaxes(keys, -1, -2)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        scores = jnp.where(jnp.tri(scores.shape[-2], scores.shape[-1], dtype=bool), scores, -jnp.inf)
    if attn_mask is not None and attn_mask.dtype == bool:
        scores = jnp.where(attn_mask, scores, -jnp.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return matmul(dropout(jax.nn.softmax(scores, axis=-1), dropout_p, True, key=key), values)


@operation("linalg_inv")
def inverse(matrix: Array) -> Array:
    """The inverse of each matrix."""
    return jnp.linalg.inv(matrix)


@operation("linalg_householder_product")
def householder_product(columns: Array, factors: Array) -> Array:
    """The first columns of a product of reflections, I - factor * v v^T, v having a 1 on the diagonal and 0 above."""
    return _of_reflections(columns, factors)


@partial(jnp.vectorize, signature="(m,n),(k)->(m,n)")
def _of_reflections(columns: Array, factors: Array) -> Array:
    rows, count = columns.shape
    unit = jnp.eye(rows, count, dtype=columns.dtype)
    vectors = (jnp.tril(columns, -1) + unit)[:, : len(factors)].T
    product, _ = jax.lax.scan(
        lambda made, each: (made - each[1] * jnp.outer(each[0], each[0] @ made), None),
        unit,
        (vectors, factors),
        reverse=True,
    )
    return product


@operation("cdist", "_cdist_forward")
def cdist(first: Array, second: Array, p: Number = 2.0, compute_mode: int | None = None) -> Array:
    """The distance of each row to each row."""
    from twofold.networks.graphs.operations.reductions import norm

    return norm(first[..., :, None, :] - second[..., None, :, :], p, (-1,))
