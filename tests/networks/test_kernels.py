"""The compiled handlers by themselves: what memory they touch, and when they are compiled anew."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from twofold.networks import foreign, kernels
from twofold.networks.kernels import BLOCK, CHANNELS1, CHANNELS2

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
    """Call a handler as XLA does, with a call frame (xla/ffi/api/c_api.h)."""
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
    handler = foreign.compile_handler(*kernels.handler(name, np.dtype(real)))
    assert ctypes.CFUNCTYPE(WORD, WORD)(handler.address)(ctypes.addressof(frame)) == 0


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("size", [(10, 10), (11, 10), (13, 17), (14, 14), (15, 14), (16, 23), (18, 18), (31, 28)])
@pytest.mark.parametrize(("g", "n"), [(1, 1), (2, BLOCK), (2, BLOCK + 2)])
def test_kernels_keep_to_their_arrays_and_read_only_what_was_written(real, size, g, n):
    """What lies around an array stays as it was; what nobody wrote is NaN, and would show in the results."""
    random, sizes = np.random.default_rng(0), kernels.geometry(*size)
    windows = sizes.window_rows * sizes.window_columns
    shapes = [(g, n, *size), (g, 3, 3, 1, CHANNELS1), (g, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2), (g, CHANNELS2)]
    inputs = [Guarded(shape, real, random.normal(size=shape)) for shape in shapes]
    tiles = Guarded((g, kernels.tiles(sizes, n), 36, CHANNELS1), real)
    matrices = Guarded((kernels.matrices(g),), real)
    winners1 = Guarded((g, n, sizes.rows, sizes.columns, CHANNELS1), np.int8)
    winners2 = Guarded((g, n, windows, CHANNELS2), np.int8)
    features, space = Guarded((g, n, windows * CHANNELS2), real), Guarded((kernels.forward_space(sizes),), real)
    call("forward", real, inputs, [features, winners1, winners2, tiles, matrices, space])
    gradients = [Guarded(shape, real) for shape in shapes[1:]]
    space_back = Guarded((kernels.backward_space(sizes, n),), real)
    arguments = [inputs[0], winners1, winners2, features, tiles, matrices]
    call("backward", real, arguments, [*gradients, tiles, matrices, space_back])
    everything = [*inputs, tiles, matrices, winners1, winners2, features, space, *gradients, space_back]
    assert all(guarded.is_intact() for guarded in everything)
    assert all(np.isfinite(guarded.array).all() for guarded in (features, *gradients))
    assert all(((guarded.array >= 0) & (guarded.array <= 4)).all() for guarded in (winners1, winners2))


COMPILE = """
import sys
import numpy as np
from twofold.networks import foreign, kernels
kernels._SOURCES = sys.argv[1]
print(foreign.compile_handler(*kernels.handler("forward", np.dtype("float32"))).cache_hits)
"""


def printed(program, cache, *arguments):
    """What a process prints that keeps its machine code in the folder `cache`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_machine_code_is_kept_and_goes_by_the_source(tmp_path):
    def hits(source):
        return int(printed(COMPILE, tmp_path, source))

    assert [hits("this"), hits("this"), hits("that")] == [0, 1, 0]
    for file in tmp_path.rglob("*.nbi"):
        file.write_bytes(b"torn")
    assert hits("this") == 0


TRAIN = """
import jax
import numpy as np
from twofold.networks import init_network
network = init_network(jax.random.key(0), weight_sharing=True)
images = jax.random.uniform(jax.random.key(1), (25, 2, 14, 14))
gradient = jax.jit(jax.grad(lambda network: network(images).logits[:, 0].sum()))
for _ in range(10):
    network = jax.tree.map(lambda p, g: p - 0.001 * g, network, gradient(network))
print(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(network)).hex())
"""


def test_results_are_the_same_whether_compiled_or_read_from_the_cache(tmp_path):
    assert printed(TRAIN, tmp_path) == printed(TRAIN, tmp_path)
