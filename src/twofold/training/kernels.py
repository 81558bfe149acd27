"""The rules of the optimizers: what one step does to one parameter and to what the optimizer remembers of it.

A rule is Python that JAX can trace and Numba can compile: on a processor one pass over memory takes the whole step,
where XLA would make one for each result. It takes the square root to use, the numbers that are the same for all
parameters, the gradient and the memories; and gives what to subtract from the parameter, and the memories. It has no
numbers of its own, as Numba would take Python's for double precision.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float
from numba.extending import register_jitable

from twofold.native import foreign
from twofold.native.foreign import argument, begins, length, result, results

# As the file is when it is imported.
_SOURCES = foreign.digest(__name__)

# In the order of computation that is written and with true divisions: what overflows does so in every form of a rule.
_jitable = register_jitable(**{**foreign.OPTIONS, "fastmath": {"contract", "nsz"}})


class Numbers(NamedTuple):
    """What a rule may use beside gradient and memories: the rate, two means' decays and shares of the new, and eps.

    A share is one less a decay, but for the rounding of single precision.
    """

    rate: Float[Array, ""] | float
    decay1: float = 0.0
    share1: float = 0.0
    decay2: float = 0.0
    share2: float = 0.0
    eps: Float[Array, ""] | float = 0.0


@_jitable
def sgd(sqrt, n, gradient):
    """Gradient descent."""
    return (n.rate * gradient,)


@_jitable
def adam(sqrt, n, gradient, mean, square):
    """Kingma and Ba 2015, algorithm 1, in the order of computation that section 2 ends with."""
    mean = n.decay1 * mean + n.share1 * gradient
    square = n.decay2 * square + n.share2 * gradient * gradient
    return n.rate * mean / (sqrt(square) + n.eps), mean, square


@_jitable
def adadelta(sqrt, n, gradient, square, square_of_changes):
    """Zeiler 2012, algorithm 1."""
    square = n.decay1 * square + n.share1 * gradient * gradient
    change = sqrt(square_of_changes + n.eps) / sqrt(square + n.eps) * gradient
    square_of_changes = n.decay1 * square_of_changes + n.share1 * change * change
    return n.rate * change, square, square_of_changes


@_jitable
def adagrad(sqrt, n, gradient, sum_of_squares):
    """Duchi, Hazan and Singer 2011, section 1.1."""
    sum_of_squares = sum_of_squares + gradient * gradient
    return n.rate * gradient / (sqrt(sum_of_squares) + n.eps), sum_of_squares


@_jitable
def rmsprop(sqrt, n, gradient, square):
    """Tieleman and Hinton 2012, lecture 6.5."""
    square = n.decay1 * square + n.share1 * gradient * gradient
    return n.rate * gradient / (sqrt(square) + n.eps), square


@_jitable
def _numbers(pointer):
    return Numbers(pointer[0], pointer[1], pointer[2], pointer[3], pointer[4], pointer[5])


@_jitable
def _without_memory(rule, numbers, frame, n, i, real):
    gradient, parameter = argument(frame, 1 + i, real), result(frame, i, real)
    for j in range(length(frame, 1 + i)):
        (step,) = rule(sqrt, numbers, gradient[j])
        parameter[j] -= step


@_jitable
def _with_one(rule, numbers, frame, n, i, real):
    gradient, parameter, memory = argument(frame, 1 + i, real), result(frame, i, real), result(frame, n + i, real)
    for j in range(length(frame, 1 + i)):
        step, memory[j] = rule(sqrt, numbers, gradient[j], memory[j])
        parameter[j] -= step


@_jitable
def _with_two(rule, numbers, frame, n, i, real):
    gradient, parameter = argument(frame, 1 + i, real), result(frame, i, real)
    memory1, memory2 = result(frame, n + i, real), result(frame, 2 * n + i, real)
    for j in range(length(frame, 1 + i)):
        step, memory1[j], memory2[j] = rule(sqrt, numbers, gradient[j], memory1[j], memory2[j])
        parameter[j] -= step


def _handler(rule, memories, real):
    """Describes a handler: arguments are the numbers, then all gradients, parameters, and memories of each kind.

    Results are parameters and memories, which take the place of the arguments.
    """
    step_array = (_without_memory, _with_one, _with_two)[memories]

    def handle(frame):
        if begins(frame):
            n, numbers = results(frame) // (1 + memories), _numbers(argument(frame, 0, real))
            for i in range(n):
                step_array(rule, numbers, frame, n, i, real)
        return np.uintp(0)

    return handle


def handler(rule: Callable, memories: int, real: np.dtype) -> tuple[Callable, str]:
    """What `foreign.register` wants for a rule of this file with so many memories, and a type of real numbers."""
    return _handler(rule, memories, real.type(0)), f"twofold_{rule.__name__}_{memories}_{real.name}_{_SOURCES}"
