"""The rules of the optimizers: what one step does to one parameter and to what the optimizer remembers of it.

A rule is Python that JAX can trace and Numba can compile: on a processor one pass over memory takes the whole step,
where XLA would make one for each result. It takes the square root to use, four numbers that are the same for all
parameters (`rate`, `share1`, `share2`, `eps`), the gradient and the memories; and gives what to subtract from the
parameter, and the memories. It has no numbers of its own, as Numba would take Python's for double precision.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np
from numba.extending import register_jitable

from twofold.networks import foreign
from twofold.networks.foreign import argument, asks_for_version, length, result, results

# As the file is when it is imported.
_SOURCES = foreign.digest(__name__)

_jitable = register_jitable(**foreign.OPTIONS)


@_jitable
def sgd(sqrt, rate, share1, share2, eps, gradient):
    """Gradient descent."""
    return (rate * gradient,)


@_jitable
def adam(sqrt, rate, share1, share2, eps, gradient, mean, square):
    """Kingma and Ba 2015, algorithm 1, in the order of computation that section 2 ends with."""
    mean = mean + share1 * (gradient - mean)
    square = square + share2 * (gradient * gradient - square)
    return rate * mean / (sqrt(square) + eps), mean, square


@_jitable
def adadelta(sqrt, rate, share1, share2, eps, gradient, square, square_of_changes):
    """Zeiler 2012, algorithm 1."""
    square = square + share1 * (gradient * gradient - square)
    change = sqrt(square_of_changes + eps) / sqrt(square + eps) * gradient
    square_of_changes = square_of_changes + share2 * (change * change - square_of_changes)
    return rate * change, square, square_of_changes


@_jitable
def adagrad(sqrt, rate, share1, share2, eps, gradient, sum_of_squares):
    """Duchi, Hazan and Singer 2011, section 1.1."""
    sum_of_squares = sum_of_squares + gradient * gradient
    return rate * gradient / (sqrt(sum_of_squares) + eps), sum_of_squares


@_jitable
def rmsprop(sqrt, rate, share1, share2, eps, gradient, square):
    """Tieleman and Hinton 2012, lecture 6.5."""
    square = square + share1 * (gradient * gradient - square)
    return rate * gradient / (sqrt(square) + eps), square


@_jitable
def _without_memory(rule, numbers, size, gradient, parameter):
    rate, share1, share2, eps = numbers
    for i in range(size):
        (step,) = rule(sqrt, rate, share1, share2, eps, gradient[i])
        parameter[i] -= step


@_jitable
def _with_one(rule, numbers, size, gradient, parameter, memory):
    rate, share1, share2, eps = numbers
    for i in range(size):
        step, memory[i] = rule(sqrt, rate, share1, share2, eps, gradient[i], memory[i])
        parameter[i] -= step


@_jitable
def _with_two(rule, numbers, size, gradient, parameter, memory1, memory2):
    rate, share1, share2, eps = numbers
    for i in range(size):
        step, memory1[i], memory2[i] = rule(sqrt, rate, share1, share2, eps, gradient[i], memory1[i], memory2[i])
        parameter[i] -= step


def _handler(rule, memories, real):
    """Describes a handler: arguments are the numbers, then all gradients, parameters, and memories of each kind.

    Results are parameters and memories, which take the place of the arguments.
    """

    def without_memory(frame):
        if not asks_for_version(frame):
            n, at = results(frame), argument(frame, 0, real)
            numbers = at[0], at[1], at[2], at[3]
            for i in range(n):
                gradient, parameter = argument(frame, 1 + i, real), result(frame, i, real)
                _without_memory(rule, numbers, length(frame, 1 + i), gradient, parameter)
        return np.uintp(0)

    def with_one(frame):
        if not asks_for_version(frame):
            n, at = results(frame) // 2, argument(frame, 0, real)
            numbers = at[0], at[1], at[2], at[3]
            for i in range(n):
                gradient, parameter = argument(frame, 1 + i, real), result(frame, i, real)
                _with_one(rule, numbers, length(frame, 1 + i), gradient, parameter, result(frame, n + i, real))
        return np.uintp(0)

    def with_two(frame):
        if not asks_for_version(frame):
            n, at = results(frame) // 3, argument(frame, 0, real)
            numbers = at[0], at[1], at[2], at[3]
            for i in range(n):
                gradient, parameter = argument(frame, 1 + i, real), result(frame, i, real)
                memory1, memory2 = result(frame, n + i, real), result(frame, 2 * n + i, real)
                _with_two(rule, numbers, length(frame, 1 + i), gradient, parameter, memory1, memory2)
        return np.uintp(0)

    return (without_memory, with_one, with_two)[memories]


def handler(rule: Callable, memories: int, real: np.dtype) -> tuple[Callable, str]:
    """The handler for a rule with so many memories and real numbers of a type, as `foreign.register` wants it."""
    return _handler(rule, memories, real.type(0)), f"twofold_{rule.__name__}_{real.name}_{_SOURCES}"
