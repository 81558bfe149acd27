"""Operations of our own in XLA's programs: Python that Numba compiles, called by XLA's foreign function interface.

A handler is a function of the address of a call frame, which says where arguments and results lie. Functions here work
on such frames and on pointers, to which Numba has compiled all that a handler calls.
"""

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import numba
import numpy as np
from jaxtyping import Array
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

# Where things stand in the interface's structures, in bytes (xla/ffi/api/c_api.h, version 0.1 and after).
_FRAME_EXTENSION, _FRAME_ARGUMENTS, _FRAME_RESULT_COUNT, _FRAME_RESULTS = 8, 72, 96, 112
_BUFFER_DATA, _BUFFER_RANK, _BUFFER_DIMENSIONS = 24, 32, 40
_EXTENSION_KIND, _EXTENSION_METADATA, _METADATA_VERSION = 8, 24, 24

# The extension of a call frame that asks for the handler's version; and the answer: major 0, and in the upper half of
# the word minor 1.
_METADATA_EXTENSION, _VERSION = 1, 1 << 32

# Sums may be taken in another order, but what is not finite is not taken for impossible. All functions become part of
# their handler: left to itself, a process that compiles would call those that it has compiled by themselves, one that
# reads the handler from the cache those within it, which is not the same to the last bit.
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

# The handlers that XLA knows, by their names there: it must not be told twice, nor may one be thrown away.
_HANDLERS: dict[str, Any] = {}
_LOCK = Lock()


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
    return _pointer(_word(_buffer(frame, _FRAME_ARGUMENTS, index) + np.uintp(_BUFFER_DATA)), like)


@inlined
def result(frame, index, like):
    """The pointer to the numbers of a result, of the type of `like`."""
    return _pointer(_word(_buffer(frame, _FRAME_RESULTS, index) + np.uintp(_BUFFER_DATA)), like)


@inlined
def dimension(frame, index, axis):
    """The length of an axis of an argument."""
    buffer = _buffer(frame, _FRAME_ARGUMENTS, index)
    return np.int64(_word(_word(buffer + np.uintp(_BUFFER_DIMENSIONS)) + np.uintp(8 * axis)))


@inlined
def length(frame, index):
    """How many numbers an argument has."""
    numbers = np.int64(1)
    for axis in range(np.int64(_word(_buffer(frame, _FRAME_ARGUMENTS, index) + np.uintp(_BUFFER_RANK)))):
        numbers *= dimension(frame, index, axis)
    return numbers


@inlined
def results(frame):
    """How many results there are."""
    return np.int64(_word(frame + np.uintp(_FRAME_RESULT_COUNT)))


@inlined
def begins(frame):
    """What a handler asks first: whether it has work to do.

    It has none where XLA only asks, at registration, which version of the interface it follows: that is answered here.
    """
    _align_stack()
    extension = _word(frame + np.uintp(_FRAME_EXTENSION))
    if extension == 0 or np.int32(_word(extension + np.uintp(_EXTENSION_KIND))) != _METADATA_EXTENSION:
        return True
    _put_word(_word(extension + np.uintp(_EXTENSION_METADATA)) + np.uintp(_METADATA_VERSION), np.uintp(_VERSION))
    return False


def can_run(*arrays: Array) -> bool:
    """Whether JAX runs on a processor, and all arrays are of one precision that handlers know."""
    types = {array.dtype.name for array in arrays}
    return jax.default_backend() == "cpu" and types in ({"float32"}, {"float64"})


def digest(*modules: str) -> str:
    """What tells apart the versions of the modules that a handler is compiled from, and of this one."""
    files = [str(sys.modules[module].__file__) for module in (__name__, *modules)]
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()[:16]


def compile_handler(function: Callable, name: str) -> Any:
    """The handler that `function` describes, compiled or read from Numba's cache.

    What Numba keeps goes by the name, in which the sources of all that the function calls have a part: see `digest`.
    What cannot be read is thrown away; where nothing can be kept, the function is compiled anew.
    """
    signature = numba.types.uintp(numba.types.uintp)
    function.__qualname__ = name
    with suppress(Exception):  # whatever is wrong with a folder or a file
        return numba.cfunc(signature, cache=True)(function)
    with suppress(Exception):
        FunctionCache(function).flush()
        return numba.cfunc(signature, cache=True)(function)
    return numba.cfunc(signature)(function)  # what is wrong with the function is raised


def register(function: Callable, name: str) -> str:
    """The name under which XLA knows the handler that `function` describes; it is compiled when first wanted."""
    with _LOCK:
        if name not in _HANDLERS:
            handler = compile_handler(function, name)
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler.address), platform="cpu")
            _HANDLERS[name] = handler
    return name
