"""Products of each channel by itself, of rows that are gathered from memory: depthwise convolutions, and both their
gradients.

    result[p, c] = sum over q of left[rows[p] + runs[q] + c] * right[q, c]

The tables are those of `twofold.native.gathered`.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from twofold.native.foreign import argument, begins, compiled, dimension, offset, result
from twofold.native.vectors import LANES, first, load_masked, store_masked

# Rows at once: sums that wait for nobody, and that use what is read of `right` together.
_ROWS = 4


def _block(rows: int) -> Any:
    """An operation that makes so many rows of the result, for `there` channels, at most `LANES`."""

    @intrinsic
    def block(typing, left, places, runs, count, right, columns, result, there):
        def generate(context, builder, signature, arguments):
            left, places, runs, count, right, columns, result, there = arguments
            vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), LANES)
            mask = first(builder, builder.trunc(there, ir.IntType(32)), LANES)

            def start(row):
                return builder.gep(
                    left, [builder.sext(builder.load(builder.gep(places, [count.type(row)])), count.type)]
                )

            starts = [start(row) for row in range(rows)]
            sums = [cgutils.alloca_once_value(builder, vector(None)) for _ in range(rows)]
            with cgutils.for_range(builder, count) as loop:
                run = builder.sext(builder.load(builder.gep(runs, [loop.index])), count.type)
                factor = load_masked(builder, builder.gep(right, [builder.mul(loop.index, columns)]), vector, mask)
                for begin, total in zip(starts, sums):
                    seen = load_masked(builder, builder.gep(begin, [run]), vector, mask)
                    part = builder.fmul(seen, factor, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), part, flags=("contract",)), total)
            for row, total in enumerate(sums):
                end = builder.gep(result, [builder.mul(columns, count.type(row))])
                store_masked(builder, builder.load(total), end, mask)
            return context.get_dummy_value()

        size, place = numba.types.intp, numba.types.CPointer(numba.types.int32)
        return numba.types.void(left, place, place, size, right, size, result, size), generate

    return block


_several, _single = _block(_ROWS), _block(1)


@compiled
def _products(left, places, count, runs, run_count, right, columns, result):
    blocks = count // _ROWS * _ROWS
    for c in range(0, columns, LANES):
        there, of, factors = min(LANES, columns - c), offset(left, c), offset(right, c)
        for p in range(0, blocks, _ROWS):
            to = offset(result, p * columns + c)
            _several(of, offset(places, p), runs, run_count, factors, columns, to, there)
        for p in range(blocks, count):
            to = offset(result, p * columns + c)
            _single(of, offset(places, p), runs, run_count, factors, columns, to, there)


def channelwise_handler(real: np.generic) -> Callable:
    """Arguments are left, rows, runs and right (runs, columns); the result is (rows, columns)."""
    place = np.int32(0)

    def channelwise(frame):
        if begins(frame):
            _products(
                argument(frame, 0, real),
                argument(frame, 1, place),
                dimension(frame, 1, 0),
                argument(frame, 2, place),
                dimension(frame, 2, 0),
                argument(frame, 3, real),
                dimension(frame, 3, 1),
                result(frame, 0, real),
            )
        return np.uintp(0)

    return channelwise
