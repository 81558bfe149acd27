"""The ReLU of images with channels last to which a bias is added, and other images, in one pass; and its gradients."""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, compiled, length, result, result_length
from twofold.native.vectors import over_rows


def let_through(builder, gradient, output):
    """The gradient of what gave an output, which is 0 where that is shut, at 0 or less; what is no number shows."""
    shut = builder.fcmp_ordered("<=", output, output.type(None))
    return builder.select(shut, output.type(None), gradient)


def opened(builder, total):
    """The ReLU of a number, which lets itself through."""
    return let_through(builder, total, total)


def _with_bias(builder, read, numbers):
    return [opened(builder, builder.fadd(read[0], numbers[0]))]


def _with_both(builder, read, numbers):
    return [opened(builder, builder.fadd(builder.fadd(read[0], numbers[0]), read[1]))]


def _back(builder, read, numbers):
    output, gradient = read
    given = let_through(builder, gradient, output)
    return [given, given]


_write, _write_both = over_rows(_with_bias, written=1), over_rows(_with_both, written=1)
_write_back = over_rows(_back, written=1, summed=1)


@compiled
def _relu(x, rows, bias, columns, others, more, outputs):
    if more:
        _write_both((x, others), (bias,), (outputs,), (bias,), rows, columns)
    else:
        _write((x,), (bias,), (outputs,), (bias,), rows, columns)


def relu_handler(real: np.generic) -> Callable:
    """Arguments are x (..., columns), the bias (columns), and other images of the shape of x, or none; the result is
    the ReLU of their sum."""

    def relu(frame):
        if begins(frame):
            columns = length(frame, 1)
            _relu(
                argument(frame, 0, real),
                length(frame, 0) // columns,
                argument(frame, 1, real),
                columns,
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
            columns, read = result_length(frame, 1), (argument(frame, 0, real), argument(frame, 1, real))
            to_x, sums = (result(frame, 0, real),), (result(frame, 1, real),)
            _write_back(read, sums, to_x, sums, length(frame, 0) // columns, columns)
        return np.uintp(0)

    return relu_back
