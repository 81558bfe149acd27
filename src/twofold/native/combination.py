"""Constant matrices times vectors, as Winograd's algorithm has them, in few operations."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numba
from llvmlite import ir
from numba.extending import intrinsic

from twofold.native.vectors import LANES, first, load_masked, store_masked


def combination(matrix: Sequence[Sequence[int | float]], *, added: bool = False) -> Any:
    """An operation that multiplies a constant matrix by vectors of `there` channels, at most `LANES`.

    The vectors stand `step` apart at `source`, and those of the result `target_step` apart at `target`, to which they
    are added where `added`. Products by 0 are left out, so that what is not finite in one vector leaves some others be;
    a vector of the result whose row has nothing but 0 is left as it is.
    """

    @intrinsic
    def combine(typing, source, step, target, target_step, there):
        def generate(context, builder, signature, arguments):
            source, step, target, target_step, there = arguments
            vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), LANES)
            mask = first(builder, builder.trunc(there, ir.IntType(32)), LANES)

            def place(pointer: Any, apart: Any, number: int) -> Any:
                return builder.gep(pointer, [builder.mul(apart, apart.type(number))])

            given = [load_masked(builder, place(source, step, j), vector, mask) for j in range(len(matrix[0]))]
            for i, value in enumerate(_times_matrix(builder, matrix, given)):
                if not any(matrix[i]):
                    continue
                to = place(target, target_step, i)
                if added:
                    value = builder.fadd(load_masked(builder, to, vector, mask), value)
                store_masked(builder, value, to, mask)
            return context.get_dummy_value()

        size = numba.types.intp
        return numba.types.void(source, size, target, size, size), generate

    return combine


def _times_matrix(builder: Any, matrix: Sequence[Sequence[int | float]], given: Sequence[Any]) -> list[Any]:
    """A constant matrix times vectors. Winograd's matrices have pairs of columns, or of rows, that differ in signs
    alone: of a pair of columns the sum and the difference of the vectors serve all rows; a pair of rows is the sum and
    the difference of what is equal in them and of what is opposite."""
    pair = next(
        (pair for pair in combinations(range(len(given)), 2) if _differ_in_signs(*_columns(matrix, pair))), None
    )
    if pair:
        j, k = pair
        both = builder.fadd(given[j], given[k]), builder.fsub(given[j], given[k])
        rows = [_with_items(row, pair, (row[j], 0) if row[j] == row[k] else (0, row[j])) for row in matrix]
        return _times_matrix(builder, rows, _with_items(given, pair, both))
    found: dict[int, Any] = {}
    for i, k in combinations(range(len(matrix)), 2):
        if i not in found and k not in found and _differ_in_signs(matrix[i], matrix[k]):
            even = _sum_of(builder, [a if a == b else 0 for a, b in zip(matrix[i], matrix[k])], given)
            odd = _sum_of(builder, [a if a != b else 0 for a, b in zip(matrix[i], matrix[k])], given)
            found |= {i: builder.fadd(even, odd), k: builder.fsub(even, odd)}
    return [found[i] if i in found else _sum_of(builder, row, given) for i, row in enumerate(matrix)]


def _columns(matrix: Sequence[Sequence[int | float]], places: Iterable[int]) -> list[list[int | float]]:
    return [[row[place] for row in matrix] for place in places]


def _with_items(items: Sequence[Any], places: Sequence[int], others: Sequence[Any]) -> list[Any]:
    """The items, with others at some places."""
    return [others[places.index(i)] if i in places else item for i, item in enumerate(items)]


def _differ_in_signs(a: Sequence[int | float], b: Sequence[int | float]) -> bool:
    """Whether they are equal here and opposite there, and nothing else."""
    same, other = (any(x == sign * y != 0 for x, y in zip(a, b)) for sign in (1, -1))
    return same and other and all(abs(x) == abs(y) for x, y in zip(a, b))


def _sum_of(builder: Any, factors: Sequence[int | float], given: Sequence[Any]) -> Any:
    """A sum of vectors times constants, those first that need no product."""
    total = None
    for factor, each in sorted(zip(factors, given), key=lambda pair: (abs(pair[0]) != 1, -pair[0])):
        total = _plus_times(builder, total, factor, each)
    return given[0].type(None) if total is None else total


def _plus_times(builder: Any, total: Any, factor: int | float, value: Any) -> Any:
    """A sum and a constant times a value more; None is a sum of nothing."""
    if factor == 0:
        return total
    if factor == -1 and total is not None:
        return builder.fsub(total, value)
    if factor != 1:
        value = builder.fmul(value, value.type([factor] * value.type.count), flags=("contract",))
    return value if total is None else builder.fadd(total, value, flags=("contract",))
