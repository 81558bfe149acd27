"""Max pooling of images with channels last, with a bias before it and a ReLU after it, and its gradient.

    result[p, c] = max over q of left[places[p] + runs[q] + c] + bias[c]

`places` and `runs` are tables, as those of `twofold.native.gathered`. Beside the largest number its place q in the
window is written, the first of equals, or `SHUT` where a ReLU lets nothing through.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from twofold.native.foreign import argument, begins, compiled, dimension, offset, result, result_length
from twofold.native.vectors import LANES, first, load_masked, repeated, store_masked

SHUT = -1


@intrinsic
def _largest(typing, left, places, count, runs, run_count, bias, floor, result, winners, columns, there):
    """All windows, for `there` channels, at most `LANES`; what is at most `floor` is shut, if that is a number."""

    def generate(context, builder, signature, arguments):
        left, places, count, runs, run_count, bias, floor, result, winners, columns, there = arguments
        vector, mask = _vector_and_mask(context, builder, signature.args[0], there)
        numbers = ir.VectorType(ir.IntType(8), LANES)
        added, least = load_masked(builder, bias, vector, mask), repeated(builder, floor, vector)
        largest, winner = (cgutils.alloca_once(builder, each) for each in (vector, numbers))
        with cgutils.for_range(builder, count) as pixel:
            start = builder.gep(left, [_number(builder, places, pixel.index)])
            with cgutils.for_range(builder, run_count) as run:
                at = builder.gep(start, [_number(builder, runs, run.index)])
                seen = builder.fadd(load_masked(builder, at, vector, mask), added)
                before = builder.load(largest)
                larger = builder.fcmp_ordered(">", seen, before)
                larger = builder.or_(larger, builder.fcmp_unordered("uno", seen, seen))  # no number is larger than all
                begun = repeated(builder, builder.icmp_signed("==", run.index, run.index.type(0)), mask.type)
                larger = builder.or_(begun, larger)
                place = repeated(builder, builder.trunc(run.index, numbers.element), numbers)
                builder.store(builder.select(larger, seen, before), largest)
                builder.store(builder.select(larger, place, builder.load(winner)), winner)
            found = builder.load(largest)
            shut = builder.fcmp_ordered("<=", found, least)
            end = builder.mul(pixel.index, columns)
            open_ = builder.select(shut, least, found)
            where = builder.select(shut, numbers([SHUT] * LANES), builder.load(winner))
            store_masked(builder, open_, builder.gep(result, [end]), mask)
            store_masked(builder, where, builder.gep(winners, [end]), mask)
        return context.get_dummy_value()

    size = numba.types.intp
    given = (left, places, size, runs, size, bias, bias.dtype, result, winners, size, size)
    return numba.types.void(*given), generate


@intrinsic
def _spread(typing, gradient, winners, places, count, runs, run_count, to_left, to_bias, columns, there):
    """Adds the gradient of each window where its winner was; `to_bias` gets the sum of all that are not shut."""

    def generate(context, builder, signature, arguments):
        gradient, winners, places, count, runs, run_count, to_left, to_bias, columns, there = arguments
        vector, mask = _vector_and_mask(context, builder, signature.args[0], there)
        numbers = ir.VectorType(ir.IntType(8), LANES)
        total = cgutils.alloca_once_value(builder, vector(None))
        with cgutils.for_range(builder, count) as pixel:
            end = builder.mul(pixel.index, columns)
            winner = load_masked(builder, builder.gep(winners, [end]), numbers, mask)
            given = load_masked(builder, builder.gep(gradient, [end]), vector, mask)
            shut = builder.icmp_signed("==", winner, numbers([SHUT] * LANES))
            builder.store(builder.fadd(builder.load(total), builder.select(shut, vector(None), given)), total)
            start = builder.gep(to_left, [_number(builder, places, pixel.index)])
            with cgutils.for_range(builder, run_count) as run:
                to = builder.gep(start, [_number(builder, runs, run.index)])
                place = repeated(builder, builder.trunc(run.index, numbers.element), numbers)
                here = builder.select(builder.icmp_signed("==", winner, place), given, vector(None))
                store_masked(builder, builder.fadd(load_masked(builder, to, vector, mask), here), to, mask)
        store_masked(builder, builder.load(total), to_bias, mask)
        return context.get_dummy_value()

    size = numba.types.intp
    given = (gradient, winners, places, size, runs, size, to_left, to_bias, size, size)
    return numba.types.void(*given), generate


def _vector_and_mask(context: Any, builder: Any, pointer: Any, there: Any) -> tuple[Any, Any]:
    vector = ir.VectorType(context.get_value_type(pointer.dtype), LANES)
    return vector, first(builder, builder.trunc(there, ir.IntType(32)), LANES)


def _number(builder: Any, table: Any, index: Any) -> Any:
    return builder.sext(builder.load(builder.gep(table, [index])), index.type)


@compiled
def _pool(left, places, count, runs, run_count, bias, columns, floor, result, winners):
    for c in range(0, columns, LANES):
        there, to, won = min(LANES, columns - c), offset(result, c), offset(winners, c)
        of, added = offset(left, c), offset(bias, c)
        _largest(of, places, count, runs, run_count, added, floor[0], to, won, columns, there)


@compiled
def _pool_back(gradient, winners, places, count, runs, run_count, to_left, size, to_bias, columns):
    for i in range(size):
        to_left[i] = np.int8(0)
    for c in range(0, columns, LANES):
        there, given, won = min(LANES, columns - c), offset(gradient, c), offset(winners, c)
        to, added = offset(to_left, c), offset(to_bias, c)
        _spread(given, won, places, count, runs, run_count, to, added, columns, there)


def pool_handler(real: np.generic) -> Callable:
    """Arguments are left, places, runs, bias (columns), and the floor (1); results are the largest numbers and the
    winners (places, columns)."""
    place, winner = np.int32(0), np.int8(0)

    def pool(frame):
        if begins(frame):
            _pool(
                argument(frame, 0, real),
                argument(frame, 1, place),
                dimension(frame, 1, 0),
                argument(frame, 2, place),
                dimension(frame, 2, 0),
                argument(frame, 3, real),
                dimension(frame, 3, 0),
                argument(frame, 4, real),
                result(frame, 0, real),
                result(frame, 1, winner),
            )
        return np.uintp(0)

    return pool


def pool_back_handler(real: np.generic) -> Callable:
    """Arguments are the gradient of the largest numbers, the winners, places and runs; results are the gradients of
    left and of the bias."""
    place, winner = np.int32(0), np.int8(0)

    def pool_back(frame):
        if begins(frame):
            _pool_back(
                argument(frame, 0, real),
                argument(frame, 1, winner),
                argument(frame, 2, place),
                dimension(frame, 2, 0),
                argument(frame, 3, place),
                dimension(frame, 3, 0),
                result(frame, 0, real),
                result_length(frame, 0),
                result(frame, 1, real),
                dimension(frame, 0, 1),
            )
        return np.uintp(0)

    return pool_back
