"""The steps of the optimizers for a processor: their rules, compiled to machine code by Numba."""

from collections.abc import Callable
from math import sqrt

import numpy as np
from numba.extending import register_jitable

from twofold.native import foreign
from twofold.native.foreign import argument, begins, length, result, results
from twofold.native.rules import RULES, Numbers, memories_of

# In the order of computation that is written and with true divisions: what overflows does so in every form of a rule.
_jitable = register_jitable(**{**foreign.OPTIONS, "fastmath": {"contract", "nsz"}})

for _rule in RULES:
    _jitable(_rule)


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


def step_handler(rule: Callable, real: np.generic) -> Callable:
    """A handler in Python for Numba: arguments are the numbers, then all gradients, parameters, memories of each kind.

    Results are parameters and memories, which take the place of the arguments. `real` is a number of their type.
    """
    memories = memories_of(rule)
    step_array = (_without_memory, _with_one, _with_two)[memories]

    def handle(frame):
        if begins(frame):
            n, numbers = results(frame) // (1 + memories), _numbers(argument(frame, 0, real))
            for i in range(n):
                step_array(rule, numbers, frame, n, i, real)
        return np.uintp(0)

    return handle
