"""Convolutions of 3x3 by Winograd's algorithm, for any number of channels and any size of images.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3, F(4x4, 3x3): a tile of 6x6 of the
images becomes one of 4x4 of the outputs with 36 products for each two channels, where the direct form has 144. Some
tiles are transformed at once (`twofold.native.tile_transforms`), to 36 planes (tiles, channels), each of which is a
product with a plane (in, out) of the transformed kernel. The gradients go the same way back: that of the outputs is
transformed once for both, and the one of the images is the transposed algorithm, not a convolution by the turned
kernel.

Tiles that are short have fewer planes. They stand in the rows such that those of each plane are neighbours: first the
tiles that are short across, then those of full size, those that are short down, and those that are short both ways.

Around the images (n, height, width, in) there may be zeros, which are in no memory; outputs (n, rows, columns, out) may
end within a last tile.
"""

from collections.abc import Callable

import numpy as np

from twofold.native import tile_sizes
from twofold.native.foreign import argument, begins, compiled, dimension, inlined, offset, result
from twofold.native.gathered import product
from twofold.native.tile_sizes import SIDE, TILE
from twofold.native.tile_transforms import (
    Sizes,
    clear,
    kernel_planes,
    kernel_planes_back,
    plane,
    tile_of,
    tile_of_images,
    tile_of_outputs,
    tile_to_images,
    tile_to_outputs,
)

_at_once = compiled(tile_sizes.tiles_at_once)


@compiled
def _kind(tile):
    """The place of a tile's kind in the order of the rows."""
    if tile.short_down:
        return 3 if tile.short_across else 2
    return 0 if tile.short_across else 1


@compiled
def _begins(s, first, now):
    """Where in the rows each kind of so many tiles begins."""
    across, full, down = 0, 0, 0
    for t in range(first, first + now):
        kind = _kind(tile_of(s, t))
        across, full, down = across + (kind == 0), full + (kind == 1), down + (kind == 2)
    return 0, across, across + full, across + full + down


@compiled
def _next(s, t, free):
    """Tile t, its row, and the rows that are then the next free ones of each kind."""
    tile = tile_of(s, t)
    k = _kind(tile)
    return tile, free[k], (free[0] + (k == 0), free[1] + (k == 1), free[2] + (k == 2), free[3] + (k == 3))


@compiled
def _rows_of(k, kinds, now):
    """The first of the rows that plane k has, and how many: short tiles have none at places 3 and 4."""
    down, across = k // SIDE, k % SIDE
    inner_down, inner_across = down == 3 or down == 4, across == 3 or across == 4
    begin = kinds[1] if inner_across else 0
    if inner_down:
        return begin, kinds[2] - begin
    return begin, (kinds[3] if inner_across else now) - begin


@compiled
def _products(kinds, now, left, places, inner, right, columns, to, left_step, right_step, step):
    """Of each plane, its rows times a matrix (inner, columns)."""
    for k in range(TILE):
        begin, rows = _rows_of(k, kinds, now)
        of, result = offset(left, k * left_step + begin * inner), offset(to, k * step + begin * columns)
        product(of, places, rows, places, 1, inner, offset(right, k * right_step), columns, result, False)


@inlined
def _forward(s, images, kernel, of_inputs, outputs, space):
    at_once = _at_once(s.inputs, s.outputs)
    left_step, right_step = plane(at_once, s.inputs), plane(s.inputs, s.outputs)
    step = plane(at_once, s.outputs)
    left = space
    to, right = offset(left, TILE * left_step), offset(left, TILE * (left_step + step))
    more = offset(right, TILE * right_step)
    kernel_planes(kernel, s.inputs, s.outputs, right, more)
    tiles = s.n * ((s.rows + 3) // 4) * ((s.columns + 3) // 4)
    for first in range(0, tiles, at_once):
        now = min(at_once, tiles - first)
        kinds = _begins(s, first, now)
        free = kinds
        for t in range(first, first + now):
            tile, row, free = _next(s, t, free)
            tile_of_images(s, tile, images, offset(left, row * s.inputs), left_step, more)
        _products(kinds, now, left, of_inputs, s.inputs, right, s.outputs, to, left_step, right_step, step)
        free = kinds
        for t in range(first, first + now):
            tile, row, free = _next(s, t, free)
            tile_to_outputs(s, tile, offset(to, row * s.outputs), step, outputs, more)


@inlined
def _backward(s, images, turned, gradient, of_inputs, of_outputs, each_input, to_images, to_kernel, space):
    at_once = _at_once(s.inputs, s.outputs)
    left_step, step = plane(at_once, s.inputs), plane(at_once, s.outputs)
    right_step = plane(s.inputs, s.outputs)
    left = space
    of, right = offset(left, TILE * left_step), offset(left, TILE * (left_step + step))
    to = offset(right, TILE * right_step)
    more = offset(to, TILE * right_step)
    kernel_planes(turned, s.outputs, s.inputs, right, more)
    clear(to_images, s.n * s.height * s.width * s.inputs)
    clear(to, TILE * right_step)
    tiles = s.n * ((s.rows + 3) // 4) * ((s.columns + 3) // 4)
    for first in range(0, tiles, at_once):
        now = min(at_once, tiles - first)
        kinds = _begins(s, first, now)
        free = kinds
        for t in range(first, first + now):
            tile, row, free = _next(s, t, free)
            tile_of_images(s, tile, images, offset(left, row * s.inputs), left_step, more)
            tile_of_outputs(s, tile, gradient, offset(of, row * s.outputs), step, more)
        for k in range(TILE):
            begin, rows = _rows_of(k, kinds, now)
            seen, given = offset(left, k * left_step + begin * s.inputs), offset(of, k * step + begin * s.outputs)
            ends = offset(to, k * right_step)
            product(seen, each_input, s.inputs, of_inputs, rows, 1, given, s.outputs, ends, True)
        _products(kinds, now, of, of_outputs, s.outputs, right, s.inputs, left, step, right_step, left_step)
        free = kinds
        for t in range(first, first + now):
            tile, row, free = _next(s, t, free)
            tile_to_images(s, tile, offset(left, row * s.inputs), left_step, to_images, more)
    kernel_planes_back(to, s.inputs, s.outputs, to_kernel, more)


@inlined
def _sizes(frame, outputs, table):
    """From the shapes of images (argument 0) and of the kernel (argument 1), of which an axis is that of outputs, and
    from a table: rows and columns of outputs, and rows and columns of zeros before those of the images."""
    return Sizes(
        dimension(frame, 0, 0),
        dimension(frame, 0, 1),
        dimension(frame, 0, 2),
        dimension(frame, 0, 3),
        dimension(frame, 1, outputs),
        int(table[0]),
        int(table[1]),
        int(table[2]),
        int(table[3]),
    )


def tiles_forward_handler(real: np.generic) -> Callable:
    """Arguments are images, kernel (3, 3, in, out), the table of sizes, and where a row of `inputs` numbers begins;
    results are the outputs and a workspace."""
    place = np.int32(0)

    def tiles_forward(frame):
        if begins(frame):
            _forward(
                _sizes(frame, 3, argument(frame, 2, place)),
                argument(frame, 0, real),
                argument(frame, 1, real),
                argument(frame, 3, place),
                result(frame, 0, real),
                result(frame, 1, real),
            )
        return np.uintp(0)

    return tiles_forward


def tiles_backward_handler(real: np.generic) -> Callable:
    """Arguments are images, the kernel (3, 3, out, in), the table of sizes, the gradient of the outputs, and tables:
    where rows of `in` and of `out` numbers begin, and 0, 1, … to `in`; results are the gradients of images and kernel,
    and a workspace."""
    place = np.int32(0)

    def tiles_backward(frame):
        if begins(frame):
            _backward(
                _sizes(frame, 2, argument(frame, 2, place)),
                argument(frame, 0, real),
                argument(frame, 1, real),
                argument(frame, 3, real),
                argument(frame, 4, place),
                argument(frame, 5, place),
                argument(frame, 6, place),
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
            )
        return np.uintp(0)

    return tiles_backward
