"""Convolutions of 3x3 by Winograd's algorithm, for any number of channels and any size of images.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3, F(4x4, 3x3): a tile of 6x6 of the
images becomes one of 4x4 of the outputs with 36 products for each two channels, where the direct form has 144. Some
tiles are transformed at once, to 36 planes (tiles, channels), each of which is a product with a plane (in, out) of the
transformed kernel. The gradients go the same way back: that of the outputs is transformed once for both, and the one
of the images is the transposed algorithm, not a convolution by the turned kernel.

Around the images (n, height, width, in) there may be zeros, which are in no memory; outputs (n, rows, columns, out) may
end within a last tile.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from twofold.native import tile_sizes
from twofold.native.combination import combination
from twofold.native.foreign import argument, begins, compiled, dimension, inlined, offset, result
from twofold.native.gathered import product
from twofold.native.tile_sizes import TILE
from twofold.native.vectors import LANES

# Rows and columns of a tile.
SIDE = 6

_BT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


def _turned(matrix):
    return tuple(zip(*matrix))


_of_image, _of_image_back = combination(_BT), combination(_turned(_BT))
_add_to_image, _add = combination(_turned(_BT), added=True), combination(((1,),), added=True)
_to_output, _to_output_back = combination(_AT), combination(_turned(_AT))
_of_kernel, _of_kernel_back = combination(_G), combination(_turned(_G))
_copy = combination(((1,),))


class Sizes(NamedTuple):
    """The sizes of a call, and how many rows and columns of zeros are above the images and left of them."""

    n: int
    height: int
    width: int
    inputs: int
    outputs: int
    rows: int
    columns: int
    above: int
    left: int


_plane, _at_once = compiled(tile_sizes.plane), compiled(tile_sizes.tiles_at_once)


@compiled
def _kernel_planes(kernel, inputs, outputs, planes, half):
    """The transformed kernel (3, 3, in, out): 36 planes (in, out)."""
    step = _plane(inputs, outputs)
    for i in range(inputs):
        for c in range(0, outputs, LANES):
            there, at = min(LANES, outputs - c), i * outputs + c
            for q in range(3):
                of = offset(kernel, q * inputs * outputs + at)
                _of_kernel(of, 3 * inputs * outputs, offset(half, q * LANES), 3 * LANES, there)
            for r in range(SIDE):
                _of_kernel(offset(half, 3 * r * LANES), LANES, offset(planes, SIDE * r * step + at), step, there)


@compiled
def _kernel_planes_back(planes, inputs, outputs, kernel, half):
    """The gradient of the kernel from that of its planes."""
    step = _plane(inputs, outputs)
    for i in range(inputs):
        for c in range(0, outputs, LANES):
            there, at = min(LANES, outputs - c), i * outputs + c
            for q in range(SIDE):
                of = offset(planes, q * step + at)
                _of_kernel_back(of, SIDE * step, offset(half, q * LANES), SIDE * LANES, there)
            for r in range(3):
                to = offset(kernel, 3 * r * inputs * outputs + at)
                _of_kernel_back(offset(half, SIDE * r * LANES), LANES, to, inputs * outputs, there)


@compiled
def _place(s, t):
    """Of tile t: its image, row and column among the outputs."""
    down, across = (s.rows + 3) // 4, (s.columns + 3) // 4
    return t // (down * across), 4 * (t // across % down), 4 * (t % across)


@compiled
def _seen(begin, size):
    """Of the places of a tile that begins here, the first and the one behind the last that an axis has."""
    return max(0, -begin), min(SIDE, size - begin)


@compiled
def _window(s, t):
    """Of tile t of the images: its image, where its rows and columns begin, and the first and last of them that are
    not zeros."""
    image, row, column = _place(s, t)
    y, x = row - s.above, column - s.left
    top, bottom = _seen(y, min(s.height, s.rows + 2 - s.above))
    left, right = _seen(x, min(s.width, s.columns + 2 - s.left))
    return image, y, x, top, bottom, left, right


@compiled
def _tile_of_images(s, t, images, planes, step, half):
    """Tile t of the images, to a row of the planes."""
    image, y, x, top, bottom, left, right = _window(s, t)
    corner, line = offset(images, ((image * s.height + y) * s.width + x) * s.inputs), s.width * s.inputs
    inside, whole = bottom - top == SIDE and right - left == SIDE, offset(half, TILE * LANES)
    for c in range(0, s.inputs, LANES):
        there = min(LANES, s.inputs - c)
        if inside:
            start, across, down = offset(corner, c), s.inputs, line
        else:
            start, across, down = whole, LANES, SIDE * LANES
            for i in range(TILE * LANES):
                whole[i] = np.int8(0)
            for r in range(top, bottom):
                for q in range(left, right):
                    of, to = offset(corner, r * line + q * s.inputs + c), offset(whole, (SIDE * r + q) * LANES)
                    _copy(of, LANES, to, LANES, there)
        for q in range(SIDE):
            _of_image(offset(start, q * across), down, offset(half, q * LANES), SIDE * LANES, there)
        for r in range(SIDE):
            _of_image(offset(half, SIDE * r * LANES), LANES, offset(planes, SIDE * r * step + c), step, there)


@compiled
def _tile_to_images(s, t, planes, step, images, half):
    """Adds the gradient of tile t to that of the images."""
    image, y, x, top, bottom, left, right = _window(s, t)
    corner, line = offset(images, ((image * s.height + y) * s.width + x) * s.inputs), s.width * s.inputs
    inside, whole = right - left == SIDE, offset(half, TILE * LANES)
    for c in range(0, s.inputs, LANES):
        there = min(LANES, s.inputs - c)
        for q in range(SIDE):
            of = offset(planes, q * step + c)
            _of_image_back(of, SIDE * step, offset(half, q * LANES), SIDE * LANES, there)
        for r in range(top, bottom):
            of, to = offset(half, SIDE * r * LANES), offset(corner, r * line + c)
            if inside:
                _add_to_image(of, LANES, to, s.inputs, there)
            else:
                _of_image_back(of, LANES, whole, LANES, there)
                for q in range(left, right):
                    _add(offset(whole, q * LANES), LANES, offset(to, q * s.inputs), s.inputs, there)


@compiled
def _tile_to_outputs(s, t, planes, step, outputs, half):
    """Tile t of the outputs, as far as there are outputs."""
    image, row, column = _place(s, t)
    rows, columns = min(4, s.rows - row), min(4, s.columns - column)
    corner = offset(outputs, ((image * s.rows + row) * s.columns + column) * s.outputs)
    whole = offset(half, TILE * LANES)
    for c in range(0, s.outputs, LANES):
        there = min(LANES, s.outputs - c)
        for q in range(SIDE):
            of = offset(planes, q * step + c)
            _to_output(of, SIDE * step, offset(half, q * LANES), SIDE * LANES, there)
        for r in range(rows):
            of, to = offset(half, SIDE * r * LANES), offset(corner, r * s.columns * s.outputs + c)
            if columns == 4:
                _to_output(of, LANES, to, s.outputs, there)
            else:
                _to_output(of, LANES, whole, LANES, there)
                for q in range(columns):
                    _copy(offset(whole, q * LANES), LANES, offset(to, q * s.outputs), s.outputs, there)


@compiled
def _tile_of_outputs(s, t, gradient, planes, step, half):
    """Tile t of the gradient of the outputs, to a row of the planes; where there are no outputs it is 0."""
    image, row, column = _place(s, t)
    rows, columns = min(4, s.rows - row), min(4, s.columns - column)
    corner = offset(gradient, ((image * s.rows + row) * s.columns + column) * s.outputs)
    whole = offset(half, TILE * LANES)
    for i in range(16 * LANES):
        whole[i] = np.int8(0)
    for c in range(0, s.outputs, LANES):
        there = min(LANES, s.outputs - c)
        for r in range(rows):
            for q in range(columns):
                of = offset(corner, (r * s.columns + q) * s.outputs + c)
                _copy(of, LANES, offset(whole, (4 * r + q) * LANES), LANES, there)
        for q in range(4):
            of = offset(whole, q * LANES)
            _to_output_back(of, 4 * LANES, offset(half, q * LANES), 4 * LANES, there)
        for r in range(SIDE):
            to = offset(planes, SIDE * r * step + c)
            _to_output_back(offset(half, 4 * r * LANES), LANES, to, step, there)


@compiled
def _products(left, rows, places, inner, right, columns, to, left_step, right_step, step):
    """Of each plane, its rows times a matrix (inner, columns)."""
    for k in range(TILE):
        product(
            offset(left, k * left_step),
            places,
            rows,
            places,
            1,
            inner,
            offset(right, k * right_step),
            columns,
            offset(to, k * step),
            False,
        )


@inlined
def _forward(s, images, kernel, of_inputs, outputs, space):
    at_once = _at_once(s.inputs, s.outputs)
    left_step, right_step = _plane(at_once, s.inputs), _plane(s.inputs, s.outputs)
    step = _plane(at_once, s.outputs)
    left = space
    to, right = offset(left, TILE * left_step), offset(left, TILE * (left_step + step))
    half = offset(right, TILE * right_step)
    _kernel_planes(kernel, s.inputs, s.outputs, right, half)
    tiles = s.n * ((s.rows + 3) // 4) * ((s.columns + 3) // 4)
    for first in range(0, tiles, at_once):
        now = min(at_once, tiles - first)
        for t in range(now):
            _tile_of_images(s, first + t, images, offset(left, t * s.inputs), left_step, half)
        _products(left, now, of_inputs, s.inputs, right, s.outputs, to, left_step, right_step, step)
        for t in range(now):
            _tile_to_outputs(s, first + t, offset(to, t * s.outputs), step, outputs, half)


@inlined
def _backward(s, images, turned, gradient, of_inputs, of_outputs, each_input, to_images, to_kernel, space):
    at_once = _at_once(s.inputs, s.outputs)
    left_step, step = _plane(at_once, s.inputs), _plane(at_once, s.outputs)
    right_step = _plane(s.inputs, s.outputs)
    left = space
    of, right = offset(left, TILE * left_step), offset(left, TILE * (left_step + step))
    to = offset(right, TILE * right_step)
    half = offset(to, TILE * right_step)
    _kernel_planes(turned, s.outputs, s.inputs, right, half)
    for i in range(s.n * s.height * s.width * s.inputs):
        to_images[i] = np.int8(0)
    tiles = s.n * ((s.rows + 3) // 4) * ((s.columns + 3) // 4)
    for first in range(0, tiles, at_once):
        now = min(at_once, tiles - first)
        for t in range(now):
            _tile_of_images(s, first + t, images, offset(left, t * s.inputs), left_step, half)
            _tile_of_outputs(s, first + t, gradient, offset(of, t * s.outputs), step, half)
        for k in range(TILE):
            product(
                offset(left, k * left_step),
                each_input,
                s.inputs,
                of_inputs,
                now,
                1,
                offset(of, k * step),
                s.outputs,
                offset(to, k * right_step),
                first > 0,
            )
        _products(of, now, of_outputs, s.outputs, right, s.inputs, left, step, right_step, left_step)
        for t in range(now):
            _tile_to_images(s, first + t, offset(left, t * s.inputs), left_step, to_images, half)
    _kernel_planes_back(to, s.inputs, s.outputs, to_kernel, half)


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
