"""The compiled handlers by themselves: what memory they touch, and when they are compiled anew."""

import ast
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.native.frames import Guarded, call

from twofold.native import foreign, geometry, kernels
from twofold.native.geometry import BLOCK, CHANNELS1, CHANNELS2

ROOT = Path(__file__).parents[2]


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
    call(kernels.handler("forward", np.dtype(real)), inputs, [features, winners1, winners2, tiles, matrices, space])
    gradients = [Guarded(shape, real) for shape in shapes[1:]]
    space_back = Guarded((geometry.backward_space(sizes, n),), real)
    arguments = [inputs[0], winners1, winners2, features, tiles, matrices]
    call(kernels.handler("backward", np.dtype(real)), arguments, [*gradients, tiles, matrices, space_back])
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
    call(kernels.handler("weight_gradient", np.dtype(real)), [values, gradient], [to_weight])
    assert all(guarded.is_intact() for guarded in (values, gradient, to_weight))
    expected = np.einsum("gni,gno->gio", values.array, gradient.array)
    np.testing.assert_allclose(to_weight.array, expected, rtol=1e-4, atol=1e-5)


COMPILE = """
import sys
import numpy as np
from twofold.native import foreign, kernels
kernels._SOURCES = sys.argv[1]
print(foreign.compile_handler(*kernels.handler("forward", np.dtype("float32"))).cache_hits)
"""


def printed(program, cache, *arguments, **variables):
    """What a process prints that keeps its machine code in the folder `cache`; further variables of its environment."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_machine_code_is_kept_and_goes_by_the_source(tmp_path):
    def hits(source):
        return int(printed(COMPILE, tmp_path, source))

    assert [hits("this"), hits("this"), hits("that")] == [0, 1, 0]
    for file in tmp_path.rglob("*.nbi"):
        file.write_bytes(b"torn")
    assert [hits("this"), hits("this")] == [0, 1]


def test_the_sources_are_all_that_the_kernels_import():
    """Or stale machine code would be read from the cache."""
    sources = [f"twofold.native.{name}" for name in ("geometry", "vectors", "winograd", "kernels")]
    trees = [ast.parse(Path(sys.modules[name].__file__).read_text("utf-8")) for name in sources]
    found = {
        f"{node.module}.{alias.name}"
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("twofold.")
        for alias in node.names
    }
    read = {*sources, foreign.__name__}  # the last is always part of a digest
    assert all(name in read or name.rpartition(".")[0] in read for name in found)
    assert foreign.digest(*sources) == kernels._SOURCES


TRAIN = """
import jax
import numpy as np
from twofold.networks.paper import init_network
from twofold.training.optimizers import OPTIMIZERS
network = init_network(jax.random.key(0), weight_sharing=True)
images = jax.random.uniform(jax.random.key(1), (25, 2, 14, 14))
gradient = jax.jit(jax.grad(lambda network: network(images).logits[:, 0].sum()))
memory = OPTIMIZERS["adam"].init(network)
for _ in range(10):
    numbers = {"learning_rate": jax.numpy.float32(0.001)}
    network, memory = OPTIMIZERS["adam"].update(network, gradient(network), memory, numbers)
print(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(network)).hex())
"""


@pytest.mark.slow
def test_results_are_the_same_whether_compiled_or_read_from_the_cache(tmp_path):
    assert printed(TRAIN, tmp_path) == printed(TRAIN, tmp_path)


NARROW = """
import jax
import llvmlite.binding
llvmlite.binding.get_host_cpu_features = dict
from tests.networks.test_blocks import assert_as_plain, random_arguments
from twofold.native import operations as native
from twofold.native import vectors
assert (vectors.WIDTH, vectors.LANES) == (16, 8)
for shape in ((1, 6, 14, 14), (2, 3, 13, 17)):
    assert_as_plain(native.features, random_arguments(*shape), 1e-4)
x, w = (jax.random.normal(jax.random.key(0), shape) for shape in ((2, 7, 20), (2, 20, 128)))
ours, plain = (jax.grad(lambda w: jax.numpy.sin(f(x, w)).sum())(w) for f in (native.product, jax.numpy.matmul))
assert abs(ours - plain).max() < 1e-4
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="AVX2 is x86-64's")
def test_a_processor_with_narrow_registers(tmp_path):
    """As on a processor with AVX2 and no AVX-512: fewer columns and channels at once."""
    features = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma", "PYTHONPATH": str(ROOT)}
    assert printed(NARROW, tmp_path, **features) == ""
