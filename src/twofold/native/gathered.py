"""One product, whose left rows are gathered from memory: convolutions, and both their gradients.

    result[p] = sum over q, i of left[rows[p] + runs[q] + i] * right[q, i]

`rows` and `runs` are tables of places in `left`: of pixels and of places of the kernel for a convolution, whose patches
are never written; the other way round for the gradient of its weights. Stride and dilation are in the tables alone.
"""

from collections.abc import Callable

import numpy as np

from twofold.native.foreign import argument, begins, called, compiled, dimension, length, offset, result
from twofold.native.vectors import GATHERED, gathered_block

# Runs that are worked through before the next rows begin, where each is a single number: so that what they need of
# `right` stays in the first-level cache.
_RUNS_AT_ONCE = 128

# Rows of the block of what is left when the others are through.
_FEW = 4


def _panel_of(width: int, rows: int, *, whole: bool) -> Callable:
    """A function that makes all rows of the result in `width` of its columns, or fewer where not `whole`."""
    block, few = gathered_block(rows, width, whole=whole), gathered_block(_FEW, width, whole=whole)

    @compiled
    def panel(left, places, count, runs, run_count, inner, right, result, columns, there, more):
        last = count % rows if count % rows <= _FEW else 0
        for p in range(0, count - last, rows):
            of, out, valid = offset(places, p), offset(result, p * columns), min(rows, count - p)
            block(left, of, valid, runs, run_count, inner, right, columns, out, columns, there, more)
        if last > 0:
            of, out = offset(places, count - last), offset(result, (count - last) * columns)
            few(left, of, last, runs, run_count, inner, right, columns, out, columns, there, more)

    return panel


(_WIDE, _), (_MIDDLE, _), (_NARROW, _), (_SHORT, _) = GATHERED
_wide_panel, _middle_panel = _panel_of(*GATHERED[0], whole=True), _panel_of(*GATHERED[1], whole=False)
_narrow_panel, _short_panel = _panel_of(*GATHERED[2], whole=False), _panel_of(*GATHERED[3], whole=False)


@called
def product(left, places, count, runs, run_count, inner, right, columns, result, more):
    """The product, panel by panel of its columns; it is added to what stands in the result where `more`."""
    at_once = run_count if inner > 1 else _RUNS_AT_ONCE
    wide = columns // _WIDE * _WIDE
    for q in range(0, run_count, at_once):
        some, now, added = offset(runs, q), min(at_once, run_count - q), more or q > 0
        factors = offset(right, q * inner * columns)
        for c in range(0, wide, _WIDE):
            to = offset(result, c)
            _wide_panel(left, places, count, some, now, inner, offset(factors, c), to, columns, _WIDE, added)
        for c in range(wide, columns, _MIDDLE):
            to, there = offset(result, c), min(_MIDDLE, columns - c)
            if there > _NARROW:
                _middle_panel(left, places, count, some, now, inner, offset(factors, c), to, columns, there, added)
            elif there > _SHORT:
                _narrow_panel(left, places, count, some, now, inner, offset(factors, c), to, columns, there, added)
            else:
                _short_panel(left, places, count, some, now, inner, offset(factors, c), to, columns, there, added)


@compiled
def _products(times, left, left_step, places, count, runs, run_count, inner, right, columns, result):
    """So many products by the same tables, of parts of left and right that lie one after the other."""
    for z in range(times):
        of, factors = offset(left, z * left_step), offset(right, z * run_count * inner * columns)
        to = offset(result, z * count * columns)
        product(of, places, count, runs, run_count, inner, factors, columns, to, False)


def gathered_handler(real: np.generic) -> Callable:
    """Arguments are left (times, ...), rows, runs and right (times, runs, inner, columns); the result is (times, rows,
    columns). Where there is one product left may have any shape."""
    place = np.int32(0)

    def gathered(frame):
        if begins(frame):
            times = dimension(frame, 3, 0)
            _products(
                times,
                argument(frame, 0, real),
                length(frame, 0) // times,
                argument(frame, 1, place),
                dimension(frame, 1, 0),
                argument(frame, 2, place),
                dimension(frame, 2, 0),
                dimension(frame, 3, 2),
                argument(frame, 3, real),
                dimension(frame, 3, 3),
                result(frame, 0, real),
            )
        return np.uintp(0)

    return gathered
