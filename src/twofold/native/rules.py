"""The rules of the optimizers: what one step does to one parameter and to what the optimizer remembers of it.

A rule is Python that JAX can trace and Numba can compile: on a processor one pass over memory takes the whole step,
where XLA would make one for each result. It takes the square root to use, the numbers that are the same for all
parameters, the gradient and the memories; and gives what to subtract from the parameter, and the memories. It has no
numbers of its own, as Numba would take Python's for double precision. Divisions stand as in the source of the rule, so
that what overflows does so in both forms.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float


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


def sgd(sqrt, n, gradient):
    """Gradient descent."""
    return (n.rate * gradient,)


def adam(sqrt, n, gradient, mean, square):
    """Kingma and Ba 2015, algorithm 1, in the order of computation that section 2 ends with."""
    mean = n.decay1 * mean + n.share1 * gradient
    square = n.decay2 * square + n.share2 * gradient * gradient
    return n.rate * mean / (sqrt(square) + n.eps), mean, square


def adadelta(sqrt, n, gradient, square, square_of_changes):
    """Zeiler 2012, algorithm 1."""
    square = n.decay1 * square + n.share1 * gradient * gradient
    change = sqrt(square_of_changes + n.eps) / sqrt(square + n.eps) * gradient
    square_of_changes = n.decay1 * square_of_changes + n.share1 * change * change
    return n.rate * change, square, square_of_changes


def adagrad(sqrt, n, gradient, sum_of_squares):
    """Duchi, Hazan and Singer 2011, section 1.1."""
    sum_of_squares = sum_of_squares + gradient * gradient
    return n.rate * gradient / (sqrt(sum_of_squares) + n.eps), sum_of_squares


def rmsprop(sqrt, n, gradient, square):
    """Tieleman and Hinton 2012, lecture 6.5."""
    square = n.decay1 * square + n.share1 * gradient * gradient
    return n.rate * gradient / (sqrt(square) + n.eps), square


RULES = (sgd, adam, adadelta, adagrad, rmsprop)


def memories_of(rule: Callable) -> int:
    """How many numbers a rule keeps of a parameter."""
    return len(inspect.signature(rule).parameters) - len(("sqrt", "n", "gradient"))
