"""The convolutional part of a branch for a processor, compiled to machine code by Numba.

XLA computes matrix products at a processor's full speed, but reads and writes memory between any two operations.
These kernels take five images at a time, so that all between pixels and features stays in the first-level cache.
The first convolution takes the maximum of a pooling window while its four places are in registers; each of its rows is
Winograd's F(2, 3), 4 products for 2 outputs where the direct form has 6. The second convolution is F(4x4, 3x3): 36 for
16 outputs where the direct form has 144 (Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks",
arXiv 1509.09308, sections 4.1 and 4.3); an image has one or more tiles of 4x4 outputs.

Arrays are pointers here, row by row. Channels come last and are constants: LLVM vectorises the loops over them. Real
numbers are of either precision; small integers as factors keep it. docs/speed.md says what each part costs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils
from numba.extending import intrinsic

from twofold.networks import foreign
from twofold.networks.foreign import align_stack, argument, asks_for_version, dimension, offset, result

# As the file is when it is imported.
_SOURCES = foreign.digest(__file__)

# Channels after the first and the second convolution.
CHANNELS1, CHANNELS2 = 32, 64

# Images taken at once; also rows of a product: so many that its factors fit in the registers.
BLOCK = 5

# Columns of a product that are worked on at once: as many as fit in the registers for a block of rows.
_WIDTH = CHANNELS2 if get_host_cpu_features().get("avx512f") else 16
_WIDTH_BACK = min(_WIDTH, CHANNELS1)

# Numbers of single precision in a register.
_LANES = _WIDTH // 4 if _WIDTH == CHANNELS2 else _WIDTH // 2

# Numbers in a transformed tile of 6x6, per channel; and of channels in a transformed kernel.
_TILE, _PAIRS = 36, CHANNELS1 * CHANNELS2

# From one matrix of a kernel to the next: 16 more, as matrices a multiple of 4 KiB apart would compete for the same few
# lines of the first-level cache.
_PLANE = _PAIRS + 16

# Which of the four places of a pooling window won, 0 to 3; or that the ReLU is shut.
_SHUT = 4

# As factors of a real number these keep its precision, as Python's own numbers would not.
_0, _2, _4, _5, _6, _8, _12, _24 = (np.int8(number) for number in (0, 2, 4, 5, 6, 8, 12, 24))

# Winograd's matrix A^T; the gradients go row by row of a tile.
_AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.int8)


class Geometry(NamedTuple):
    """Sizes that follow from those of an image. See `geometry`."""

    height: int
    width: int
    rows: int  # of the first block's outputs
    columns: int
    window_rows: int  # of the second block's outputs
    window_columns: int
    down: int  # Winograd tiles; the last ones may reach beyond the outputs
    across: int
    stride: int  # columns from a row of `hidden` to the next
    hidden: int  # numbers in the first block's outputs of an image, with those that tiles reach beyond them


def geometry(height: int, width: int) -> Geometry:
    """The sizes for images of (height, width)."""
    rows, columns = (height - 2) // 2, (width - 2) // 2
    window_rows, window_columns = (rows - 2) // 2, (columns - 2) // 2
    down, across = (window_rows + 1) // 2, (window_columns + 1) // 2
    stride = max(4 * across + 2, columns)
    hidden = max(4 * down + 2, rows) * stride * CHANNELS1
    return Geometry(height, width, rows, columns, window_rows, window_columns, down, across, stride, hidden)


def tiles(sizes: Geometry, n: int) -> int:
    """The tiles of n images, filled up to whole blocks of images."""
    return (n + BLOCK - 1) // BLOCK * BLOCK * sizes.down * sizes.across


def forward_space(sizes: Geometry) -> int:
    """Numbers in the workspace of the forward kernel, which `_forward_branch` parts."""
    short = 12 * CHANNELS1 + 4 * sizes.height * sizes.columns
    return short + 24 * CHANNELS2 + sizes.hidden + tiles(sizes, BLOCK) * _TILE * CHANNELS2


def matrices(g: int) -> int:
    """Numbers in the transformed kernels of g branches."""
    return g * _TILE * _PLANE


def backward_space(sizes: Geometry, n: int) -> int:
    """Numbers in the workspace of the backward kernel, which the gradients of the two blocks part, each in its turn."""
    return max(6 * _PLANE + tiles(sizes, n) * 6 * CHANNELS2, _TILE * CHANNELS1 + sizes.hidden)


_geometry, _tiles = foreign.compiled(geometry), foreign.compiled(tiles)


@foreign.compiled
def _inputs(x0, x1, x2, x3, x4, x5):
    s, t, u, v = x4 - _4 * x2, x3 - _4 * x1, x4 - x2, _2 * (x3 - x1)
    return _4 * x0 - _5 * x2 + x4, s + t, s - t, u + v, u - v, _4 * x1 - _5 * x3 + x5


@foreign.compiled
def _inputs_back(y0, y1, y2, y3, y4, y5):
    s, t, u, v = y1 + y2, y1 - y2, y3 + y4, _2 * (y3 - y4)
    return _4 * y0, _4 * (y5 - t) - v, -_5 * y0 - _4 * s - u, t + v - _5 * y5, y0 + s + u, y5


@foreign.compiled
def _kernel(x0, x1, x2):
    s, t = -(x0 + x2) / _6, x0 / _24 + x2 / _6
    return x0 / _4, s - x1 / _6, s + x1 / _6, t + x1 / _12, t - x1 / _12, x2


@foreign.compiled
def _kernel_back(y0, y1, y2, y3, y4, y5):
    s, t = y1 + y2, y3 + y4
    return y0 / _4 - s / _6 + t / _24, (y2 - y1) / _6 + (y3 - y4) / _12, (t - s) / _6 + y5


@foreign.compiled
def _outputs(x0, x1, x2, x3, x4, x5):
    s, t, u, v = x1 + x2, x1 - x2, x3 + x4, x3 - x4
    return x0 + s + u, t + _2 * v, s + _4 * u, t + _8 * v + x5


@foreign.compiled
def _outputs_back(y0, y1, y2, y3):
    s, t, u, v = y0 + y2, y1 + y3, y0 + _4 * y2, _2 * y1 + _8 * y3
    return y0, s + t, s - t, u + v, u - v, y3


@foreign.compiled
def _larger(x, y, of_x, of_y):
    """The larger of two numbers and its place: the first of equals, and NaN where there is one (as in PyTorch)."""
    second = (y > x) | (y != y)
    return (y if second else x), (of_y if second else of_x)


@foreign.compiled
def _largest(y0, y1, y2, y3):
    """ReLU of the largest of four numbers, and which it was."""
    upper, of_upper = _larger(y0, y1, 0, 1)
    lower, of_lower = _larger(y2, y3, 2, 3)
    largest, place = _larger(upper, lower, of_upper, of_lower)
    shut = largest <= 0
    return (_0 if shut else largest), np.int8(_SHUT if shut else place)


@foreign.compiled
def _four(pointer, distance):
    return pointer[0], pointer[distance], pointer[2 * distance], pointer[3 * distance]


@foreign.compiled
def _short_kernel(kernel, short):
    """Transforms the three rows of the first kernel for F(2, 3)."""
    for i in range(3):
        x, y = offset(kernel, 3 * i * CHANNELS1), offset(short, 4 * i * CHANNELS1)
        for c in range(CHANNELS1):
            x0, x1, x2 = x[c], x[CHANNELS1 + c], x[2 * CHANNELS1 + c]
            y[c], y[3 * CHANNELS1 + c] = x0, x2
            y[CHANNELS1 + c], y[2 * CHANNELS1 + c] = (x0 + x2 + x1) / _2, (x0 + x2 - x1) / _2


@foreign.compiled
def _short_pixels(sizes, image, short):
    """Transforms the four pixels in each row of each pooling window for F(2, 3)."""
    for r in range(2 * sizes.rows + 2):
        for q in range(sizes.columns):
            x, y = offset(image, r * sizes.width + 2 * q), offset(short, 4 * (r * sizes.columns + q))
            y[0], y[1], y[2], y[3] = x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]


@foreign.compiled
def _two_sums(x, y, z, i, j, k, b):
    """Two neighbouring outputs, from three rows of transformed pixels, those of the kernel, and the bias."""
    s0 = x[0] * i[0] + y[0] * j[0] + z[0] * k[0]
    s1 = b + x[1] * i[1] + y[1] * j[1] + z[1] * k[1]
    s2 = x[2] * i[2] + y[2] * j[2] + z[2] * k[2]
    s3 = x[3] * i[3] + y[3] * j[3] + z[3] * k[3]
    return s0 + s1 + s2, s1 - s2 - s3


@foreign.compiled
def _first_block(sizes, pixels, kernel, bias, hidden, winners):
    """Convolution, bias, pooling and ReLU of an image, for so many channels that the kernel stays in registers."""
    row = 4 * sizes.columns
    for r in range(sizes.rows):
        for q in range(sizes.columns):
            seen = offset(pixels, 2 * r * row + 4 * q)
            w, x = _four(seen, 1), _four(offset(seen, row), 1)
            y, z = _four(offset(seen, 2 * row), 1), _four(offset(seen, 3 * row), 1)
            out = offset(hidden, (r * sizes.stride + q) * CHANNELS1)
            won = offset(winners, (r * sizes.columns + q) * CHANNELS1)
            for c in range(_LANES):
                i, j = _four(offset(kernel, c), CHANNELS1), _four(offset(kernel, 4 * CHANNELS1 + c), CHANNELS1)
                k = _four(offset(kernel, 8 * CHANNELS1 + c), CHANNELS1)
                y0, y1 = _two_sums(w, x, y, i, j, k, bias[c])
                y2, y3 = _two_sums(x, y, z, i, j, k, bias[c])
                out[c], won[c] = _largest(y0, y1, y2, y3)


@intrinsic
def _windows_back(
    typing: Any,
    pixels: Any,
    width: Any,
    columns: Any,
    winners: Any,
    gradient: Any,
    to_kernel: Any,
    to_bias: Any,
) -> Any:
    """Adds the part of a row of pooling windows to the gradients of kernel and bias, for `_LANES` channels.

    Of the four pixels that a place of the kernel saw in the window, the winner's is chosen, so that there is one
    product for four. The sums stay in registers, as in `_products_of`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, width, columns, winners, gradient, to_kernel, to_bias = arguments
        real, place = (context.get_value_type(kind.dtype) for kind in (signature.args[0], signature.args[3]))
        numbers, places = ir.VectorType(real, _LANES), ir.VectorType(place, _LANES)

        def at(pointer: Any, index: int, kind: Any) -> Any:
            element = builder.gep(pointer, [ir.Constant(width.type, index)])
            return builder.bitcast(element, kind.as_pointer())

        outs = [at(to_bias, 0, numbers)] + [at(to_kernel, k * CHANNELS1, numbers) for k in range(9)]
        sums = [cgutils.alloca_once_value(builder, builder.load(out, align=_align(real))) for out in outs]
        with cgutils.for_range(builder, columns) as loop:
            first = builder.gep(pixels, [builder.mul(loop.index, ir.Constant(width.type, 2))])
            channel = builder.mul(loop.index, ir.Constant(width.type, CHANNELS1))
            won = builder.load(at(builder.gep(winners, [channel]), 0, places), align=1)
            given = builder.load(at(builder.gep(gradient, [channel]), 0, numbers), align=_align(real))

            def has(bit: int) -> Any:
                masked = builder.and_(won, ir.Constant(places, [bit] * _LANES))
                return builder.icmp_unsigned("!=", masked, ir.Constant(places, None))

            given = builder.select(has(_SHUT), ir.Constant(numbers, None), given)
            right, below = has(1), has(2)
            chosen = []
            for i in range(4):
                row = builder.gep(first, [builder.mul(width, ir.Constant(width.type, i))])
                seen = [_repeated(builder, builder.load(builder.gep(row, [ir.Constant(width.type, j)])), numbers) for j in range(4)]
                chosen.append([builder.select(right, seen[j + 1], seen[j]) for j in range(3)])
            parts = [given]
            for i in range(3):
                for j in range(3):
                    pixel = builder.select(below, chosen[i + 1][j], chosen[i][j])
                    parts.append(builder.fmul(pixel, given, flags=("contract",)))
            for total, part in zip(sums, parts):
                builder.store(builder.fadd(builder.load(total), part, flags=("contract",)), total)
        for out, total in zip(outs, sums):
            builder.store(builder.load(total), out, align=_align(real))
        return context.get_dummy_value()

    size = numba.types.intp
    return numba.types.void(pixels, size, size, winners, gradient, to_kernel, to_bias), generate


@foreign.compiled
def _first_block_back(sizes, image, winners, gradient, to_kernel, to_bias):
    """Adds an image's part to the gradients of kernel and bias."""
    for r in range(sizes.rows):
        for c in range(0, CHANNELS1, _LANES):
            _windows_back(
                offset(image, 2 * r * sizes.width),
                sizes.width,
                sizes.columns,
                offset(winners, r * sizes.columns * CHANNELS1 + c),
                offset(gradient, r * sizes.stride * CHANNELS1 + c),
                offset(to_kernel, c),
                offset(to_bias, c),
            )


@foreign.compiled
def _tile(hidden, stride, half, tile):
    """Transforms 6x6 outputs of the first block, whose rows are `stride` columns apart, to a tile."""
    for i in range(6):
        x, y = offset(hidden, i * stride * CHANNELS1), offset(half, i * 6 * CHANNELS1)
        for c in range(CHANNELS1):
            y0, y1, y2, y3, y4, y5 = _inputs(
                x[c],
                x[CHANNELS1 + c],
                x[2 * CHANNELS1 + c],
                x[3 * CHANNELS1 + c],
                x[4 * CHANNELS1 + c],
                x[5 * CHANNELS1 + c],
            )
            y[c], y[CHANNELS1 + c], y[2 * CHANNELS1 + c] = y0, y1, y2
            y[3 * CHANNELS1 + c], y[4 * CHANNELS1 + c], y[5 * CHANNELS1 + c] = y3, y4, y5
    row = 6 * CHANNELS1
    for c in range(row):
        y0, y1, y2, y3, y4, y5 = _inputs(
            half[c], half[row + c], half[2 * row + c], half[3 * row + c], half[4 * row + c], half[5 * row + c]
        )
        tile[c], tile[row + c], tile[2 * row + c] = y0, y1, y2
        tile[3 * row + c], tile[4 * row + c], tile[5 * row + c] = y3, y4, y5


@foreign.compiled
def _tile_back(tile, half, hidden, stride):
    """Adds a tile's part to the gradient of the first block's outputs."""
    row = 6 * CHANNELS1
    for c in range(row):
        x0, x1, x2, x3, x4, x5 = _inputs_back(
            tile[c], tile[row + c], tile[2 * row + c], tile[3 * row + c], tile[4 * row + c], tile[5 * row + c]
        )
        half[c], half[row + c], half[2 * row + c] = x0, x1, x2
        half[3 * row + c], half[4 * row + c], half[5 * row + c] = x3, x4, x5
    for i in range(6):
        x, y = offset(hidden, i * stride * CHANNELS1), offset(half, i * row)
        for c in range(CHANNELS1):
            x0, x1, x2, x3, x4, x5 = _inputs_back(
                y[c],
                y[CHANNELS1 + c],
                y[2 * CHANNELS1 + c],
                y[3 * CHANNELS1 + c],
                y[4 * CHANNELS1 + c],
                y[5 * CHANNELS1 + c],
            )
            x[c] += x0
            x[CHANNELS1 + c] += x1
            x[2 * CHANNELS1 + c] += x2
            x[3 * CHANNELS1 + c] += x3
            x[4 * CHANNELS1 + c] += x4
            x[5 * CHANNELS1 + c] += x5


@foreign.compiled
def _matrices(kernel, matrices):
    """The transformed 3x3 kernel: 36 matrices, for all pairs of channels."""
    for p in range(_PAIRS):
        k, out = offset(kernel, p), offset(matrices, p)
        x00, x10, x20, x30, x40, x50 = _kernel(k[0], k[3 * _PAIRS], k[6 * _PAIRS])
        x01, x11, x21, x31, x41, x51 = _kernel(k[_PAIRS], k[4 * _PAIRS], k[7 * _PAIRS])
        x02, x12, x22, x32, x42, x52 = _kernel(k[2 * _PAIRS], k[5 * _PAIRS], k[8 * _PAIRS])
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x00, x01, x02)
        out = offset(out, 6 * _PLANE)
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x10, x11, x12)
        out = offset(out, 6 * _PLANE)
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x20, x21, x22)
        out = offset(out, 6 * _PLANE)
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x30, x31, x32)
        out = offset(out, 6 * _PLANE)
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x40, x41, x42)
        out = offset(out, 6 * _PLANE)
        out[0], out[_PLANE], out[2 * _PLANE], out[3 * _PLANE], out[4 * _PLANE], out[5 * _PLANE] = _kernel(x50, x51, x52)


@foreign.compiled
def _three(matrices, p):
    """What six matrices of a row of the tile give to a row of the 3x3 kernel's gradient."""
    x = offset(matrices, p)
    return _kernel_back(x[0], x[_PLANE], x[2 * _PLANE], x[3 * _PLANE], x[4 * _PLANE], x[5 * _PLANE])


@foreign.compiled
def _matrices_back(matrices, to_kernel):
    """The gradient of the 3x3 kernel from those of its 36 matrices."""
    row = 6 * _PLANE
    for p in range(_PAIRS):
        x00, x01, x02 = _three(matrices, p)
        x10, x11, x12 = _three(matrices, row + p)
        x20, x21, x22 = _three(matrices, 2 * row + p)
        x30, x31, x32 = _three(matrices, 3 * row + p)
        x40, x41, x42 = _three(matrices, 4 * row + p)
        x50, x51, x52 = _three(matrices, 5 * row + p)
        k = offset(to_kernel, p)
        k[0], k[3 * _PAIRS], k[6 * _PAIRS] = _kernel_back(x00, x10, x20, x30, x40, x50)
        k[_PAIRS], k[4 * _PAIRS], k[7 * _PAIRS] = _kernel_back(x01, x11, x21, x31, x41, x51)
        k[2 * _PAIRS], k[5 * _PAIRS], k[8 * _PAIRS] = _kernel_back(x02, x12, x22, x32, x42, x52)


@intrinsic
def _transpose(typing: Any, rows: Any, distance: Any, columns: Any, new_distance: Any) -> Any:
    """Writes a block of `_LANES` rows, `distance` numbers apart, as columns (Eklundh 1972, halves changed places)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, distance, target, new_distance = arguments
        real, places = context.get_value_type(rows.dtype), range(_LANES)
        vector, index = ir.VectorType(real, _LANES), ir.VectorType(ir.IntType(32), _LANES)

        def row(pointer: Any, apart: Any, i: int) -> Any:
            first = builder.gep(pointer, [builder.mul(apart, ir.Constant(apart.type, i))])
            return builder.bitcast(first, vector.as_pointer())

        block = [builder.load(row(source, distance, i), align=_align(real)) for i in places]
        half = 1
        while half < _LANES:
            upper = ir.Constant(index, [_LANES + j - half if j & half else j for j in places])
            lower = ir.Constant(index, [_LANES + j if j & half else j + half for j in places])
            for i in places:
                if not i & half:
                    pair = block[i], block[i + half]
                    block[i], block[i + half] = (builder.shuffle_vector(*pair, mask) for mask in (upper, lower))
            half *= 2
        for i in places:
            builder.store(block[i], row(target, new_distance, i), align=_align(real))
        return context.get_dummy_value()

    size = numba.types.intp
    return numba.types.void(rows, size, columns, size), generate


@foreign.compiled
def _transposed(matrices, transposed):
    """Six transformed matrices, transposed."""
    for k in range(6):
        for i in range(0, CHANNELS1, _LANES):
            for c in range(0, CHANNELS2, _LANES):
                from_, to = k * _PLANE + i * CHANNELS2 + c, k * _PLANE + c * CHANNELS1 + i
                _transpose(offset(matrices, from_), CHANNELS2, offset(transposed, to), CHANNELS1)


@foreign.compiled
def _corner(sizes, t):
    """Where tile t begins in the first block's outputs of an image."""
    return 4 * (t // sizes.across * sizes.stride + t % sizes.across) * CHANNELS1


@foreign.compiled
def _windows(sizes, t):
    """The pooling windows of tile t: how many down and across, and where they begin in the outputs of an image."""
    r, q = 2 * (t // sizes.across), 2 * (t % sizes.across)
    first = (r * sizes.window_columns + q) * CHANNELS2
    return min(2, sizes.window_rows - r), min(2, sizes.window_columns - q), first


@foreign.compiled
def _second_block(sizes, t, tile, half, bias, features, winners):
    """From tile t of the products to outputs, pooling, bias and ReLU; `features` are those of the image."""
    rows, columns, first = _windows(sizes, t)
    row = 6 * CHANNELS2
    for c in range(row):
        half[c], half[row + c], half[2 * row + c], half[3 * row + c] = _outputs(
            tile[c], tile[row + c], tile[2 * row + c], tile[3 * row + c], tile[4 * row + c], tile[5 * row + c]
        )
    for r in range(rows):
        x, y = offset(half, 2 * r * row), offset(half, (2 * r + 1) * row)
        at = first + r * sizes.window_columns * CHANNELS2
        out, won = offset(features, at), offset(winners, at)
        for c in range(CHANNELS2):
            x0, x1, x2, x3 = _outputs(
                x[c],
                x[CHANNELS2 + c],
                x[2 * CHANNELS2 + c],
                x[3 * CHANNELS2 + c],
                x[4 * CHANNELS2 + c],
                x[5 * CHANNELS2 + c],
            )
            y0, y1, y2, y3 = _outputs(
                y[c],
                y[CHANNELS2 + c],
                y[2 * CHANNELS2 + c],
                y[3 * CHANNELS2 + c],
                y[4 * CHANNELS2 + c],
                y[5 * CHANNELS2 + c],
            )
            b = bias[c]
            out[c], won[c] = _largest(b + x0, b + x1, b + y0, b + y1)
            if columns > 1:
                out[CHANNELS2 + c], won[CHANNELS2 + c] = _largest(b + x2, b + x3, b + y2, b + y3)


@foreign.compiled
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
        y0, y1, y2, y3, y4, y5 = _outputs_back(y0, y1, y2, y3)
        row[x], row[CHANNELS2 + x], row[2 * CHANNELS2 + x] = y0, y1, y2
        row[3 * CHANNELS2 + x], row[4 * CHANNELS2 + x], row[5 * CHANNELS2 + x] = y3, y4, y5


@foreign.compiled
def _bias_back(gradient, winners, length, to_bias):
    """The gradient of the second bias from those of `length` windows."""
    for w in range(length):
        given, won = offset(gradient, w * CHANNELS2), offset(winners, w * CHANNELS2)
        for c in range(CHANNELS2):
            to_bias[c] += _0 if won[c] == _SHUT else given[c]


def _products_of(rows: int, columns: int) -> Any:
    """An operation that makes `rows` x `columns` numbers: sums over steps of products of a column and a row.

    `left[r * left_row + s * left_step]` are the factors of row r in step s, `right[s * right_step + c]` those of column
    c. The sums stay in registers, which LLVM would not see by itself: they are vectors of all columns here.
    """

    @intrinsic
    def products(typing, left, left_row, left_step, right, right_step, steps, result, result_row):
        def generate(context, builder, signature, arguments):
            left, left_row, left_step, right, right_step, steps, result, result_row = arguments
            real, integer = context.get_value_type(signature.args[0].dtype), steps.type
            vector, align = ir.VectorType(real, columns), np.dtype(signature.args[0].dtype.name).itemsize
            starts = [ir.Constant(kind, None) for kind in [integer] + [vector] * rows]
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            step, *sums = (builder.phi(start.type) for start in starts)
            row = builder.gep(right, [builder.mul(step, right_step)])
            factors = builder.load(builder.bitcast(row, vector.as_pointer()), align=align)
            new = [builder.add(step, ir.Constant(integer, 1))]
            for r in range(rows):
                at = builder.add(builder.mul(step, left_step), builder.mul(left_row, ir.Constant(integer, r)))
                factor = _repeated(builder, builder.load(builder.gep(left, [at])), vector)
                product = builder.fmul(factor, factors, flags=("contract",))
                new.append(builder.fadd(sums[r], product, flags=("contract",)))
            builder.cbranch(builder.icmp_signed("<", new[0], steps), loop, after)
            for phi, start, later in zip([step, *sums], starts, new):
                phi.add_incoming(start, before)
                phi.add_incoming(later, loop)
            builder.position_at_end(after)
            for r in range(rows):
                out = builder.gep(result, [builder.mul(result_row, ir.Constant(integer, r))])
                builder.store(new[1 + r], builder.bitcast(out, vector.as_pointer()), align=align)
            return context.get_dummy_value()

        size = numba.types.intp
        return numba.types.void(left, size, size, right, size, size, result, size), generate

    return products


def _align(real: Any) -> int:
    """Bytes of a number: all that is known of where arrays begin."""
    return 4 if isinstance(real, ir.FloatType) else 8


def _repeated(builder: Any, number: Any, vector: Any) -> Any:
    """A vector of the same number throughout."""
    undefined, places = ir.Constant(vector, ir.Undefined), ir.VectorType(ir.IntType(32), vector.count)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(places, None))


_block_of_products, _block_of_products_back = _products_of(BLOCK, _WIDTH), _products_of(BLOCK, _WIDTH_BACK)
_four_products = _products_of(4, _WIDTH)


@foreign.compiled
def _products(left, right, result, rows):
    """For each of the 36 places of `rows` tiles: a row of channels times the place's matrix."""
    for k in range(_TILE):
        for n in range(0, rows, BLOCK):
            for c in range(0, CHANNELS2, _WIDTH):
                _block_of_products(
                    offset(left, (n * _TILE + k) * CHANNELS1),
                    _TILE * CHANNELS1,
                    1,
                    offset(right, k * _PLANE + c),
                    CHANNELS2,
                    CHANNELS1,
                    offset(result, (n * _TILE + k) * CHANNELS2 + c),
                    _TILE * CHANNELS2,
                )


@foreign.compiled
def _products_back(left, right, result, rows):
    """The gradient of the left factors of `_products`, for a row of `rows` tiles; the matrices are transposed."""
    for k in range(6):
        for n in range(0, rows, BLOCK):
            for c in range(0, CHANNELS1, _WIDTH_BACK):
                _block_of_products_back(
                    offset(left, (n * 6 + k) * CHANNELS2),
                    6 * CHANNELS2,
                    1,
                    offset(right, k * _PLANE + c),
                    CHANNELS1,
                    CHANNELS2,
                    offset(result, (n * _TILE + k) * CHANNELS1 + c),
                    _TILE * CHANNELS1,
                )


@foreign.compiled
def _kernel_products(left, right, result, rows):
    """The gradient of the right factors of `_products`, for a row of `rows` tiles."""
    for k in range(6):
        for i in range(0, CHANNELS1, 4):
            for c in range(0, CHANNELS2, _WIDTH):
                _four_products(
                    offset(left, k * CHANNELS1 + i),
                    1,
                    _TILE * CHANNELS1,
                    offset(right, k * CHANNELS2 + c),
                    6 * CHANNELS2,
                    rows,
                    offset(result, k * _PLANE + i * CHANNELS2 + c),
                    CHANNELS2,
                )


@foreign.compiled
def _weight_gradient(g, n, inputs, outputs, values, gradient, result):
    """The gradient of dense layers' weights: `values` (g, n, inputs), `gradient` (g, n, outputs)."""
    for b in range(g):
        left, right = offset(values, b * n * inputs), offset(gradient, b * n * outputs)
        for i in range(0, inputs, 4):
            for c in range(0, outputs, _WIDTH):
                out = offset(result, (b * inputs + i) * outputs + c)
                _four_products(offset(left, i), 1, inputs, offset(right, c), outputs, n, out, outputs)


@foreign.compiled
def _fill(pointer, length):
    for i in range(length):
        pointer[i] = _0


@foreign.inlined
def _forward_branch(sizes, n, images, kernel1, bias1, kernel2, bias2, features, winners1, winners2, tiles, matrices, space):
    """The features of the n images of a branch, and what their gradient needs: winners, and tiles of hidden outputs."""
    half = space
    short_kernel = offset(half, 24 * CHANNELS2)
    pixels = offset(short_kernel, 12 * CHANNELS1)
    hidden = offset(pixels, 4 * sizes.height * sizes.columns)
    products = offset(hidden, sizes.hidden)
    an_image, used, length = sizes.down * sizes.across, n * sizes.down * sizes.across, _tiles(sizes, n)
    windows, inputs = sizes.window_rows * sizes.window_columns * CHANNELS2, sizes.rows * sizes.columns * CHANNELS1
    _fill(hidden, sizes.hidden)
    _fill(offset(tiles, used * _TILE * CHANNELS1), (length - used) * _TILE * CHANNELS1)
    _short_kernel(kernel1, short_kernel)
    _matrices(kernel2, matrices)
    for start in range(0, n, BLOCK):
        block, end = offset(tiles, start * an_image * _TILE * CHANNELS1), min(n, start + BLOCK)
        for i in range(start, end):
            image, won = offset(images, i * sizes.height * sizes.width), offset(winners1, i * inputs)
            _short_pixels(sizes, image, pixels)
            for c in range(0, CHANNELS1, _LANES):
                kernel, bias = offset(short_kernel, c), offset(bias1, c)
                _first_block(sizes, pixels, kernel, bias, offset(hidden, c), offset(won, c))
            for t in range(an_image):
                tile = offset(block, ((i - start) * an_image + t) * _TILE * CHANNELS1)
                _tile(offset(hidden, _corner(sizes, t)), sizes.stride, half, tile)
        _products(block, matrices, products, BLOCK * an_image)
        for i in range(start, end):
            out, won = offset(features, i * windows), offset(winners2, i * windows)
            for t in range(an_image):
                tile = offset(products, ((i - start) * an_image + t) * _TILE * CHANNELS2)
                _second_block(sizes, t, tile, half, bias2, out, won)


@foreign.inlined
def _forward(g, n, height, width, images, kernel1, bias1, kernel2, bias2, features, winners1, winners2, tiles, matrices, space):
    sizes = _geometry(height, width)
    windows, inputs = sizes.window_rows * sizes.window_columns * CHANNELS2, sizes.rows * sizes.columns * CHANNELS1
    for b in range(g):
        _forward_branch(
            sizes,
            n,
            offset(images, b * n * height * width),
            offset(kernel1, b * 9 * CHANNELS1),
            offset(bias1, b * CHANNELS1),
            offset(kernel2, b * 9 * _PAIRS),
            offset(bias2, b * CHANNELS2),
            offset(features, b * n * windows),
            offset(winners1, b * n * inputs),
            offset(winners2, b * n * windows),
            offset(tiles, b * _tiles(sizes, n) * _TILE * CHANNELS1),
            offset(matrices, b * _TILE * _PLANE),
            space,
        )


@foreign.inlined
def _second_block_gradients(sizes, n, winners, gradient, to_kernel, to_bias, tiles, matrices, space):
    """The gradients of the second block for a branch; those of tiles and matrices take their places.

    One of the six rows of a tile at a time, so that all that is at work stays in the second-level cache.
    """
    transposed = space
    products = offset(transposed, 6 * _PLANE)
    an_image, used, length = sizes.down * sizes.across, n * sizes.down * sizes.across, _tiles(sizes, n)
    windows = sizes.window_rows * sizes.window_columns
    _fill(offset(products, used * 6 * CHANNELS2), (length - used) * 6 * CHANNELS2)
    for i in range(6):
        for t in range(used):
            given = offset(gradient, t // an_image * windows * CHANNELS2)
            won = offset(winners, t // an_image * windows * CHANNELS2)
            _second_block_back_row(sizes, t % an_image, i, given, won, offset(products, t * 6 * CHANNELS2))
        row, matrix = offset(tiles, 6 * i * CHANNELS1), offset(matrices, 6 * i * _PLANE)
        _transposed(matrix, transposed)
        _kernel_products(row, products, matrix, length)
        _products_back(products, transposed, row, length)
    _matrices_back(matrices, to_kernel)
    _fill(to_bias, CHANNELS2)
    _bias_back(gradient, winners, n * windows, to_bias)


@foreign.inlined
def _first_block_gradients(sizes, n, images, winners, to_tiles, to_kernel, to_bias, space):
    """The gradients of the first block for a branch, from those of its tiles."""
    half = space
    hidden = offset(half, _TILE * CHANNELS1)
    an_image, inputs = sizes.down * sizes.across, sizes.rows * sizes.columns * CHANNELS1
    _fill(to_kernel, 9 * CHANNELS1)
    _fill(to_bias, CHANNELS1)
    for i in range(n):
        _fill(hidden, sizes.hidden)
        for t in range(an_image):
            tile = offset(to_tiles, (i * an_image + t) * _TILE * CHANNELS1)
            _tile_back(tile, half, offset(hidden, _corner(sizes, t)), sizes.stride)
        image, won = offset(images, i * sizes.height * sizes.width), offset(winners, i * inputs)
        _first_block_back(sizes, image, won, hidden, to_kernel, to_bias)


@foreign.inlined
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
    windows, inputs = sizes.window_rows * sizes.window_columns * CHANNELS2, sizes.rows * sizes.columns * CHANNELS1
    for b in range(g):
        of_branch = offset(tiles, b * _tiles(sizes, n) * _TILE * CHANNELS1)
        _second_block_gradients(
            sizes,
            n,
            offset(winners2, b * n * windows),
            offset(gradient, b * n * windows),
            offset(to_kernel2, b * 9 * _PAIRS),
            offset(to_bias2, b * CHANNELS2),
            of_branch,
            offset(matrices, b * _TILE * _PLANE),
            space,
        )
        _first_block_gradients(
            sizes,
            n,
            offset(images, b * n * height * width),
            offset(winners1, b * n * inputs),
            of_branch,
            offset(to_kernel1, b * 9 * CHANNELS1),
            offset(to_bias1, b * CHANNELS1),
            space,
        )


def _handler(name, real):
    """Describes the handler `name`, for real numbers like `real`."""
    place = np.int8(0)

    def forward(frame):
        align_stack()
        if not asks_for_version(frame):
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

    def backward(frame):
        align_stack()
        if not asks_for_version(frame):
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

    def weight_gradient(frame):
        align_stack()
        if not asks_for_version(frame):
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

    return {"forward": forward, "backward": backward, "weight_gradient": weight_gradient}[name]


def handler(name: str, real: np.dtype) -> tuple[Callable, str]:
    """The handler `name` (forward, backward or weight_gradient) for real numbers of a type, as `foreign.register` wants it."""
    return _handler(name, real.type(0)), f"twofold_{name}_{real.name}_{_SOURCES}"
