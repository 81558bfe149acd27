"""The compiled handlers by themselves: what memory they touch, and on which processors."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from tests.native.frames import Guarded, call

from twofold.native import geometry, handlers
from twofold.native.geometry import BLOCK, CHANNELS1, CHANNELS2
from twofold.native.stages import PARTS


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("size", [(10, 10), (11, 10), (13, 17), (14, 14), (15, 14), (16, 23), (18, 18), (31, 28)])
@pytest.mark.parametrize(("g", "n"), [(1, 1), (2, BLOCK), (2, BLOCK + 2)])
def test_kernels_keep_to_their_arrays_and_read_only_what_was_written(real, size, g, n):
    """What lies around an array stays as it was; what nobody wrote is NaN, and would show in the results."""
    random, sizes = np.random.default_rng(0), geometry.geometry_of(*size)
    shapes = [(g, n, *size), (g, 3, 3, 1, CHANNELS1), (g, CHANNELS1), (g, 3, 3, CHANNELS1, CHANNELS2), (g, CHANNELS2)]
    inputs = [Guarded(shape, real, random.normal(size=shape)) for shape in shapes]
    tiles = Guarded((g, geometry.padded_tiles(sizes, n), geometry.TILE, CHANNELS1), real)
    matrices = Guarded((geometry.matrices_space(g),), real)
    winners1 = Guarded((g, n, sizes.rows, sizes.columns, CHANNELS1), np.int8)
    winners2 = Guarded((g, n, sizes.features), np.int8)
    features, space = Guarded((g, n, sizes.features), real), Guarded((geometry.forward_space(sizes),), real)
    call("forward", real, inputs, [features, winners1, winners2, tiles, matrices, space])
    gradients = [Guarded(shape, real) for shape in shapes[1:]]
    space_back = Guarded((geometry.backward_space(sizes, n),), real)
    arguments = [inputs[0], winners1, winners2, features, tiles, matrices]
    call("backward", real, arguments, [*gradients, tiles, matrices, space_back])
    everything = [*inputs, tiles, matrices, winners1, winners2, features, space, *gradients, space_back]
    assert all(guarded.is_intact() for guarded in everything)
    assert all(np.isfinite(guarded.array).all() for guarded in (features, *gradients))
    assert all(((guarded.array >= 0) & (guarded.array <= 4)).all() for guarded in (winners1, winners2))


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(("g", "n", "inputs", "outputs"), [(1, 1, 4, 64), (2, 7, 20, 128)])
def test_the_gradient_of_weights_keeps_to_its_arrays(real, g, n, inputs, outputs):
    random = np.random.default_rng(0)
    values, gradient = (Guarded((g, n, size), real, random.normal(size=(g, n, size))) for size in (inputs, outputs))
    to_weight = Guarded((g, inputs, outputs), real)
    call("weight_gradient", real, [values, gradient], [to_weight])
    assert all(guarded.is_intact() for guarded in (values, gradient, to_weight))
    expected = np.einsum("gni,gno->gio", values.array, gradient.array)
    np.testing.assert_allclose(to_weight.array, expected, rtol=1e-4, atol=1e-5)


NARROW = """
import os
import sys
import llvmlite.binding
llvmlite.binding.get_host_cpu_features = dict
from twofold.native import vectors
assert (vectors.WIDTH, vectors.LANES) == (16, 8)
from twofold.native.compiling import compile_part
from twofold.native.packing import pack
sys.stdout.buffer.write(pack(compile_part("float32", sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="AVX2 is x86-64's")
def test_a_processor_with_narrow_registers(part):
    """As on a processor with AVX2 and no AVX-512: fewer columns and channels at once; compared as anywhere."""
    narrow = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    compiled = subprocess.run([sys.executable, "-c", NARROW, part], env=narrow, check=True, capture_output=True).stdout
    compare = [sys.executable, "-m", handlers.COMPARE, "float32", part]
    done = subprocess.run(compare, input=compiled, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
