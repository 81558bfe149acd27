"""The convolutional part of a branch for a processor, compiled to machine code by Numba.

XLA computes matrix products at a processor's full speed, but reads and writes memory between any two operations.
These kernels take five images at a time, so that all between pixels and features stays in the caches of a core.
The first convolution takes the maximum of a pooling window while its four places are in registers, 4 products for two
neighbours where the direct form has 6; the second has 36 products for 16 outputs where the direct form has 144. An
image has one or more tiles of 4x4 outputs.

Arrays are pointers here, row by row. Channels come last and are constants: LLVM vectorises the loops over them. Real
numbers are of either precision; small integers as factors keep it. docs/speed.md says what each part costs.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from twofold.native import geometry
from twofold.native.channelwise import channelwise_handler
from twofold.native.edges import edges_handler
from twofold.native.foreign import (
    argument,
    begins,
    compiled,
    dimension,
    inlined,
    offset,
    result,
)
from twofold.native.gathered import gathered_handler
from twofold.native.geometry import BLOCK, CHANNELS1, CHANNELS2, PAIRS, PLANE, SHUT, TILE
from twofold.native.maxima import pool_back_handler, pool_handler
from twofold.native.norms import normalise_back_handler, normalise_handler
from twofold.native.relus import relu_back_handler, relu_handler
from twofold.native.rules import RULES
from twofold.native.stages import ANY, PAPERS, TILES
from twofold.native.steps import step_handler
from twofold.native.tiles import tiles_backward_handler, tiles_forward_handler
from twofold.native.vectors import LANES, WIDTH, WIDTH_BACK, products_of, transpose_block, windows_back
from twofold.native.winograd import (
    four,
    kernel_matrices,
    kernel_matrices_back,
    outputs_back,
    put_six,
    row_outputs,
    short_kernel,
    short_outputs,
    short_pixels,
    tile_inputs,
    tile_inputs_back,
    tile_outputs,
)

# As a factor of a real number it keeps its precision, as Python's own number would not.
_0 = np.int8(0)

# Winograd's matrix A^T; the gradients go row by row of a tile.
_AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.int8)

_geometry, _padded_tiles = compiled(geometry.geometry_of), compiled(geometry.padded_tiles)
_products_of_block, _products_of_block_back = products_of(BLOCK, WIDTH), products_of(BLOCK, WIDTH_BACK)
_products_of_four = products_of(4, WIDTH)


@compiled
def _larger(x, y, of_x, of_y):
    """The larger of two numbers and its place: the first of equals, and NaN where there is one (as in PyTorch)."""
    second = (y > x) | (y != y)
    return (y if second else x), (of_y if second else of_x)


@compiled
def _largest(y0, y1, y2, y3):
    """ReLU of the largest of four numbers, and which it was."""
    upper, of_upper = _larger(y0, y1, 0, 1)
    lower, of_lower = _larger(y2, y3, 2, 3)
    largest, place = _larger(upper, lower, of_upper, of_lower)
    shut = largest <= 0
    return (_0 if shut else largest), np.int8(SHUT if shut else place)


@compiled
def _first_block(sizes, pixels, kernel, bias, hidden, winners):
    """Convolution, bias, pooling and ReLU of an image, for so many channels that the kernel stays in registers."""
    row = 4 * sizes.columns
    for r in range(sizes.rows):
        for q in range(sizes.columns):
            seen = offset(pixels, 2 * r * row + 4 * q)
            w, x = four(seen, 1), four(offset(seen, row), 1)
            y, z = four(offset(seen, 2 * row), 1), four(offset(seen, 3 * row), 1)
            out = offset(hidden, (r * sizes.stride + q) * CHANNELS1)
            won = offset(winners, (r * sizes.columns + q) * CHANNELS1)
            for c in range(LANES):
                i, j = four(offset(kernel, c), CHANNELS1), four(offset(kernel, 4 * CHANNELS1 + c), CHANNELS1)
                k = four(offset(kernel, 8 * CHANNELS1 + c), CHANNELS1)
                y0, y1 = short_outputs(w, x, y, i, j, k, bias[c])
                y2, y3 = short_outputs(x, y, z, i, j, k, bias[c])
                out[c], won[c] = _largest(y0, y1, y2, y3)


@compiled
def _first_block_back(sizes, image, winners, gradient, to_kernel, to_bias):
    """Adds an image's part to the gradients of kernel and bias."""
    for r in range(sizes.rows):
        for c in range(0, CHANNELS1, LANES):
            windows_back(
                offset(image, 2 * r * sizes.width),
                sizes.width,
                sizes.columns,
                offset(winners, r * sizes.columns * CHANNELS1 + c),
                offset(gradient, r * sizes.stride * CHANNELS1 + c),
                offset(to_kernel, c),
                offset(to_bias, c),
            )


@compiled
def _transposed(matrices, transposed):
    """Six transformed matrices, transposed."""
    for k in range(6):
        for i in range(0, CHANNELS1, LANES):
            for c in range(0, CHANNELS2, LANES):
                from_, to = k * PLANE + i * CHANNELS2 + c, k * PLANE + c * CHANNELS1 + i
                transpose_block(offset(matrices, from_), CHANNELS2, offset(transposed, to), CHANNELS1)


@compiled
def _corner(sizes, t):
    """Where tile t begins in the first block's outputs of an image."""
    return 4 * (t // sizes.across * sizes.stride + t % sizes.across) * CHANNELS1


@compiled
def _windows(sizes, t):
    """The pooling windows of tile t: how many down and across, and where they begin in the outputs of an image."""
    r, q = 2 * (t // sizes.across), 2 * (t % sizes.across)
    first = (r * sizes.window_columns + q) * CHANNELS2
    return min(2, sizes.window_rows - r), min(2, sizes.window_columns - q), first


@compiled
def _second_block(sizes, t, tile, half, bias, features, winners):
    """From tile t of the products to outputs, pooling, bias and ReLU; `features` are those of the image."""
    rows, columns, first = _windows(sizes, t)
    tile_outputs(tile, half)
    for r in range(rows):
        at = first + r * sizes.window_columns * CHANNELS2
        out, won = offset(features, at), offset(winners, at)
        for c in range(CHANNELS2):
            x0, x1, x2, x3 = row_outputs(half, 2 * r, c)
            y0, y1, y2, y3 = row_outputs(half, 2 * r + 1, c)
            b = bias[c]
            out[c], won[c] = _largest(b + x0, b + x1, b + y0, b + y1)
            if columns > 1:
                out[CHANNELS2 + c], won[CHANNELS2 + c] = _largest(b + x2, b + x3, b + y2, b + y3)


@compiled
def _second_block_back_row(sizes, t, i, gradient, winners, row):
    """Row i of the gradient of tile t of the products: six numbers for each channel.

    In place of windows that the tile does not have others are read, and multiplied by 0.
    """
    rows, columns, first = _windows(sizes, t)
    gradient, winners = offset(gradient, first), offset(winners, first)
    down, right = (rows - 1) * sizes.window_columns * CHANNELS2, (columns - 1) * CHANNELS2
    a, b, c, d = _AT[0, i], _AT[1, i], np.int8(_AT[2, i] * (rows - 1)), np.int8(_AT[3, i] * (rows - 1))
    there = np.int8(columns - 1)
    given00, given01 = gradient, offset(gradient, right)
    given10, given11 = offset(gradient, down), offset(gradient, down + right)
    won00, won01, won10, won11 = winners, offset(winners, right), offset(winners, down), offset(winners, down + right)
    for x in range(CHANNELS2):
        g, place, h, other = given00[x], won00[x], given10[x], won10[x]
        y0 = (a * g if place == 0 else b * g if place == 2 else _0) + (
            c * h if other == 0 else d * h if other == 2 else _0
        )
        y1 = (a * g if place == 1 else b * g if place == 3 else _0) + (
            c * h if other == 1 else d * h if other == 3 else _0
        )
        g, place, h, other = there * given01[x], won01[x], there * given11[x], won11[x]
        y2 = (a * g if place == 0 else b * g if place == 2 else _0) + (
            c * h if other == 0 else d * h if other == 2 else _0
        )
        y3 = (a * g if place == 1 else b * g if place == 3 else _0) + (
            c * h if other == 1 else d * h if other == 3 else _0
        )
        put_six(offset(row, x), CHANNELS2, outputs_back(y0, y1, y2, y3))


@compiled
def _bias_back(gradient, winners, length, to_bias):
    """The gradient of the second bias from those of `length` windows."""
    for w in range(length):
        given, won = offset(gradient, w * CHANNELS2), offset(winners, w * CHANNELS2)
        for c in range(CHANNELS2):
            to_bias[c] += _0 if won[c] == SHUT else given[c]


@compiled
def _products(left, right, result, rows):
    """For each of the 36 places of `rows` tiles: a row of channels times the place's matrix."""
    for k in range(TILE):
        for n in range(0, rows, BLOCK):
            for c in range(0, CHANNELS2, WIDTH):
                _products_of_block(
                    offset(left, (n * TILE + k) * CHANNELS1),
                    TILE * CHANNELS1,
                    1,
                    offset(right, k * PLANE + c),
                    CHANNELS2,
                    CHANNELS1,
                    offset(result, (n * TILE + k) * CHANNELS2 + c),
                    TILE * CHANNELS2,
                )


@compiled
def _products_back(left, right, result, rows):
    """The gradient of the left factors of `_products`, for a row of `rows` tiles; the matrices are transposed."""
    for k in range(6):
        for n in range(0, rows, BLOCK):
            for c in range(0, CHANNELS1, WIDTH_BACK):
                _products_of_block_back(
                    offset(left, (n * 6 + k) * CHANNELS2),
                    6 * CHANNELS2,
                    1,
                    offset(right, k * PLANE + c),
                    CHANNELS1,
                    CHANNELS2,
                    offset(result, (n * TILE + k) * CHANNELS1 + c),
                    TILE * CHANNELS1,
                )


@compiled
def _kernel_products(left, right, result, rows):
    """The gradient of the right factors of `_products`, for a row of `rows` tiles."""
    for k in range(6):
        for i in range(0, CHANNELS1, 4):
            for c in range(0, CHANNELS2, WIDTH):
                _products_of_four(
                    offset(left, k * CHANNELS1 + i),
                    1,
                    TILE * CHANNELS1,
                    offset(right, k * CHANNELS2 + c),
                    6 * CHANNELS2,
                    rows,
                    offset(result, k * PLANE + i * CHANNELS2 + c),
                    CHANNELS2,
                )


@compiled
def _weight_gradient(g, n, inputs, outputs, values, gradient, to_weight):
    """The gradient of dense layers' weights: `values` (g, n, inputs), `gradient` (g, n, outputs)."""
    for b in range(g):
        left, right = offset(values, b * n * inputs), offset(gradient, b * n * outputs)
        for i in range(0, inputs, 4):
            for c in range(0, outputs, WIDTH):
                out = offset(to_weight, (b * inputs + i) * outputs + c)
                _products_of_four(offset(left, i), 1, inputs, offset(right, c), outputs, n, out, outputs)


@compiled
def _fill(pointer, length):
    for i in range(length):
        pointer[i] = _0


@inlined
def _forward_branch(
    sizes, n, images, kernel1, bias1, kernel2, bias2, features, winners1, winners2, tiles, matrices, space
):
    """The features of the n images of a branch, and what their gradient needs: winners, tiles and matrices."""
    half = space
    short = offset(half, 24 * CHANNELS2)
    pixels = offset(short, 12 * CHANNELS1)
    hidden = offset(pixels, 4 * sizes.height * sizes.columns)
    products = offset(hidden, sizes.hidden)
    used, length = n * sizes.tiles, _padded_tiles(sizes, n)
    _fill(hidden, sizes.hidden)
    _fill(offset(tiles, used * TILE * CHANNELS1), (length - used) * TILE * CHANNELS1)
    short_kernel(kernel1, short)
    kernel_matrices(kernel2, matrices)
    for start in range(0, n, BLOCK):
        block, end = offset(tiles, start * sizes.tiles * TILE * CHANNELS1), min(n, start + BLOCK)
        for i in range(start, end):
            image, won = offset(images, i * sizes.height * sizes.width), offset(winners1, i * sizes.inputs)
            short_pixels(sizes, image, pixels)
            for c in range(0, CHANNELS1, LANES):
                kernel, bias = offset(short, c), offset(bias1, c)
                _first_block(sizes, pixels, kernel, bias, offset(hidden, c), offset(won, c))
            for t in range(sizes.tiles):
                tile = offset(block, ((i - start) * sizes.tiles + t) * TILE * CHANNELS1)
                tile_inputs(offset(hidden, _corner(sizes, t)), sizes.stride, half, tile)
        _products(block, matrices, products, BLOCK * sizes.tiles)
        for i in range(start, end):
            out, won = offset(features, i * sizes.features), offset(winners2, i * sizes.features)
            for t in range(sizes.tiles):
                tile = offset(products, ((i - start) * sizes.tiles + t) * TILE * CHANNELS2)
                _second_block(sizes, t, tile, half, bias2, out, won)


@inlined
def _forward(
    g, n, height, width, images, kernel1, bias1, kernel2, bias2, features, winners1, winners2, tiles, matrices, space
):
    sizes = _geometry(height, width)
    for b in range(g):
        _forward_branch(
            sizes,
            n,
            offset(images, b * n * height * width),
            offset(kernel1, b * 9 * CHANNELS1),
            offset(bias1, b * CHANNELS1),
            offset(kernel2, b * 9 * PAIRS),
            offset(bias2, b * CHANNELS2),
            offset(features, b * n * sizes.features),
            offset(winners1, b * n * sizes.inputs),
            offset(winners2, b * n * sizes.features),
            offset(tiles, b * _padded_tiles(sizes, n) * TILE * CHANNELS1),
            offset(matrices, b * TILE * PLANE),
            space,
        )


@inlined
def _second_block_gradients(sizes, n, winners, gradient, to_kernel, to_bias, tiles, matrices, space):
    """The gradients of the second block for a branch; those of tiles and matrices take their places.

    One of the six rows of a tile at a time, so that all that is at work stays in the second-level cache.
    """
    transposed = space
    products = offset(transposed, 6 * PLANE)
    used, length = n * sizes.tiles, _padded_tiles(sizes, n)
    _fill(offset(products, used * 6 * CHANNELS2), (length - used) * 6 * CHANNELS2)
    for i in range(6):
        for t in range(used):
            given = offset(gradient, t // sizes.tiles * sizes.features)
            won = offset(winners, t // sizes.tiles * sizes.features)
            _second_block_back_row(sizes, t % sizes.tiles, i, given, won, offset(products, t * 6 * CHANNELS2))
        row, matrix = offset(tiles, 6 * i * CHANNELS1), offset(matrices, 6 * i * PLANE)
        _transposed(matrix, transposed)
        _kernel_products(row, products, matrix, length)
        _products_back(products, transposed, row, length)
    kernel_matrices_back(matrices, to_kernel)
    _fill(to_bias, CHANNELS2)
    _bias_back(gradient, winners, n * sizes.window_rows * sizes.window_columns, to_bias)


@inlined
def _first_block_gradients(sizes, n, images, winners, to_tiles, to_kernel, to_bias, space):
    """The gradients of the first block for a branch, from those of its tiles."""
    half = space
    hidden = offset(half, TILE * CHANNELS1)
    _fill(to_kernel, 9 * CHANNELS1)
    _fill(to_bias, CHANNELS1)
    for i in range(n):
        _fill(hidden, sizes.hidden)
        for t in range(sizes.tiles):
            tile = offset(to_tiles, (i * sizes.tiles + t) * TILE * CHANNELS1)
            tile_inputs_back(tile, half, offset(hidden, _corner(sizes, t)), sizes.stride)
        image, won = offset(images, i * sizes.height * sizes.width), offset(winners, i * sizes.inputs)
        _first_block_back(sizes, image, won, hidden, to_kernel, to_bias)


@inlined
def _backward(
    g,
    n,
    height,
    width,
    images,
    winners1,
    winners2,
    gradient,
    to_kernel1,
    to_bias1,
    to_kernel2,
    to_bias2,
    tiles,
    matrices,
    space,
):
    sizes = _geometry(height, width)
    for b in range(g):
        of_branch = offset(tiles, b * _padded_tiles(sizes, n) * TILE * CHANNELS1)
        _second_block_gradients(
            sizes,
            n,
            offset(winners2, b * n * sizes.features),
            offset(gradient, b * n * sizes.features),
            offset(to_kernel2, b * 9 * PAIRS),
            offset(to_bias2, b * CHANNELS2),
            of_branch,
            offset(matrices, b * TILE * PLANE),
            space,
        )
        _first_block_gradients(
            sizes,
            n,
            offset(images, b * n * height * width),
            offset(winners1, b * n * sizes.inputs),
            of_branch,
            offset(to_kernel1, b * 9 * CHANNELS1),
            offset(to_bias1, b * CHANNELS1),
            space,
        )


def _forward_handler(real):
    place = np.int8(0)

    def forward(frame):
        if begins(frame):
            _forward(
                dimension(frame, 0, 0),
                dimension(frame, 0, 1),
                dimension(frame, 0, 2),
                dimension(frame, 0, 3),
                argument(frame, 0, real),
                argument(frame, 1, real),
                argument(frame, 2, real),
                argument(frame, 3, real),
                argument(frame, 4, real),
                result(frame, 0, real),
                result(frame, 1, place),
                result(frame, 2, place),
                result(frame, 3, real),
                result(frame, 4, real),
                result(frame, 5, real),
            )
        return np.uintp(0)

    return forward


def _backward_handler(real):
    place = np.int8(0)

    def backward(frame):
        if begins(frame):
            _backward(
                dimension(frame, 0, 0),
                dimension(frame, 0, 1),
                dimension(frame, 0, 2),
                dimension(frame, 0, 3),
                argument(frame, 0, real),
                argument(frame, 1, place),
                argument(frame, 2, place),
                argument(frame, 3, real),
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
                result(frame, 3, real),
                result(frame, 4, real),
                result(frame, 5, real),
                result(frame, 6, real),
            )
        return np.uintp(0)

    return backward


def _weight_gradient_handler(real):
    def weight_gradient(frame):
        if begins(frame):
            _weight_gradient(
                dimension(frame, 0, 0),
                dimension(frame, 0, 1),
                dimension(frame, 0, 2),
                dimension(frame, 1, 2),
                argument(frame, 0, real),
                argument(frame, 1, real),
                result(frame, 0, real),
            )
        return np.uintp(0)

    return weight_gradient


# Of each part of the work (`twofold.native.stages`): a handler in Python for Numba by its name, for a real number of
# the type that it is for.
HANDLERS: dict[str, dict[str, Callable[[np.generic], Callable]]] = {
    PAPERS: {
        "forward": _forward_handler,
        "backward": _backward_handler,
        "weight_gradient": _weight_gradient_handler,
        **{rule.__name__: partial(step_handler, rule) for rule in RULES},
    },
    ANY: {
        "gathered": gathered_handler,
        "channelwise": channelwise_handler,
        "edges": edges_handler,
        "relu": relu_handler,
        "relu_back": relu_back_handler,
        "pool": pool_handler,
        "pool_back": pool_back_handler,
        "normalise": normalise_handler,
        "normalise_back": normalise_back_handler,
    },
    TILES: {
        "tiles_forward": tiles_forward_handler,
        "tiles_backward": tiles_backward_handler,
    },
}
