"""Winograd's transforms: F(2, 3) for the rows of the first convolution, F(4x4, 3x3) for the second.

Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, sections 4.1 and 4.3. What
ends in `_back` is the transpose, which gradients take.
"""

import numpy as np

from twofold.native.foreign import compiled, offset
from twofold.native.geometry import CHANNELS1, CHANNELS2, PAIRS, PLANE

# As factors of a real number these keep its precision, as Python's own numbers would not.
_2, _4, _5, _6, _8, _12, _24 = (np.int8(number) for number in (2, 4, 5, 6, 8, 12, 24))


@compiled
def four(pointer, distance):
    """Four numbers that are so far apart."""
    return pointer[0], pointer[distance], pointer[2 * distance], pointer[3 * distance]


@compiled
def six(pointer, distance):
    """Six numbers that are so far apart."""
    x0, x1, x2, x3 = four(pointer, distance)
    return x0, x1, x2, x3, pointer[4 * distance], pointer[5 * distance]


@compiled
def put_six(pointer, distance, numbers):
    """Writes six numbers so far apart."""
    pointer[0], pointer[distance], pointer[2 * distance] = numbers[0], numbers[1], numbers[2]
    pointer[3 * distance], pointer[4 * distance], pointer[5 * distance] = numbers[3], numbers[4], numbers[5]


@compiled
def _inputs(x):
    s, t, u, v = x[4] - _4 * x[2], x[3] - _4 * x[1], x[4] - x[2], _2 * (x[3] - x[1])
    return _4 * x[0] - _5 * x[2] + x[4], s + t, s - t, u + v, u - v, _4 * x[1] - _5 * x[3] + x[5]


@compiled
def _inputs_back(y):
    s, t, u, v = y[1] + y[2], y[1] - y[2], y[3] + y[4], _2 * (y[3] - y[4])
    return _4 * y[0], _4 * (y[5] - t) - v, -_5 * y[0] - _4 * s - u, t + v - _5 * y[5], y[0] + s + u, y[5]


@compiled
def _kernel(x0, x1, x2):
    s, t = -(x0 + x2) / _6, x0 / _24 + x2 / _6
    return x0 / _4, s - x1 / _6, s + x1 / _6, t + x1 / _12, t - x1 / _12, x2


@compiled
def _kernel_back(y):
    s, t = y[1] + y[2], y[3] + y[4]
    return y[0] / _4 - s / _6 + t / _24, (y[2] - y[1]) / _6 + (y[3] - y[4]) / _12, (t - s) / _6 + y[5]


@compiled
def _outputs(x):
    s, t, u, v = x[1] + x[2], x[1] - x[2], x[3] + x[4], x[3] - x[4]
    return x[0] + s + u, t + _2 * v, s + _4 * u, t + _8 * v + x[5]


@compiled
def outputs_back(y0, y1, y2, y3):
    """The gradient of six products from that of four outputs."""
    s, t, u, v = y0 + y2, y1 + y3, y0 + _4 * y2, _2 * y1 + _8 * y3
    return y0, s + t, s - t, u + v, u - v, y3


@compiled
def short_kernel(kernel, short):
    """Transforms the three rows of the first kernel for F(2, 3)."""
    for i in range(3):
        x, y = offset(kernel, 3 * i * CHANNELS1), offset(short, 4 * i * CHANNELS1)
        for c in range(CHANNELS1):
            x0, x1, x2 = x[c], x[CHANNELS1 + c], x[2 * CHANNELS1 + c]
            y[c], y[3 * CHANNELS1 + c] = x0, x2
            y[CHANNELS1 + c], y[2 * CHANNELS1 + c] = (x0 + x2 + x1) / _2, (x0 + x2 - x1) / _2


@compiled
def short_pixels(sizes, image, short):
    """Transforms the four pixels in each row of each pooling window for F(2, 3)."""
    for r in range(2 * sizes.rows + 2):
        for q in range(sizes.columns):
            x, y = offset(image, r * sizes.width + 2 * q), offset(short, 4 * (r * sizes.columns + q))
            y[0], y[1], y[2], y[3] = x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]


@compiled
def short_outputs(x, y, z, i, j, k, b):
    """Two neighbouring outputs, from three rows of transformed pixels, those of the kernel, and the bias."""
    s0 = x[0] * i[0] + y[0] * j[0] + z[0] * k[0]
    s1 = b + x[1] * i[1] + y[1] * j[1] + z[1] * k[1]
    s2 = x[2] * i[2] + y[2] * j[2] + z[2] * k[2]
    s3 = x[3] * i[3] + y[3] * j[3] + z[3] * k[3]
    return s0 + s1 + s2, s1 - s2 - s3


@compiled
def tile_inputs(hidden, stride, half, tile):
    """Transforms 6x6 outputs of the first block, whose rows are `stride` columns apart, to a tile."""
    row = 6 * CHANNELS1
    for i in range(6):
        x, y = offset(hidden, i * stride * CHANNELS1), offset(half, i * row)
        for c in range(CHANNELS1):
            put_six(offset(y, c), CHANNELS1, _inputs(six(offset(x, c), CHANNELS1)))
    for c in range(row):
        put_six(offset(tile, c), row, _inputs(six(offset(half, c), row)))


@compiled
def tile_inputs_back(tile, half, hidden, stride):
    """Adds a tile's part to the gradient of the first block's outputs."""
    row = 6 * CHANNELS1
    for c in range(row):
        put_six(offset(half, c), row, _inputs_back(six(offset(tile, c), row)))
    for i in range(6):
        x, y = offset(hidden, i * stride * CHANNELS1), offset(half, i * row)
        for c in range(CHANNELS1):
            g = _inputs_back(six(offset(y, c), CHANNELS1))
            x0, x1, x2, x3, x4, x5 = six(offset(x, c), CHANNELS1)
            new = x0 + g[0], x1 + g[1], x2 + g[2], x3 + g[3], x4 + g[4], x5 + g[5]
            put_six(offset(x, c), CHANNELS1, new)


@compiled
def tile_outputs(tile, half):
    """Transforms the products of a tile down its columns: 4x6 numbers, for `row_outputs`."""
    row = 6 * CHANNELS2
    for c in range(row):
        half[c], half[row + c], half[2 * row + c], half[3 * row + c] = _outputs(six(offset(tile, c), row))


@compiled
def row_outputs(half, i, c):
    """The four outputs in row i, channel c."""
    return _outputs(six(offset(half, 6 * CHANNELS2 * i + c), CHANNELS2))


@compiled
def kernel_matrices(kernel, matrices):
    """The transformed 3x3 kernel: 36 matrices, for all pairs of channels."""
    row = 6 * PLANE
    for p in range(PAIRS):
        k, out = offset(kernel, p), offset(matrices, p)
        x, y = _kernel(k[0], k[3 * PAIRS], k[6 * PAIRS]), _kernel(k[PAIRS], k[4 * PAIRS], k[7 * PAIRS])
        z = _kernel(k[2 * PAIRS], k[5 * PAIRS], k[8 * PAIRS])
        put_six(out, PLANE, _kernel(x[0], y[0], z[0]))
        put_six(offset(out, row), PLANE, _kernel(x[1], y[1], z[1]))
        put_six(offset(out, 2 * row), PLANE, _kernel(x[2], y[2], z[2]))
        put_six(offset(out, 3 * row), PLANE, _kernel(x[3], y[3], z[3]))
        put_six(offset(out, 4 * row), PLANE, _kernel(x[4], y[4], z[4]))
        put_six(offset(out, 5 * row), PLANE, _kernel(x[5], y[5], z[5]))


@compiled
def kernel_matrices_back(matrices, to_kernel):
    """The gradient of the 3x3 kernel from those of its 36 matrices."""
    row = 6 * PLANE
    for p in range(PAIRS):
        x, k = offset(matrices, p), offset(to_kernel, p)
        y0, y1 = _kernel_back(six(x, PLANE)), _kernel_back(six(offset(x, row), PLANE))
        y2, y3 = _kernel_back(six(offset(x, 2 * row), PLANE)), _kernel_back(six(offset(x, 3 * row), PLANE))
        y4, y5 = _kernel_back(six(offset(x, 4 * row), PLANE)), _kernel_back(six(offset(x, 5 * row), PLANE))
        k[0], k[3 * PAIRS], k[6 * PAIRS] = _kernel_back((y0[0], y1[0], y2[0], y3[0], y4[0], y5[0]))
        k[PAIRS], k[4 * PAIRS], k[7 * PAIRS] = _kernel_back((y0[1], y1[1], y2[1], y3[1], y4[1], y5[1]))
        k[2 * PAIRS], k[5 * PAIRS], k[8 * PAIRS] = _kernel_back((y0[2], y1[2], y2[2], y3[2], y4[2], y5[2]))
