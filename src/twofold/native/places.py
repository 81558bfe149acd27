"""Tables of places in images (n, *sizes, channels): where windows begin, and what they see from there."""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

Sizes: TypeAlias = tuple[int, ...]

# Of each axis, how many places are added before its first and after its last.
Edges: TypeAlias = tuple[tuple[int, int], ...]


def sizes_after(sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Sizes:
    """The sizes of what a convolution makes of images of these sizes, edges included."""
    return tuple((size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(sizes, kernel, strides, dilations))


def _steps(shape: Sequence[int]) -> list[int]:
    """How many numbers lie between neighbours along each axis."""
    return [int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(len(shape))]


@functools.cache
def pixels_of(shape: Sizes, sizes: Sizes, strides: Sizes) -> np.ndarray:
    """Where each output begins in the images."""
    steps = _steps(shape)
    return _grid([shape[0], *sizes], [steps[0], *(step * s for step, s in zip(steps[1:-1], strides))])


@functools.cache
def numbers_of(shape: Sizes, kernel: Sizes, dilations: Sizes) -> np.ndarray:
    """What each number of the kernel sees, from where an output begins."""
    steps = _steps(shape)[1:-1]
    return _grid([*kernel, shape[-1]], [*(step * d for step, d in zip(steps, dilations)), 1])


@functools.cache
def runs_of(shape: Sizes, kernel: Sizes, dilations: Sizes) -> tuple[np.ndarray, int]:
    """The beginnings of what lies together in the images of what an output sees, and how long that is."""
    steps = [step * d for step, d in zip(_steps(shape)[1:-1], dilations)]
    if dilations[-1] == 1:
        return _grid(kernel[:-1], steps[:-1]), kernel[-1] * shape[-1]
    return window_of(shape, kernel, dilations), shape[-1]


@functools.cache
def window_of(shape: Sizes, kernel: Sizes, dilations: Sizes) -> np.ndarray:
    """Where each place of a window is, from where the window begins."""
    return _grid(kernel, [step * d for step, d in zip(_steps(shape)[1:-1], dilations)])


def _grid(counts: Sequence[int], steps: Sequence[int]) -> np.ndarray:
    """The sums of multiples of steps, in the order of rows."""
    places = np.zeros(1, np.int64)
    for count, step in zip(counts, steps):
        places = (places[:, None] + np.arange(count) * step).ravel()
    return places.astype(np.int32)
