"""Normalisation of images with channels last, in as few passes as there can be, with weights and biases, and with a
ReLU after it, before which other images may be added.

The channels of a group are normalised together, over all rows of an image. Ioffe and Szegedy 2015, "Batch
Normalization", algorithm 1, where all images are the rows of one, and each channel is a group; Wu and He 2018, "Group
Normalization", section 3; the gradients follow. The variance is that of the differences from the mean, and not of
squares, which would cancel.

Where the channels of a row do not fill the registers, some rows are worked on as one that does: what is summed is then
summed over its parts, and numbers of channels stand there once for each part.
"""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, dimension, length, offset, result, result_length
from twofold.native.relus import let_through, opened
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


def _scaled_relu(builder, read, numbers):
    return [opened(builder, _scaled(builder, read, numbers)[0])]


def _scaled_sum_relu(builder, read, numbers):
    return [opened(builder, builder.fadd(_scaled(builder, read, numbers)[0], read[1]))]


def _gradients(builder, read, numbers):
    (x, gradient), (mean,) = read, numbers
    return [gradient, _times(builder, gradient, _sub(builder, x, mean))]


def _gradients_relu(builder, read, numbers):
    x, gradient, output = read
    return _gradients(builder, (x, let_through(builder, gradient, output)), numbers)


def _back(builder, read, numbers):
    (x, gradient), (mean, factor, mean_gradient, along) = read, numbers
    rest = _plus(builder, mean_gradient, _times(builder, _sub(builder, x, mean), along))
    return [_sub(builder, _times(builder, gradient, factor), rest)]


def _back_relu(builder, read, numbers):
    x, gradient, output = read
    return _back(builder, (x, let_through(builder, gradient, output)), numbers)


def _back_sum_relu(builder, read, numbers):
    x, gradient, output = read
    given = let_through(builder, gradient, output)
    return [*_back(builder, (x, given), numbers), given]


_sums, _squares = over_rows(_itself, summed=1), over_rows(_square, summed=1)
_write_scaled, _write_relu = over_rows(_scaled, written=1), over_rows(_scaled_relu, written=1)
_write_sum_relu = over_rows(_scaled_sum_relu, written=1)
_sums_back, _sums_back_relu = over_rows(_gradients, summed=2), over_rows(_gradients_relu, summed=2)
_write_back, _write_back_relu = over_rows(_back, written=1), over_rows(_back_relu, written=1)
_write_back_sum_relu = over_rows(_back_sum_relu, written=2)


@compiled
def _joined(rows, columns):
    """How many rows are one."""
    joined = 1
    while joined * columns % LANES and joined < LANES and rows % (2 * joined) == 0:
        joined *= 2
    return joined if joined * columns % LANES == 0 else 1


@compiled
def _sum_of_parts(sums, columns, parts):
    for i in range(1, parts):
        for c in range(columns):
            sums[c] += sums[i * columns + c]


@compiled
def _for_each_part(numbers, columns, parts, to):
    for i in range(parts):
        for c in range(columns):
            to[i * columns + c] = numbers[c]


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
def _normalise(n, rows, columns, groups, x, weight, bias, eps, relu, others, more, outputs, mean, variance, space):
    """`outputs`, means and variances; `space` has place for three numbers a channel of each row that is joined."""
    parts = _joined(rows, columns)
    lines, width = rows // parts, parts * columns
    means, factors, added = space, offset(space, width), offset(space, 2 * width)
    count = rows * (columns // groups)
    _for_each_part(bias, columns, parts, added)
    for image in range(n):
        begin = image * rows * columns
        seen, written = (offset(x, begin),), (offset(outputs, begin),)
        _sums(seen, (means,), (means,), (means,), lines, width)
        _sum_of_parts(means, columns, parts)
        _mean_of_groups(means, columns, groups, count, offset(mean, image * groups))
        _for_each_part(means, columns, parts, means)
        _squares(seen, (means,), (means,), (factors,), lines, width)
        _sum_of_parts(factors, columns, parts)
        _mean_of_groups(factors, columns, groups, count, offset(variance, image * groups))
        for c in range(columns):
            factors[c] = weight[c] / np.sqrt(factors[c] + eps[0])
        _for_each_part(factors, columns, parts, factors)
        numbers = means, factors, added
        if more:
            _write_sum_relu((seen[0], offset(others, begin)), numbers, written, (means,), lines, width)
        elif relu:
            _write_relu(seen, numbers, written, (means,), lines, width)
        else:
            _write_scaled(seen, numbers, written, (means,), lines, width)


@compiled
def _normalise_back(
    n, rows, columns, groups, x, weight, mean, variance, eps, gradient, outputs, relu, more,
    to_x, to_weight, to_bias, to_others, space,
):  # fmt: skip
    """The gradients of x, weight and bias, and of the other images; `space` has place for four numbers a channel of
    each row that is joined."""
    parts = _joined(rows, columns)
    lines, width = rows // parts, parts * columns
    means, factors = space, offset(space, width)
    plain, along = offset(space, 2 * width), offset(space, 3 * width)
    size = columns // groups
    for c in range(columns):
        to_weight[c], to_bias[c] = np.int8(0), np.int8(0)
    for image in range(n):
        begin = image * rows * columns
        seen, given, written = offset(x, begin), offset(gradient, begin), (offset(to_x, begin),)
        for c in range(columns):
            means[c] = mean[image * groups + c // size]
        _for_each_part(means, columns, parts, means)
        if relu:
            read = seen, given, offset(outputs, begin)
            _sums_back_relu(read, (means,), (means,), (plain, along), lines, width)
        else:
            _sums_back((seen, given), (means,), (means,), (plain, along), lines, width)
        _sum_of_parts(plain, columns, parts)
        _sum_of_parts(along, columns, parts)
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
        for each in (factors, plain, along):
            _for_each_part(each, columns, parts, each)
        numbers = means, factors, plain, along
        if more:
            to_both = written[0], offset(to_others, begin)
            _write_back_sum_relu((seen, given, offset(outputs, begin)), numbers, to_both, (means,), lines, width)
        elif relu:
            _write_back_relu((seen, given, offset(outputs, begin)), numbers, written, (means,), lines, width)
        else:
            _write_back((seen, given), numbers, written, (means,), lines, width)


def normalise_handler(real: np.generic) -> Callable:
    """Arguments are x (n, rows, columns), weight and bias (columns), eps, whether a ReLU follows (1, or 0), and what is
    added before it, of the shape of x, or nothing; results are the outputs, means and variances (n, groups), and a
    workspace (3, most rows that are joined, columns)."""
    flag = np.int8(0)

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
                argument(frame, 4, flag)[0] > 0,
                argument(frame, 5, real),
                length(frame, 5) > 0,
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
                result(frame, 3, real),
            )
        return np.uintp(0)

    return normalise


def normalise_back_handler(real: np.generic) -> Callable:
    """Arguments are x (n, rows, columns), weight (columns), mean and variance (n, groups), eps, the gradient of the
    outputs, and, where a ReLU follows, the outputs, else nothing; results are the gradients of x, weight and bias, that
    of what was added before the ReLU, or nothing, and a workspace (4, most rows that are joined, columns)."""

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
                argument(frame, 6, real),
                length(frame, 6) > 0,
                result_length(frame, 3) > 0,
                result(frame, 0, real),
                result(frame, 1, real),
                result(frame, 2, real),
                result(frame, 3, real),
                result(frame, 4, real),
            )
        return np.uintp(0)

    return normalise_back
