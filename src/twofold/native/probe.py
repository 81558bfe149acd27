"""Compares our operations with the portable way, in a process of its own: a crash or a hang is that process's alone.

    python -m twofold.native.probe float32 papers < code

From standard input comes what `twofold.native.compiling` wrote. Where the numbers are others, the last line on standard
error says so and the exit code is not 0.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from twofold.native import (
    activation,
    convolution,
    handlers,
    normalisation,
    operations,
    padding,
    pooling,
    small_products,
)
from twofold.native.geometry import CHANNELS1, CHANNELS2
from twofold.native.packing import unpack
from twofold.native.quickly import compile_quickly
from twofold.native.rules import RULES, Numbers, memories_of
from twofold.native.stages import ANY, PAPERS, give_way, stage

# Branches, images, height and width: whole blocks of images and not, one tile and more, odd sizes.
_SHAPES = ((1, 5, 14, 14), (2, 7, 13, 17))

# Images, kernels, strides, dilations and edges: whole blocks and not, runs of one number and of many.
_TILED = ((2, 9, 15, 20), (3, 3, 20, 83), (1, 1), (1, 1), ((1, 1), (0, 2)))
_CONVOLUTIONS = (
    ((2, 9, 8, 3), (3, 2, 3, 100), (2, 1), (1, 1), ((1, 0), (2, 1))),
    ((1, 8, 9, 5), (2, 3, 5, 17), (1, 1), (1, 2), ((0, 0), (0, 0))),
    ((7, 10, 64), (1, 64, 64), (1,), (1,), ((0, 0),)),
    _TILED,
)

# Images, windows, strides and dilations, and whether a ReLU follows: windows apart and together.
_POOLINGS = (((2, 9, 8, 35), ((3, 2), (2, 2), (1, 2), True)), ((3, 12, 5), ((4,), (2,), (1,), False)))

# Of the largest number of an array: sums are taken in another order.
_TOLERANCES = {"float32": 1e-3, "float64": 1e-9}


def main() -> None:
    """Compare every operation of a part of the work."""
    give_way()
    real, part = sys.argv[1:]
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_traceback_filtering", "off")  # so that an error's own words come last
    jax.config.update("jax_enable_x64", real == "float64")
    code, _ = unpack(sys.stdin.buffer.read())
    handlers.use(code, real)
    for name, compare in _comparisons(real, part):
        with stage(f"compare {name}"):
            compare()


def _comparisons(real: str, part: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each operation, and what compares its two ways."""
    if part == PAPERS:
        yield "features", partial(_compare_features, real)
        yield "product", partial(_compare_product, real)
        for rule in RULES:
            yield rule.__name__, partial(_compare_step, rule, real)
    elif part == ANY:
        yield "convolution", partial(_compare_convolution, real)
        yield "depthwise convolution", partial(_compare_depthwise, real)
        yield "small products", partial(_compare_small_products, real)
        yield "edges", partial(_compare_edges, real)
        yield "ReLU", partial(_compare_relu, real)
        yield "pooling", partial(_compare_pooling, real)
        yield "normalisation", partial(_compare_normalisation, real)
    else:
        yield "convolution by tiles", partial(_compare_tiles, real)


def _compare_features(real: str) -> None:
    random = np.random.default_rng(0)
    for g, n, height, width in _SHAPES:
        first, second = (g, 3, 3, 1, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2)
        shapes: list[tuple[int, ...]] = [(g, n, height, width), first, (g, CHANNELS1), second, (g, CHANNELS2)]
        arrays = [random.normal(size=shape).astype(real) for shape in shapes]
        _compare(operations.native_features, operations.portable_features, arrays, range(1, 5))


def _compare_product(real: str) -> None:
    random = np.random.default_rng(0)
    for g, n, inputs, outputs in ((1, 1, 4, 64), (2, 7, 20, 128)):
        arrays = [random.normal(size=shape).astype(real) for shape in ((g, n, inputs), (g, inputs, outputs))]
        _compare(operations.native_product, operations.portable_product, arrays, range(2))


def _compare_convolution(real: str) -> None:
    for image, kernel, *how in _CONVOLUTIONS:
        _compare_convolved(partial(_convolved, convolution.native_convolution, how), image, kernel, how, real)


def _compare_tiles(real: str) -> None:
    image, kernel, *how = _TILED
    _compare_convolved(partial(_convolved, convolution.tiled_convolution, how[-1:]), image, kernel, how, real)


def _compare_convolved(ours: Callable, image: tuple, kernel: tuple, how: Sequence, real: str) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(real) for shape in (image, kernel)]
    _compare(ours, partial(_portably_convolved, how), arrays, range(2))


def _portably_convolved(how: Sequence, x: Any, weight: Any) -> Any:
    """The edges portably too: `portable_convolution` has them made by our operation, where it is trusted."""
    strides, dilations, edges = how
    padded, none = padding.portable_padded(x, edges), ((0, 0),) * len(edges)
    return convolution.portable_convolution(padded, weight, strides, dilations, none)


def _compare_depthwise(real: str) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(real) for shape in ((2, 9, 8, 19), (3, 2, 19))]
    how = (2, 1), (1, 2), ((1, 0), (2, 1))
    ours = partial(_convolved, convolution.native_depthwise, how)
    _compare(ours, partial(_convolved, convolution.portable_depthwise, how), arrays, range(2))


def _compare_small_products(real: str) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(real) for shape in ((3, 9, 5), (3, 5, 18))]
    _compare(small_products.native_matmul, jnp.matmul, arrays, range(2))


def _compare_edges(real: str) -> None:
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(real)
    for edges in (((1, 2), (2, 1)), ((-1, 1), (1, -2))):
        ours, theirs = (partial(_with_edges, way, edges) for way in (padding.native_padded, padding.portable_padded))
        _compare(ours, theirs, [images], range(1))


def _compare_relu(real: str) -> None:
    random = np.random.default_rng(0)
    x, bias, others = (random.normal(size=shape).astype(real) for shape in ((2, 7, 19), (19,), (2, 7, 19)))
    _compare(activation.native_relu, activation.portable_relu, [x, bias, others], range(3))
    _compare(partial(_alone, activation.native_relu), partial(_alone, activation.portable_relu), [x, bias], range(2))


def _compare_pooling(real: str) -> None:
    random = np.random.default_rng(0)
    for image, windows in _POOLINGS:
        arrays = [random.normal(size=shape).round(1).astype(real) for shape in (image, image[-1:])]
        ours, theirs = (partial(_pooled, way, windows) for way in (pooling.native_max_pool, pooling.portable_max_pool))
        _compare(ours, theirs, arrays, range(2))


def _compare_normalisation(real: str) -> None:
    random = np.random.default_rng(0)
    for n, rows, columns, groups in ((1, 7, 3, 3), (2, 101, 40, 4)):
        shapes = (n, rows, columns), (columns,), (columns,), (n, rows, columns)
        arrays = [random.normal(size=shape).astype(real) for shape in shapes]
        for relu, given in ((False, 3), (True, 3), (True, 4)):
            ours, theirs = (
                partial(_normalised, way, groups, relu)
                for way in (normalisation.native_normalise, normalisation.portable_normalise)
            )
            _compare(ours, theirs, arrays[:given], range(given))


def _normalised(way: Callable, groups: int, relu: bool, x: Any, weight: Any, bias: Any, others: Any = None) -> Any:
    return way(x, weight, bias, others, groups, 1e-5, relu)[0]


def _with_edges(way: Callable, edges: tuple, x: Any) -> Any:
    return way(x, edges)


def _alone(way: Callable, x: Any, bias: Any) -> Any:
    return way(x, bias, None)


def _pooled(way: Callable, windows: tuple, x: Any, bias: Any) -> Any:
    return way(x, bias, *windows)


def _convolved(way: Callable, how: Sequence, x: Any, weight: Any) -> Any:
    return way(x, weight, *how)


def _compare(native: Callable, portable: Callable, arguments: list[np.ndarray], by: range) -> None:
    """Compares values and gradients of two ways; what is not finite has to show in both."""
    ours, theirs = (_with_gradients(way, arguments, by) for way in (native, portable))
    _same(ours(*arguments), theirs(*arguments))
    outputs, _ = ours(np.full_like(arguments[0], np.nan), *arguments[1:])
    if np.isfinite(np.asarray(outputs)).all():
        raise SystemExit("what is not a number does not show in its results")


def _with_gradients(way: Callable, arguments: list[np.ndarray], by: range) -> Callable:
    """A compiled function of the arguments: outputs, and gradients by some of them of the sum of the outputs' sines."""

    def total(*arguments: Any) -> Any:
        outputs = way(*arguments)
        return jnp.sin(outputs).sum(), outputs

    def found(*arguments: Any) -> Any:
        (_, outputs), gradients = jax.value_and_grad(total, tuple(by), has_aux=True)(*arguments)
        return outputs, gradients

    return compile_quickly(found, *arguments)


def _compare_step(rule: Callable, real: str) -> None:
    random = np.random.default_rng(0)
    numbers = np.array(Numbers(0.01, 0.9, 0.1, 0.999, 0.001, 1e-8), real)
    shapes = [(3,), (2, 5, 7), (1, 1029)]
    gradients, parameters = ([random.normal(size=shape).astype(real) for shape in shapes] for _ in range(2))
    kept = [[random.random(shape).astype(real) for shape in shapes] for _ in range(memories_of(rule))]
    arrays = (numbers, gradients, parameters, kept)
    ways = (partial(way, rule) for way in (operations.native_step, operations.portable_step))
    ours, theirs = (compile_quickly(way, *arrays)(*arrays) for way in ways)
    _same(ours, theirs)


def _same(ours: Any, theirs: Any) -> None:
    for a, b in zip(*(map(np.asarray, jax.tree.leaves(each)) for each in (ours, theirs)), strict=True):
        allowed = _TOLERANCES[b.dtype.name] * float(abs(b).max())
        if a.shape != b.shape or not float(abs(a - b).max()) <= allowed:  # NaN is not
            raise SystemExit("its numbers are others than those of the portable way")


if __name__ == "__main__":
    main()
