"""Operations of our own in XLA's programs: Python that Numba compiles, called by XLA's foreign function interface.

A handler is a function of the address of a call frame, which says where arguments and results lie. Functions here work
on such frames and on pointers, to which Numba has compiled all that a handler calls.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from twofold.native.layout import (
    ARGUMENTS,
    BUFFER_DATA,
    BUFFER_DIMENSIONS,
    BUFFER_RANK,
    EXTENSION,
    EXTENSION_KIND,
    EXTENSION_METADATA,
    METADATA_EXTENSION,
    METADATA_VERSION,
    RESULT_COUNT,
    RESULTS,
    version_of_header,
)

# What a handler answers when XLA asks for which version it is: that of the header beside this jaxlib, in which the
# places above were looked for (see `layout`). Major in the lower half of the word, minor in the upper.
_MAJOR, _MINOR = version_of_header()
_VERSION = _MINOR << 32 | _MAJOR

# Sums may be taken in another order, but what is not finite is not taken for impossible. All functions become part of
# their handler, so that an object file has all that it calls.
OPTIONS = {
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
}
compiled = numba.njit(**OPTIONS)

# For functions that are called from several places, and work for long each time.
called = numba.njit(**{**OPTIONS, "forceinline": False})

# For functions that only call others: LLVM works through each level of functions anew, which takes its time.
inlined = numba.njit(fastmath=OPTIONS["fastmath"], error_model="numpy", inline="always")


@intrinsic
def offset(typing: Any, pointer: Any, index: Any) -> Any:
    """The pointer to the number at an index."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, index), generate


def _follow(builder: Any, address: Any, *places: Any) -> Any:
    """The last of some words, of which each stands so many bytes after where the one before points to."""
    for place in places:
        place = place if isinstance(place, ir.Value) else address.type(place)
        address = builder.load(builder.inttoptr(builder.add(address, place), address.type.as_pointer()))
    return address


def _buffer(builder: Any, frame: Any, where: int, index: Any) -> Any:
    """The address of an argument or a result."""
    return _follow(builder, frame, where, builder.mul(index, index.type(8)))


def _pointer_to(where: int) -> Callable:
    """What is generated for the pointer to the numbers of an argument, or of a result."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        frame, index, _ = arguments
        data = _follow(builder, _buffer(builder, frame, where, index), BUFFER_DATA)
        return builder.inttoptr(data, context.get_value_type(signature.return_type))

    return generate


@intrinsic
def argument(typing: Any, frame: Any, index: Any, like: Any) -> Any:
    """The pointer to the numbers of an argument, of the type of `like`."""
    return numba.types.CPointer(like)(frame, numba.types.intp, like), _pointer_to(ARGUMENTS)


@intrinsic
def result(typing: Any, frame: Any, index: Any, like: Any) -> Any:
    """The pointer to the numbers of a result, of the type of `like`."""
    return numba.types.CPointer(like)(frame, numba.types.intp, like), _pointer_to(RESULTS)


@intrinsic
def dimension(typing: Any, frame: Any, index: Any, axis: Any) -> Any:
    """The length of an axis of an argument."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        frame, index, axis = arguments
        buffer = _buffer(builder, frame, ARGUMENTS, index)
        return _follow(builder, buffer, BUFFER_DIMENSIONS, builder.mul(axis, axis.type(8)))

    size = numba.types.intp
    return size(frame, size, size), generate


def _length_of(where: int) -> Callable:
    """What is generated for how many numbers an argument has, or a result."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        buffer = _buffer(builder, arguments[0], where, arguments[1])
        dimensions, rank = (_follow(builder, buffer, where) for where in (BUFFER_DIMENSIONS, BUFFER_RANK))
        numbers = cgutils.alloca_once_value(builder, rank.type(1))
        with cgutils.for_range(builder, rank) as loop:
            size = _follow(builder, dimensions, builder.mul(loop.index, rank.type(8)))
            builder.store(builder.mul(builder.load(numbers), size), numbers)
        return builder.load(numbers)

    return generate


@intrinsic
def length(typing: Any, frame: Any, index: Any) -> Any:
    """How many numbers an argument has."""
    return numba.types.intp(frame, numba.types.intp), _length_of(ARGUMENTS)


@intrinsic
def result_length(typing: Any, frame: Any, index: Any) -> Any:
    """How many numbers a result has."""
    return numba.types.intp(frame, numba.types.intp), _length_of(RESULTS)


@intrinsic
def results(typing: Any, frame: Any) -> Any:
    """How many results there are."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _follow(builder, arguments[0], RESULT_COUNT)

    return numba.types.intp(frame), generate


@intrinsic
def begins(typing: Any, frame: Any) -> Any:
    """What a handler asks first: whether it has work to do.

    It has none where XLA only asks, at registration, which version of the interface it follows: that is answered here.
    The handler's stack is aligned to vectors, as those that leave the registers go there.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("nounwind")  # or llvmlite, finding the set empty, would leave out the next
        builder.function.attributes.alignstack = 64
        extension = _follow(builder, arguments[0], EXTENSION)
        asked = cgutils.alloca_once_value(builder, cgutils.false_bit)
        with builder.if_then(builder.icmp_unsigned("!=", extension, extension.type(0))):
            kind = builder.trunc(_follow(builder, extension, EXTENSION_KIND), ir.IntType(32))
            builder.store(builder.icmp_unsigned("==", kind, kind.type(METADATA_EXTENSION)), asked)
        with builder.if_then(builder.load(asked)):
            metadata = _follow(builder, extension, EXTENSION_METADATA)
            place = builder.add(metadata, metadata.type(METADATA_VERSION))
            builder.store(place.type(_VERSION), builder.inttoptr(place, place.type.as_pointer()))
        return builder.not_(builder.load(asked))

    return numba.types.boolean(frame), generate


def machine_code(handler: Callable, name: str) -> tuple[str, bytes]:
    """Machine code for this processor of a handler in Python: the symbol that it goes by, and an object file.

    The function takes where to put its result, where to put an error of Python's, and the address of the call frame.
    Nothing here raises an error. Numba's own wrapper for callers in C would bring in what reports one.
    """
    handler.__qualname__ = name
    signature = numba.types.uintp(numba.types.uintp)
    dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(handler)
    dispatcher.compile(signature)
    compiled_handler = dispatcher.overloads[signature.args]
    return compiled_handler.fndesc.llvm_func_name, compiled_handler.library._get_compiled_object()
