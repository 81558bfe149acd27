"""The ReLU of images with channels last to which a bias is added, and other images, in one pass; and its gradients."""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, length, offset, result, result_length
from twofold.native.vectors import LANES, over_rows


def _open(builder, total):
    """A number of 0 or less is shut; what is no number shows."""
    shut = builder.fcmp_ordered("<=", total, total.type(None))
    return builder.select(shut, total.type(None), total)


def _with_bias(builder, read, numbers):
    return [_open(builder, builder.fadd(read[0], numbers[0]))]


def _with_both(builder, read, numbers):
    return [_open(builder, builder.fadd(builder.fadd(read[0], numbers[0]), read[1]))]


def _back(builder, read, numbers):
    output, gradient = read
    shut = builder.fcmp_ordered("<=", output, output.type(None))
    let_through = builder.select(shut, output.type(None), gradient)
    return [let_through, let_through]


_write, _write_both = over_rows(_with_bias, written=1), over_rows(_with_both, written=1)
_write_back = over_rows(_back, written=1, summed=1)


@compiled
def _relu(x, size, bias, columns, others, more, outputs):
    for c in range(0, columns, LANES):
        there, b = min(LANES, columns - c), (offset(bias, c),)
        to = (offset(outputs, c),)
        if more:
            _write_both((offset(x, c), offset(others, c)), b, to, b, size // columns, columns, there)
        else:
            _write((offset(x, c),), b, to, b, size // columns, columns, there)


@compiled
def _relu_back(outputs, gradient, size, columns, to_x, to_bias):
    for c in range(0, columns, LANES):
        there, sums = min(LANES, columns - c), (offset(to_bias, c),)
        read, to = (offset(outputs, c), offset(gradient, c)), (offset(to_x, c),)
        _write_back(read, sums, to, sums, size // columns, columns, there)


def relu_handler(real: np.generic) -> Callable:
    """Arguments are x (..., columns), the bias (columns), and other images of the shape of x, or none; the result is
    the ReLU of their sum."""

    def relu(frame):
        if begins(frame):
            _relu(
                argument(frame, 0, real),
                length(frame, 0),
                argument(frame, 1, real),
                length(frame, 1),
                argument(frame, 2, real),
                length(frame, 2) > 0,
                result(frame, 0, real),
            )
        return np.uintp(0)

    return relu


def relu_back_handler(real: np.generic) -> Callable:
    """Arguments are the ReLU and its gradient (..., columns); results are the gradients of x, which is that of the
    other images too, and of the bias."""

    def relu_back(frame):
        if begins(frame):
            _relu_back(
                argument(frame, 0, real),
                argument(frame, 1, real),
                length(frame, 0),
                result_length(frame, 1),
                result(frame, 0, real),
                result(frame, 1, real),
            )
        return np.uintp(0)

    return relu_back
