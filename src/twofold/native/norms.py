"""Normalisation of images with channels last, in as few passes as there can be, with weights and biases.

The channels of a group are normalised together, over all rows of an image. Ioffe and Szegedy 2015, "Batch
Normalization", algorithm 1, where all images are the rows of one, and each channel is a group; Wu and He 2018, "Group
Normalization", section 3; the gradients follow. The variance is that of the differences from the mean, and not of
squares, which would cancel.
"""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, dimension, length, offset, result, result_length
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
    return [_sub(builder, _times(builder, gradient, factor), rest)]


_sums, _squares = over_rows(_itself, summed=1), over_rows(_square, summed=1)
_write_scaled, _sums_back = over_rows(_scaled, written=1), over_rows(_gradients, summed=2)
_write_back = over_rows(_back, written=1)


@compiled
def _mean_of_groups(sums, columns, groups, count, found):
    """Of sums of channels, the means of groups of so many numbers each; they take the sums' places, too."""
    size = columns // groups
    for g in range(groups):
        total = sums[g * size]
        for i in range(1, size):
            total += sums[g * size + i]
        total /= count
        found[g] = total
        for i in range(size):
            sums[g * size + i] = total


@compiled
def _normalise(n, rows, columns, groups, x, weight, bias, eps, outputs, mean, variance, space):
    """`outputs`, means and variances; `space` has place for two numbers a channel."""
    means, factors = space, offset(space, columns)
    count = rows * (columns // groups)
    for image in range(n):
        seen, written = offset(x, image * rows * columns), offset(outputs, image * rows * columns)
        for c in range(0, columns, LANES):
            there, m = min(LANES, columns - c), offset(means, c)
            _sums((offset(seen, c),), (m,), (m,), (m,), rows, columns, there)
        _mean_of_groups(means, columns, groups, count, offset(mean, image * groups))
        for c in range(0, columns, LANES):
            there, m, f = min(LANES, columns - c), offset(means, c), offset(factors, c)
            _squares((offset(seen, c),), (m,), (m,), (f,), rows, columns, there)
        _mean_of_groups(factors, columns, groups, count, offset(variance, image * groups))
        for c in range(columns):
            factors[c] = weight[c] / np.sqrt(factors[c] + eps[0])
        for c in range(0, columns, LANES):
            there, m, f = min(LANES, columns - c), offset(means, c), offset(factors, c)
            to = (offset(written, c),)
            _write_scaled((offset(seen, c),), (m, f, offset(bias, c)), to, (m,), rows, columns, there)


@compiled
def _normalise_back(
    n, rows, columns, groups, x, weight, mean, variance, eps, gradient, to_x, to_weight, to_bias, space
):
    """The gradients of x, weight and bias; `space` has place for four numbers a channel."""
    means, factors = space, offset(space, columns)
    plain, along = offset(space, 2 * columns), offset(space, 3 * columns)
    size = columns // groups
    for c in range(columns):
        to_weight[c], to_bias[c] = np.int8(0), np.int8(0)
    for image in range(n):
        begin = image * rows * columns
        seen, given, written = offset(x, begin), offset(gradient, begin), offset(to_x, begin)
        for c in range(columns):
            means[c] = mean[image * groups + c // size]
        for c in range(0, columns, LANES):
            there, m = min(LANES, columns - c), offset(means, c)
            sums = (offset(plain, c), offset(along, c))
            _sums_back((offset(seen, c), offset(given, c)), (m,), (m,), sums, rows, columns, there)
        for g in range(groups):
            inverse = 1 / np.sqrt(variance[image * groups + g] + eps[0])
            of_plain = of_along = weight[g * size] * np.int8(0)
            for c in range(g * size, (g + 1) * size):
                to_bias[c] += plain[c]
                to_weight[c] += along[c] * inverse
                of_plain += weight[c] * plain[c]
                of_along += weight[c] * along[c]
            scale = inverse / (rows * size)
            for c in range(g * size, (g + 1) * size):
                factors[c] = inverse * weight[c]
                plain[c] = of_plain * scale
                along[c] = of_along * scale * inverse * inverse
        for c in range(0, columns, LANES):
            there, m = min(LANES, columns - c), offset(means, c)
            numbers = (m, offset(factors, c), offset(plain, c), offset(along, c))
            to = (offset(written, c),)
            _write_back((offset(seen, c), offset(given, c)), numbers, to, (m,), rows, columns, there)


def normalise_handler(real: np.generic) -> Callable:
    """Arguments are x (n, rows, columns), weight and bias (columns), and eps; results are the outputs, means and
    variances (n, groups), and a workspace (2, columns)."""

    def normalise(frame):
        if begins(frame):
            n, rows, columns = dimension(frame, 0, 0), dimension(frame, 0, 1), dimension(frame, 0, 2)
            _normalise(
                n,
                rows,
                columns,
                result_length(frame, 1) // n,
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
    """Arguments are x (n, rows, columns), weight (columns), mean and variance (n, groups), eps, and the gradient of the
    outputs; results are the gradients of x, weight and bias, and a workspace (4, columns)."""

    def normalise_back(frame):
        if begins(frame):
            n, rows, columns = dimension(frame, 0, 0), dimension(frame, 0, 1), dimension(frame, 0, 2)
            _normalise_back(
                n,
                rows,
                columns,
                length(frame, 2) // n,
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
