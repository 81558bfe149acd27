"""Normalisation of the columns of an array, with weights and biases, in as few passes as there can be.

Ioffe and Szegedy 2015, "Batch Normalization", algorithm 1, and the gradients that follow it there. The variance is that
of the differences from the mean, and not of squares, which would cancel.
"""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, dimension, offset, result
from twofold.native.vectors import LANES, over_rows


def _sub(builder, a, b):
    return builder.fsub(a, b)


def _times(builder, a, b):
    return builder.fmul(a, b, flags=("contract",))


def _plus(builder, a, b):
    return builder.fadd(a, b, flags=("contract",))


def _itself(builder, read, numbers):
    return read


def _square(builder, read, numbers):
    centred = _sub(builder, read[0], numbers[0])
    return [_times(builder, centred, centred)]


def _scaled(builder, read, numbers):
    mean, factor, bias = numbers
    return [_plus(builder, _times(builder, _sub(builder, read[0], mean), factor), bias)]


def _gradients(builder, read, numbers):
    (x, gradient), (mean,) = read, numbers
    return [gradient, _times(builder, gradient, _sub(builder, x, mean))]


def _back(builder, read, numbers):
    (x, gradient), (mean, factor, mean_gradient, along) = read, numbers
    rest = _plus(builder, mean_gradient, _times(builder, _sub(builder, x, mean), along))
    return [_times(builder, _sub(builder, gradient, rest), factor)]


_sums, _squares = over_rows(_itself, summed=1), over_rows(_square, summed=1)
_write_scaled, _sums_back = over_rows(_scaled, written=1), over_rows(_gradients, summed=2)
_write_back = over_rows(_back, written=1)


@compiled
def _normalise(rows, columns, x, weight, bias, eps, outputs, mean, variance, factor):
    """`outputs`, means and variances; `factor` is a workspace."""
    for c in range(0, columns, LANES):
        there = min(LANES, columns - c)
        seen, m, v, f = offset(x, c), offset(mean, c), offset(variance, c), offset(factor, c)
        _sums((seen,), (m,), (m,), (m,), rows, columns, there)
        for i in range(there):
            m[i] /= rows
        _squares((seen,), (m,), (m,), (v,), rows, columns, there)
        for i in range(there):
            v[i] /= rows
            f[i] = weight[c + i] / np.sqrt(v[i] + eps[0])
        _write_scaled((seen,), (m, f, offset(bias, c)), (offset(outputs, c),), (m,), rows, columns, there)


@compiled
def _normalise_back(rows, columns, x, weight, mean, variance, eps, gradient, to_x, to_weight, to_bias, space):
    """The gradients of x, weight and bias; `space` has place for three numbers a column."""
    for c in range(0, columns, LANES):
        there = min(LANES, columns - c)
        seen, given, m = offset(x, c), offset(gradient, c), offset(mean, c)
        b, w = offset(to_bias, c), offset(to_weight, c)
        factor, mean_gradient, along = offset(space, c), offset(space, columns + c), offset(space, 2 * columns + c)
        _sums_back((seen, given), (m,), (m,), (b, w), rows, columns, there)
        for i in range(there):
            inverse = 1 / np.sqrt(variance[c + i] + eps[0])
            w[i] *= inverse
            factor[i] = inverse * weight[c + i]
            mean_gradient[i] = b[i] / rows
            along[i] = w[i] * inverse / rows
        numbers = (m, factor, mean_gradient, along)
        _write_back((seen, given), numbers, (offset(to_x, c),), (m,), rows, columns, there)


def normalise_handler(real: np.generic) -> Callable:
    """Arguments are x (rows, columns), weight and bias (columns), and eps; results are the outputs, means, variances,
    and a workspace (columns)."""

    def normalise(frame):
        if begins(frame):
            _normalise(
                dimension(frame, 0, 0),
                dimension(frame, 0, 1),
                argument(frame, 0, real),
                argument(frame, 1, real),
                argument(frame, 2, real),
                argument(frame, 3, real),
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
                result(frame, 3, real),
            )
        return np.uintp(0)

    return normalise


def normalise_back_handler(real: np.generic) -> Callable:
    """Arguments are x (rows, columns), weight, mean, variance (columns), eps, and the gradient of the outputs; results
    are the gradients of x, weight and bias, and a workspace (3, columns)."""

    def normalise_back(frame):
        if begins(frame):
            _normalise_back(
                dimension(frame, 0, 0),
                dimension(frame, 0, 1),
                argument(frame, 0, real),
                argument(frame, 1, real),
                argument(frame, 2, real),
                argument(frame, 3, real),
                argument(frame, 4, real),
                argument(frame, 5, real),
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
                result(frame, 3, real),
            )
        return np.uintp(0)

    return normalise_back
