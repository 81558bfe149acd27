"""Operations on whole vectors, written in LLVM's language, for what it would not keep in registers by itself."""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils
from numba.extending import intrinsic

from twofold.native.foreign import compiled
from twofold.native.geometry import CHANNELS1, CHANNELS2, SHUT

# Numbers of single precision in a register; and columns of a product that are worked on at once: as many as fit in the
# registers for a block of rows.
LANES, WIDTH = (16, CHANNELS2) if get_host_cpu_features().get("avx512f") else (8, 16)
WIDTH_BACK = min(WIDTH, CHANNELS1)


def products_of(rows: int, columns: int) -> Any:
    """An operation that makes `rows` x `columns` numbers: sums over steps of products of a column and a row.

    `left[r * left_row + s * left_step]` are the factors of row r in step s, `right[s * right_step + c]` those of column
    c. The sums stay in registers, which LLVM would not see by itself: they are vectors of all columns here.
    """

    @intrinsic
    def products(typing, left, left_row, left_step, right, right_step, steps, result, result_row):
        def generate(context, builder, signature, arguments):
            left, left_row, left_step, right, right_step, steps, result, result_row = arguments
            vector, integer = ir.VectorType(context.get_value_type(signature.args[0].dtype), columns), steps.type
            sums = [cgutils.alloca_once_value(builder, vector(None)) for _ in range(rows)]
            with cgutils.for_range(builder, steps) as loop:
                factors = _load(builder, builder.gep(right, [builder.mul(loop.index, right_step)]), vector)
                for r, total in enumerate(sums):
                    at = builder.add(builder.mul(loop.index, left_step), builder.mul(left_row, integer(r)))
                    factor = repeated(builder, builder.load(builder.gep(left, [at])), vector)
                    _add(builder, builder.fmul(factor, factors, flags=("contract",)), total)
            for r, total in enumerate(sums):
                _store(builder, builder.load(total), builder.gep(result, [builder.mul(result_row, integer(r))]))
            return context.get_dummy_value()

        size = numba.types.intp
        return numba.types.void(left, size, size, right, size, size, result, size), generate

    return products


@intrinsic
def windows_back(
    typing: Any, pixels: Any, width: Any, columns: Any, winners: Any, gradient: Any, to_kernel: Any, to_bias: Any
) -> Any:
    """Adds the part of a row of pooling windows to the gradients of kernel and bias, for `LANES` channels.

    Of the four pixels that a place of the kernel saw in the window, the winner's is chosen, so that there is one
    product for four. The sums stay in registers, as in `products_of`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pixels, width, columns, winners, gradient, to_kernel, to_bias = arguments
        real, place = (context.get_value_type(kind.dtype) for kind in (signature.args[0], signature.args[3]))
        numbers, places = ir.VectorType(real, LANES), ir.VectorType(place, LANES)
        outs = [to_bias, *(builder.gep(to_kernel, [width.type(k * CHANNELS1)]) for k in range(9))]
        sums = [cgutils.alloca_once_value(builder, _load(builder, out, numbers)) for out in outs]
        with cgutils.for_range(builder, columns) as loop:
            channel = builder.mul(loop.index, width.type(CHANNELS1))
            given = _load(builder, builder.gep(gradient, [channel]), numbers)
            won = _load(builder, builder.gep(winners, [channel]), places)
            shut, right, below = (_has_bit(builder, won, bit) for bit in (SHUT, 1, 2))
            given = builder.select(shut, numbers(None), given)
            first = builder.gep(pixels, [builder.mul(loop.index, width.type(2))])
            chosen = []
            for i in range(4):
                row = builder.gep(first, [builder.mul(width, width.type(i))])
                seen = [repeated(builder, builder.load(builder.gep(row, [width.type(j)])), numbers) for j in range(4)]
                chosen.append([builder.select(right, seen[j + 1], seen[j]) for j in range(3)])
            parts = [given]
            for i in range(3):
                for j in range(3):
                    pixel = builder.select(below, chosen[i + 1][j], chosen[i][j])
                    parts.append(builder.fmul(pixel, given, flags=("contract",)))
            for total, part in zip(sums, parts):
                _add(builder, part, total)
        for out, total in zip(outs, sums):
            _store(builder, builder.load(total), out)
        return context.get_dummy_value()

    size = numba.types.intp
    return numba.types.void(pixels, size, size, winners, gradient, to_kernel, to_bias), generate


@intrinsic
def transpose_block(typing: Any, rows: Any, distance: Any, columns: Any, new_distance: Any) -> Any:
    """Writes a block of `LANES` rows, `distance` numbers apart, as columns (Eklundh 1972, "A Fast Computer Method for
    Matrix Transposing": halves of pairs of rows change places, of quarters, and so on).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, distance, target, new_distance = arguments
        vector, index = ir.VectorType(context.get_value_type(rows.dtype), LANES), ir.VectorType(ir.IntType(32), LANES)
        places, half = range(LANES), 1

        def row(pointer: Any, apart: Any, i: int) -> Any:
            return builder.gep(pointer, [builder.mul(apart, apart.type(i))])

        block = [_load(builder, row(source, distance, i), vector) for i in places]
        while half < LANES:
            upper = index([LANES + j - half if j & half else j for j in places])
            lower = index([LANES + j if j & half else j + half for j in places])
            for i in places:
                if not i & half:
                    pair = block[i], block[i + half]
                    block[i], block[i + half] = (builder.shuffle_vector(*pair, mask) for mask in (upper, lower))
            half *= 2
        for i in places:
            _store(builder, block[i], row(target, new_distance, i))
        return context.get_dummy_value()

    size = numba.types.intp
    return numba.types.void(rows, size, columns, size), generate


def _load(builder: Any, pointer: Any, vector: Any) -> Any:
    """The vector at a pointer to its first number, which may stand wherever a number may."""
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_size(vector))


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_size(value.type))


def _add(builder: Any, part: Any, total: Any) -> None:
    """Adds to a sum, which stands in memory here and in a register when LLVM is through."""
    builder.store(builder.fadd(builder.load(total), part, flags=("contract",)), total)


def _size(vector: Any) -> int:
    """Bytes of a number of a vector."""
    return {"i8": 1, "float": 4, "double": 8}[str(vector.element)]


def _has_bit(builder: Any, values: Any, bit: int) -> Any:
    masked = builder.and_(values, values.type([bit] * values.type.count))
    return builder.icmp_unsigned("!=", masked, values.type(None))


def repeated(builder: Any, number: Any, vector: Any) -> Any:
    """A vector of the same number throughout."""
    undefined, places = vector(ir.Undefined), ir.VectorType(ir.IntType(32), vector.count)
    first = builder.insert_element(undefined, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, places(None))


# Columns and rows of the blocks of a gathered product, the widest first; those after the first may be narrower. The
# last is for processors that take a wide register's halves one after the other.
GATHERED = ((64, 6), (32, 8), (16, 8), (8, 8)) if LANES == 16 else ((16, 5), (8, 6), (8, 6), (4, 6))


def gathered_block(rows: int, columns: int, *, whole: bool) -> Any:
    """An operation that makes `rows` x `there` numbers of a product with gathered rows.

    `there` is `columns` where `whole`, else it may be less. See `twofold.native.gathered`. Where less than all rows are
    `valid`, the last of them is made again in the place of the others. `more` says that the numbers are added to what
    stands in the result.
    """

    @intrinsic
    def block(typing, left, places, valid, runs, count, inner, right, right_row, result, result_row, there, more):
        def generate(context, builder, signature, arguments):
            left, places, valid, runs, count, inner, right, right_row, result, result_row, there, more = arguments
            integer, word = count.type, ir.IntType(32)
            vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), columns)
            mask = None if whole else first(builder, builder.trunc(there, word), columns)
            last = builder.sub(valid, integer(1))
            numbers = [
                builder.select(builder.icmp_signed("<", last, integer(r)), last, integer(r)) for r in range(rows)
            ]
            places_of_rows = [builder.load(builder.gep(places, [row])) for row in numbers]
            starts = [builder.gep(left, [builder.sext(place, integer)]) for place in places_of_rows]
            ends = [builder.gep(result, [builder.mul(result_row, row)]) for row in numbers]
            sums = [cgutils.alloca_once(builder, vector) for _ in range(rows)]
            for end, total in zip(ends, sums):
                before = load_masked(builder, end, vector, mask)
                builder.store(builder.select(more, before, vector(None)), total)
            with cgutils.for_range(builder, count) as run:
                begin = builder.sext(builder.load(builder.gep(runs, [run.index])), integer)
                row = builder.gep(right, [builder.mul(builder.mul(run.index, inner), right_row)])
                with cgutils.for_range(builder, inner) as step:
                    factors = load_masked(builder, builder.gep(row, [builder.mul(step.index, right_row)]), vector, mask)
                    place = _opaque(builder, builder.add(begin, step.index))
                    for start, total in zip(starts, sums):
                        factor = repeated(builder, builder.load(builder.gep(start, [place])), vector)
                        _add(builder, builder.fmul(factor, factors, flags=("contract",)), total)
            for end, total in zip(ends, sums):
                store_masked(builder, builder.load(total), end, mask)
            return context.get_dummy_value()

        size, place = numba.types.intp, numba.types.CPointer(numba.types.int32)
        given = (left, place, size, place, size, size, right, size, result, size, size, numba.types.boolean)
        return numba.types.void(*given), generate

    return block


def _opaque(builder: Any, number: Any) -> Any:
    """The same number, of which LLVM knows nothing: it would make a pointer of each row anew for each run."""
    kind = ir.FunctionType(number.type, [number.type])
    return builder.call(ir.InlineAsm(kind, "", "=r,0"), [number])


def over_rows(body: Callable, *, written: int = 0, summed: int = 0) -> Callable:
    """A function that works on the rows of some arrays (rows, columns).

    `body(builder, read, numbers)` makes vectors of those that are read in a row and of numbers that are the same for
    all rows: first those that are written, then those whose sums over the rows are wanted. The function takes tuples of
    pointers, to what is read, to the numbers, to what is written and to the sums, and rows and columns.
    """
    wide, narrow = (_over_rows(body, lanes, written, summed) for lanes in (2 * LANES, LANES))

    @compiled
    def run(read, numbers, to_write, to_sum, rows, columns):
        for c in range(0, columns, 2 * LANES):
            there = min(2 * LANES, columns - c)
            if there > LANES:
                wide(read, numbers, to_write, to_sum, rows, columns, c, there)
            else:
                narrow(read, numbers, to_write, to_sum, rows, columns, c, there)

    return run


def _over_rows(body: Callable, lanes: int, written: int, summed: int) -> Any:
    """`over_rows` for `there` columns from `begin`, at most as many as there are lanes."""

    @intrinsic
    def run(typing, read, numbers, to_write, to_sum, rows, columns, begin, there):
        def generate(context, builder, signature, arguments):
            *pointers, rows, columns, begin, there = arguments
            kinds = signature.args[:4]
            vector = ir.VectorType(context.get_value_type(kinds[0].dtype.dtype), lanes)
            mask = first(builder, builder.trunc(there, ir.IntType(32)), lanes)
            sources, held, targets, ends = (
                [builder.gep(one, [begin]) for one in cgutils.unpack_tuple(builder, each, kind.count)]
                for each, kind in zip(pointers, kinds)
            )
            held = [load_masked(builder, each, vector, mask) for each in held]
            # A sum waits for the one before: some at once wait for nobody.
            totals = [
                [cgutils.alloca_once_value(builder, vector(None)) for _ in range(summed)] for _ in range(_AT_ONCE)
            ]

            def one(row: Any, total: list) -> None:
                at = builder.mul(row, columns)
                found = body(
                    builder, [load_masked(builder, builder.gep(each, [at]), vector, mask) for each in sources], held
                )
                for target, value in zip(targets[:written], found):
                    store_masked(builder, value, builder.gep(target, [at]), mask)
                for each, value in zip(total, found[written:]):
                    _add(builder, value, each)

            blocks = builder.sdiv(rows, rows.type(_AT_ONCE))
            whole = builder.mul(blocks, rows.type(_AT_ONCE))
            with cgutils.for_range(builder, blocks) as loop:
                for number, total in enumerate(totals):
                    one(builder.add(builder.mul(loop.index, rows.type(_AT_ONCE)), rows.type(number)), total)
            with cgutils.for_range(builder, builder.sub(rows, whole)) as loop:
                one(builder.add(whole, loop.index), totals[0])
            for number, end in enumerate(ends[:summed]):
                whole_sum = builder.load(totals[0][number])
                for total in totals[1:]:
                    whole_sum = builder.fadd(whole_sum, builder.load(total[number]))
                store_masked(builder, whole_sum, end, mask)
            return context.get_dummy_value()

        size = numba.types.intp
        return numba.types.void(read, numbers, to_write, to_sum, size, size, size, size), generate

    return run


# Rows at once, in `over_rows`.
_AT_ONCE = 4


def first(builder: Any, count: Any, columns: int) -> Any:
    """A mask of the first `count` of so many columns."""
    places = ir.VectorType(count.type, columns)(list(range(columns)))
    return builder.icmp_signed("<", places, repeated(builder, count, places.type))


def load_masked(builder: Any, pointer: Any, vector: Any, mask: Any) -> Any:
    """The vector at a pointer to its first number, as far as the mask goes, and 0 there; all of it without one."""
    if mask is None:
        return _load(builder, pointer, vector)
    name = f"llvm.masked.load.{_named(vector)}.p0"
    at = builder.bitcast(pointer, vector.as_pointer())
    kind = ir.FunctionType(vector, [at.type, ir.IntType(32), mask.type, vector])
    load = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(load, [at, ir.IntType(32)(_size(vector)), mask, vector(None)])


def _named(vector: Any) -> str:
    """A type of vectors in the names of LLVM's functions."""
    return f"v{vector.count}{'i' if isinstance(vector.element, ir.IntType) else 'f'}{8 * _size(vector)}"


def store_masked(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
    """Writes a vector at a pointer, as far as the mask goes, or all of it."""
    if mask is None:
        return _store(builder, value, pointer)
    name = f"llvm.masked.store.{_named(value.type)}.p0"
    at = builder.bitcast(pointer, value.type.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [value.type, at.type, ir.IntType(32), mask.type])
    store = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(store, [value, at, ir.IntType(32)(_size(value.type)), mask])
