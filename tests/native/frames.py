"""Handlers called without XLA, on memory that shows what they read and write."""

import ctypes

import numpy as np

from twofold.native import handlers

WORD = ctypes.c_uint64
MARGIN = 4096  # bytes


class Guarded:
    """An array within memory that is NaN, or -1, wherever nothing was written."""

    def __init__(self, shape, dtype, data=None):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = np.full(size + 2 * MARGIN + 64, 0xFF, np.uint8)
        start = MARGIN + (-memory.ctypes.data - MARGIN) % 64
        self.array = memory[start : start + size].view(dtype).reshape(shape)
        self.margins = memory[:start], memory[start + size :]
        if data is not None:
            self.array[...] = data

    def is_intact(self):
        return all((margin == 0xFF).all() for margin in self.margins)


def call(name, real, arguments, results):
    """Call a handler for a type of numbers as XLA does, with a call frame (xla/ffi/api/c_api.h)."""
    kept = []

    def buffer(guarded):
        array = guarded.array
        dimensions = (ctypes.c_int64 * array.ndim)(*array.shape)
        words = (WORD * 6)(48, 0, 0, array.ctypes.data, array.ndim, ctypes.addressof(dimensions))
        kept.extend((dimensions, words))
        return ctypes.addressof(words)

    lists = [(WORD * len(arrays))(*map(buffer, arrays)) for arrays in (arguments, results)]
    frame = (WORD * 22)()
    frame[9], frame[14] = map(ctypes.addressof, lists)
    frame[12] = len(results)
    assert ctypes.CFUNCTYPE(WORD, WORD)(handlers.address_of(name, real))(ctypes.addressof(frame)) == 0
