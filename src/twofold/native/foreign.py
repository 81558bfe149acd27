"""Operations of our own in XLA's programs: Python that Numba compiles, called by XLA's foreign function interface.

A handler is a function of the address of a call frame, which says where arguments and results lie. Functions here work
on such frames and on pointers, to which Numba has compiled all that a handler calls.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
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

# For functions that only call others: LLVM works through each level of functions anew, which takes its time.
inlined = numba.njit(fastmath=OPTIONS["fastmath"], error_model="numpy", inline="always")


@intrinsic
def offset(typing: Any, pointer: Any, index: Any) -> Any:
    """The pointer to the number at an index."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, index), generate


@intrinsic
def _word(typing: Any, address: Any) -> Any:
    """The word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(signature.return_type)
        return builder.load(builder.inttoptr(arguments[0], word.as_pointer()))

    return numba.types.uintp(numba.types.uintp), generate


@intrinsic
def _put_word(typing: Any, address: Any, value: Any) -> Any:
    """Writes a word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], arguments[1].type.as_pointer()))
        return context.get_dummy_value()

    return numba.types.void(numba.types.uintp, numba.types.uintp), generate


@intrinsic
def _pointer(typing: Any, address: Any, like: Any) -> Any:
    """The pointer to numbers of the type of `like` at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return numba.types.CPointer(like)(numba.types.uintp, like), generate


@intrinsic
def _align_stack(typing: Any) -> Any:
    """Makes the function that calls it align its stack to vectors, as those that leave the registers go there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("nounwind")  # or llvmlite, finding the set empty, would leave out the next
        builder.function.attributes.alignstack = 64
        return context.get_dummy_value()

    return numba.types.void(), generate


@inlined
def _buffer(frame, where, index):
    return _word(_word(frame + np.uintp(where)) + np.uintp(8 * index))


@inlined
def argument(frame, index, like):
    """The pointer to the numbers of an argument, of the type of `like`."""
    return _pointer(_word(_buffer(frame, ARGUMENTS, index) + np.uintp(BUFFER_DATA)), like)


@inlined
def result(frame, index, like):
    """The pointer to the numbers of a result, of the type of `like`."""
    return _pointer(_word(_buffer(frame, RESULTS, index) + np.uintp(BUFFER_DATA)), like)


@inlined
def dimension(frame, index, axis):
    """The length of an axis of an argument."""
    buffer = _buffer(frame, ARGUMENTS, index)
    return np.int64(_word(_word(buffer + np.uintp(BUFFER_DIMENSIONS)) + np.uintp(8 * axis)))


@inlined
def length(frame, index):
    """How many numbers an argument has."""
    numbers = np.int64(1)
    for axis in range(np.int64(_word(_buffer(frame, ARGUMENTS, index) + np.uintp(BUFFER_RANK)))):
        numbers *= dimension(frame, index, axis)
    return numbers


@inlined
def results(frame):
    """How many results there are."""
    return np.int64(_word(frame + np.uintp(RESULT_COUNT)))


@inlined
def begins(frame):
    """What a handler asks first: whether it has work to do.

    It has none where XLA only asks, at registration, which version of the interface it follows: that is answered here.
    """
    _align_stack()
    extension = _word(frame + np.uintp(EXTENSION))
    if extension == 0 or np.int32(_word(extension + np.uintp(EXTENSION_KIND))) != METADATA_EXTENSION:
        return True
    _put_word(_word(extension + np.uintp(EXTENSION_METADATA)) + np.uintp(METADATA_VERSION), np.uintp(_VERSION))
    return False


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
