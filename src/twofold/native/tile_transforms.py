"""The transforms of Winograd's algorithm for `twofold.native.tiles`: of kernels, images and outputs, and back.

A tile of 6x6 of the images, channels last, becomes 36 planes, one for each two points of the algorithm, and those of
the products become 4x4 outputs: F(4x4, 3x3). At the end of an axis where one or two outputs are left a tile is short
there, F(2, 3): its four points are among the six, and their factors are such that the planes of the kernel serve it,
too. So it has planes at the places `0, 1, 2, 5` of that axis, and none at 3 and 4.

Each transform is a small constant matrix times vectors, once down the columns and once along the rows. Down, all that
stands side by side in memory is worked on at once, whatever the number of channels.
"""

from typing import NamedTuple

import numpy as np

from twofold.native import tile_sizes
from twofold.native.combination import combination
from twofold.native.foreign import called, compiled, offset
from twofold.native.tile_sizes import CHANNELS_AT_ONCE, SIDE
from twofold.native.vectors import LANES

_BT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_BT_SHORT = ((4, 0, -4, 0), (0, -3, -3, 0), (0, 3, -3, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, -1, 0, 1))
_AT_SHORT = ((1, 1, 1, 0, 0, 0), (0, 1, -1, 0, 0, 1))
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


def _along(matrix, matrix_of_short, *, added=False):
    """A function that multiplies a matrix by vectors of `length` numbers, once for each of some lines.

    In a line the vectors stand `step` apart at `source`, and those of the result `target_step` apart at `target`;
    `line` and `target_line` lead to those of the next. The tile may be `short` along these vectors; where it is
    `skipping`, its lines are planes, of which there are none at 3 and 4.
    """
    combine, combine_short = combination(matrix, added=added), combination(matrix_of_short, added=added)

    @called
    def run(source, step, line, target, target_step, target_line, lines, short, skipping, length):
        for i in range(lines):
            if skipping and (i == 3 or i == 4):
                continue
            for k in range(0, length, LANES):
                of, to, there = (
                    offset(source, i * line + k),
                    offset(target, i * target_line + k),
                    min(LANES, length - k),
                )
                if short:
                    combine_short(of, step, to, target_step, there)
                else:
                    combine(of, step, to, target_step, there)

    return run


_of_image = _along(_BT, _BT_SHORT)
_of_image_back = _along(_turned(_BT), _turned(_BT_SHORT))
_add_to_image = _along(_turned(_BT), _turned(_BT_SHORT), added=True)
_to_output, _to_output_back = _along(_AT, _AT_SHORT), _along(_turned(_AT), _turned(_AT_SHORT))
_copy, _add = combination(((1,),)), combination(((1,),), added=True)
_of_kernel, _of_kernel_back = combination(_G), combination(_turned(_G))


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


class Tile(NamedTuple):
    """A tile: its image, the first of its outputs, and whether it is short along rows and columns."""

    image: int
    row: int
    column: int
    short_down: bool
    short_across: bool


plane = compiled(tile_sizes.plane)


@compiled
def kernel_planes(kernel, inputs, outputs, planes, half):
    """The transformed kernel (3, 3, in, out): 36 planes (in, out)."""
    step = plane(inputs, outputs)
    for i in range(inputs):
        for c in range(0, outputs, LANES):
            there, at = min(LANES, outputs - c), i * outputs + c
            for q in range(3):
                of = offset(kernel, q * inputs * outputs + at)
                _of_kernel(of, 3 * inputs * outputs, offset(half, q * LANES), 3 * LANES, there)
            for r in range(SIDE):
                _of_kernel(offset(half, 3 * r * LANES), LANES, offset(planes, SIDE * r * step + at), step, there)


@compiled
def kernel_planes_back(planes, inputs, outputs, kernel, half):
    """The gradient of the kernel from that of its planes."""
    step = plane(inputs, outputs)
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
def tile_of(s, t):
    """Tile t of those of all images."""
    down, across = (s.rows + 3) // 4, (s.columns + 3) // 4
    image, row, column = t // (down * across), 4 * (t // across % down), 4 * (t % across)
    return Tile(image, row, column, s.rows - row <= 2, s.columns - column <= 2)


@compiled
def _seen(begin, size, places):
    """Of so many places that begin here, the first and the one behind the last that an axis has."""
    return max(0, -begin), min(places, size - begin)


@compiled
def _window(s, tile):
    """Where the first number of a tile stands among the images, which may be before the first of them; how many rows
    and columns it has, the first and last of them that are not zeros, and whether that are all."""
    y, x = tile.row - s.above, tile.column - s.left
    down, across = 4 if tile.short_down else SIDE, 4 if tile.short_across else SIDE
    top, bottom = _seen(y, min(s.height, s.rows + 2 - s.above), down)
    left, right = _seen(x, min(s.width, s.columns + 2 - s.left), across)
    begin = ((tile.image * s.height + y) * s.width + x) * s.inputs
    return begin, down, across, top, bottom, left, right, bottom - top == down and right - left == across


@compiled
def _fields(s, tile):
    """Where the first number of a tile stands among the outputs, how many rows and columns it has, how many of them
    there are, and whether that are all."""
    down, across = 2 if tile.short_down else 4, 2 if tile.short_across else 4
    rows, columns = min(down, s.rows - tile.row), min(across, s.columns - tile.column)
    begin = ((tile.image * s.rows + tile.row) * s.columns + tile.column) * s.outputs
    return begin, down, across, rows, columns, rows == down and columns == across


@compiled
def _lines(columns, channels, apart, other):
    """So many columns of channels, which stand so far apart here and there: lines and their length, where neighbours
    are one."""
    return (1, columns * channels) if apart == other == channels else (columns, channels)


@compiled
def _part(operation, channels, source, line, apart, target, target_line, target_apart, top, bottom, left, right):
    """Copies, or adds, some rows and columns of some channels; `line` leads to the next row, `apart` to the next
    column."""
    lines, length = _lines(right - left, channels, apart, target_apart)
    for r in range(top, bottom):
        of, to = offset(source, r * line + left * apart), offset(target, r * target_line + left * target_apart)
        for i in range(lines):
            for k in range(0, length, LANES):
                there = min(LANES, length - k)
                operation(offset(of, i * apart + k), 0, offset(to, i * target_apart + k), 0, there)


@compiled
def clear(numbers, count):
    """Makes so many numbers 0."""
    for i in range(count):
        numbers[i] = np.int8(0)


@compiled
def tile_of_images(s, tile, images, planes, step, space):
    """A tile of the images, to a row of the planes."""
    begin, down, across, top, bottom, left, right, inside = _window(s, tile)
    corner, line = offset(images, begin), s.width * s.inputs
    for c in range(0, s.inputs, CHANNELS_AT_ONCE):
        width = min(CHANNELS_AT_ONCE, s.inputs - c)
        pitch, whole = SIDE * width, offset(space, SIDE * SIDE * width)
        start, apart, below = offset(corner, c), s.inputs, line
        if not inside:
            clear(whole, down * pitch)
            _part(_copy, width, start, line, apart, whole, pitch, width, top, bottom, left, right)
            start, apart, below = whole, width, pitch
        lines, length = _lines(across, width, apart, width)
        _of_image(start, below, apart, space, pitch, width, lines, tile.short_down, False, length)
        to = offset(planes, c)
        _of_image(space, width, pitch, to, step, SIDE * step, SIDE, tile.short_across, tile.short_down, width)


@compiled
def tile_to_images(s, tile, planes, step, images, space):
    """Adds the gradient of a tile to that of the images."""
    begin, _, across, top, bottom, left, right, inside = _window(s, tile)
    corner, line = offset(images, begin), s.width * s.inputs
    for c in range(0, s.inputs, CHANNELS_AT_ONCE):
        width = min(CHANNELS_AT_ONCE, s.inputs - c)
        pitch, whole = SIDE * width, offset(space, SIDE * SIDE * width)
        of, to = offset(planes, c), offset(corner, c)
        _of_image_back(of, step, SIDE * step, space, width, pitch, SIDE, tile.short_across, tile.short_down, width)
        if inside:
            lines, length = _lines(across, width, s.inputs, width)
            _add_to_image(space, pitch, width, to, line, s.inputs, lines, tile.short_down, False, length)
        else:
            _of_image_back(space, pitch, 0, whole, pitch, 0, 1, tile.short_down, False, across * width)
            _part(_add, width, whole, pitch, width, to, line, s.inputs, top, bottom, left, right)


@compiled
def tile_to_outputs(s, tile, planes, step, outputs, space):
    """A tile of the outputs, as far as there are outputs."""
    begin, _, across, rows, columns, inside = _fields(s, tile)
    corner, line = offset(outputs, begin), s.columns * s.outputs
    for c in range(0, s.outputs, CHANNELS_AT_ONCE):
        width = min(CHANNELS_AT_ONCE, s.outputs - c)
        pitch, whole = 4 * width, offset(space, SIDE * SIDE * width)
        of, to = offset(planes, c), offset(corner, c)
        _to_output(of, step, SIDE * step, space, width, pitch, SIDE, tile.short_across, tile.short_down, width)
        end, apart, below = (to, s.outputs, line) if inside else (whole, width, pitch)
        lines, length = _lines(across, width, apart, width)
        _to_output(space, pitch, width, end, below, apart, lines, tile.short_down, False, length)
        if not inside:
            _part(_copy, width, whole, pitch, width, to, line, s.outputs, 0, rows, 0, columns)


@compiled
def tile_of_outputs(s, tile, gradient, planes, step, space):
    """A tile of the gradient of the outputs, to a row of the planes; where there are no outputs it is 0."""
    begin, down, across, rows, columns, inside = _fields(s, tile)
    corner, line = offset(gradient, begin), s.columns * s.outputs
    for c in range(0, s.outputs, CHANNELS_AT_ONCE):
        width = min(CHANNELS_AT_ONCE, s.outputs - c)
        pitch, whole = 4 * width, offset(space, SIDE * SIDE * width)
        start, apart, below = offset(corner, c), s.outputs, line
        if not inside:
            clear(whole, down * pitch)
            _part(_copy, width, start, line, apart, whole, pitch, width, 0, rows, 0, columns)
            start, apart, below = whole, width, pitch
        lines, length = _lines(across, width, apart, width)
        _to_output_back(start, below, apart, space, pitch, width, lines, tile.short_down, False, length)
        to = offset(planes, c)
        _to_output_back(space, width, pitch, to, step, SIDE * step, SIDE, tile.short_across, tile.short_down, width)
