"""The table of operations: the name in ATen, and the function of JAX that does the same."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
from jaxtyping import Array

# A number in PyTorch may be whole where it stands for a real one.
Number: TypeAlias = int | float

# An argument that ATen takes as an array or as a number.
Operand: TypeAlias = Array | bool | int | float

# The key of one random operation; None where nothing is drawn; FIXED, where the same numbers are wanted every time.
Key: TypeAlias = Any
FIXED = "fixed"


def part_of(key: Key, number: int) -> Key:
    """The key of a part of what has this key."""
    return key if key is None or key is FIXED else jax.random.fold_in(key, number)


class Operation(NamedTuple):
    """A function with the arguments of ATen's operation; a random one takes a `key` too.

    `layout` says what it does with images whose channels are the last axis, in which convolutions are fastest:
    "any" works on each element, "kept" takes `channels_last`, "made" does so and wants its images in that layout, and
    "" needs the channels where PyTorch has them.
    """

    function: Callable[..., Any]
    random: bool
    layout: str


TABLE: dict[str, Operation] = {}


def operation(*names: str, random: bool = False, layout: str = "") -> Callable[[Callable], Callable]:
    """Enter a function into the table under these names, "relu" being short for "aten.relu.default"."""

    def enter(function: Callable) -> Callable:
        for name in names:
            if not name.startswith("twofold."):
                name = f"aten.{name}" if "." in name else f"aten.{name}.default"
            TABLE[name] = Operation(function, random, layout)
        return function

    return enter


def axes_of(dim: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """The axes that an argument `dim` means, none below zero; None and an empty tuple mean all."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    several = (dim,) if isinstance(dim, int) else dim
    return tuple(axis % max(ndim, 1) for axis in several)
