"""What is set elsewhere for JAX, XLA and Numba changes no number: it is set aside, or refused by its name."""

import json
import os
import shutil
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest
from tests.cli.program import run

from twofold import Study
from twofold.cache import cache_folder
from twofold.errors import SettingError
from twofold.results import Store
from twofold.training.environment import check_flags, clean_environment, pinned

SMALL = {"networks": "NetWSAL", "rounds": 1, "epochs": 2, "pairs": 100, "test_pairs": 100, "validation_pairs": 50}
NUMBERS = ["key", "train_error", "validation_error", "test_error", "digit_error", "diverged", "train_loss", "engine"]

# As people have them: left on in a shell, set by a module of a cluster, wrong.
VARIABLES = [
    {"JAX_THREEFRY_PARTITIONABLE": "0"},
    {"JAX_THREEFRY_PARTITIONABLE": "1"},
    {"JAX_DEFAULT_PRNG_IMPL": "rbg"},
    {"JAX_ENABLE_CUSTOM_PRNG": "1"},
    {"JAX_ENABLE_X64": "1"},
    {"JAX_ENABLE_X64": "perhaps"},
    {"JAX_DEFAULT_DTYPE_BITS": "32"},
    {"JAX_DEFAULT_MATMUL_PRECISION": "bfloat16"},
    {"JAX_DEFAULT_MATMUL_PRECISION": "nonsense"},
    {"JAX_DEBUG_NANS": "1"},
    {"JAX_DEBUG_INFS": "1"},
    {"JAX_DISABLE_JIT": "1"},
    {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    {"JAX_OPTIMIZATION_LEVEL": "O0"},
    {"JAX_TRANSFER_GUARD": "disallow"},
    {"JAX_NUMPY_DTYPE_PROMOTION": "strict"},
    {"JAX_NUMPY_RANK_PROMOTION": "raise"},
    {"JAX_CHECK_TRACER_LEAKS": "1"},
    {"JAX_ENABLE_CHECKS": "1"},
    {"JAX_DEBUG_KEY_REUSE": "1"},
    {"JAX_RANDOM_SEED_OFFSET": "7"},
    {"JAX_SOFTMAX_CUSTOM_JVP": "0"},
    {"JAX_NUM_CPU_DEVICES": "5"},
    {"JAX_COMPILATION_CACHE_DIR": "/nowhere/at/all"},
    {"JAX_CPU_ENABLE_ASYNC_DISPATCH": "0"},
    {"NUMBA_DISABLE_JIT": "1"},
    {"NUMBA_CPU_NAME": "generic"},
    {"NUMBA_CPU_FEATURES": "-avx2,-fma,-avx512f"},
    {"NUMBA_OPT": "0"},
    {"NUMBA_ENABLE_AVX": "0"},
    {"NUMBA_CACHE_DIR": "/nowhere/at/all"},
    {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"},
    {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true"},
]
REFUSED = [
    {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"},
    {"XLA_FLAGS": "--xla_dump_to=/tmp/x --xla_gpu_enable_triton_gemm=false"},
    {"XLA_FLAGS": "--xla_force_host_platform_device_count=many"},
    {"XLA_FLAGS": "nonsense"},
    {"NVIDIA_TF32_OVERRIDE": "0"},
]


def rows(folder, variables):
    """The rows of a small study, as the program writes them with these variables."""
    options = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    store = ["--store", "own.db", "--workers", "1", "--quiet"]
    process = run("study", *options, *store, cwd=folder, **variables)
    assert process.returncode == 0, process.stderr
    return numbers(Store(folder / "own.db", create=False).read(histories=True))


def numbers(table):
    """What has to be the same, to the last bit."""
    return table[NUMBERS].to_json(double_precision=15)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The rows where nothing is set."""
    return rows(tmp_path_factory.mktemp("plain"), {})


def nothing_kept(folder):
    """Neither machine code nor compiled programs are there before, so that what acts on compiling is seen too."""
    return {"XDG_CACHE_HOME": str(folder)}


def no_program_kept(folder):
    """The machine code is there before, which is compiled apart from what is set for JAX and XLA."""
    shutil.copytree(cache_folder() / "native", folder / "twofold" / "native")
    return nothing_kept(folder)


def together(variables):
    """Sets of variables that can be given at once: all of the first value of each, all of the second, and so on."""
    sets = []
    for each in variables:
        (name,) = each
        free = next((chosen for chosen in sets if name not in chosen), None)
        sets.append(dict(each)) if free is None else free.update(each)
    return sets


@pytest.mark.parametrize("variables", together(VARIABLES), ids=["first values", "second values"])
def test_no_number_changes_under_all_of_them_at_once(variables, plain, tmp_path):
    on_numba = any(name.startswith("NUMBA_") for name in variables)
    kept = nothing_kept if on_numba else no_program_kept
    assert rows(tmp_path, {**kept(tmp_path), **variables}) == plain


@pytest.mark.slow
@pytest.mark.parametrize("variables", VARIABLES, ids=str)
def test_no_number_changes_under_a_variable(variables, plain, tmp_path):
    assert rows(tmp_path, {**nothing_kept(tmp_path), **variables}) == plain


@pytest.mark.parametrize("variables", REFUSED, ids=str)
def test_what_cannot_be_set_aside_is_refused(variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=rf"^{next(iter(variables))} \(=[^\n]*$"):
        check_flags()


def test_a_variable_that_is_refused_is_so_before_training(tmp_path):
    process = run("study", "--rounds", "1", "--epochs", "1", cwd=tmp_path, timeout=120, **REFUSED[0])
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.count("\n") == 1
    assert "XLA_FLAGS (=--xla_cpu_enable_fast_math=true) can change numbers" in process.stderr


def test_the_program_keeps_the_variables_that_say_where_it_runs(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("JAX_WHAT_MAY_COME", "1")
    clean_environment()
    assert os.environ["JAX_PLATFORMS"] == "cpu"
    assert "JAX_WHAT_MAY_COME" not in os.environ


IN_PROCESS = {
    "contexts": """
with (jax.debug_nans(True), jax.debug_infs(True), jax.enable_x64(True), jax.threefry_partitionable(False),
      jax.default_prng_impl("rbg"), jax.default_matmul_precision("bfloat16"), jax.numpy_dtype_promotion("strict"),
      jax.numpy_rank_promotion("raise"), jax.transfer_guard("disallow"), jax.disable_jit(True)):
    result = run()
""",
    "options": """
for name, value in {"jax_debug_nans": True, "jax_enable_x64": True, "jax_threefry_partitionable": False,
                    "jax_default_prng_impl": "rbg", "jax_default_matmul_precision": "bfloat16",
                    "jax_numpy_dtype_promotion": "strict", "jax_numpy_rank_promotion": "raise",
                    "jax_transfer_guard": "disallow", "jax_disable_jit": True,
                    "jax_disable_most_optimizations": True}.items():
    jax.config.update(name, value)
before = dict(jax.config.values)
result = run()
assert dict(jax.config.values) == before
""",
}


@pytest.mark.parametrize("way", IN_PROCESS)
def test_what_a_notebook_has_set_changes_no_number_and_stays_set(way, plain, tmp_path):
    code = f"""
import jax
from twofold import Study
def run():
    table = Study(**{SMALL!r}).run(store="sqlite://", progress=False, workers=1).histories
    return table[{NUMBERS!r}].to_json(double_precision=15)
jax.device_count()
{IN_PROCESS[way]}
print(result)
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **no_program_kept(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == plain


def test_pinned_is_undone_also_after_an_error():
    jax.config.update("jax_debug_infs", False)
    with jax.debug_nans(True):
        with pytest.raises(ZeroDivisionError), pinned("cpu"):
            1 / jax.config.jax_debug_nans
        assert jax.config.jax_debug_nans
    assert not jax.config.jax_debug_nans


def test_a_diverging_training_goes_on_where_nan_is_looked_for(tmp_path):
    with jax.debug_nans(True):
        study = Study(**SMALL, optimizer="sgd", learning_rate=1000.0)
        table = study.run(store=tmp_path / "own.db", progress=False, workers=1).table
    assert table.diverged.all()


@pytest.mark.parametrize(("precision", "expected"), [("float32", "[HIGHEST, HIGHEST]"), ("tf32", "[HIGH, HIGH]")])
def test_the_precision_of_products_on_a_gpu(precision, expected):
    with pinned("gpu", precision):
        text = jax.jit(lambda a, b: a @ b).trace(*[np.ones((4, 4), np.float32)] * 2).lower().as_text()
    assert expected in text


def test_on_a_processor_products_have_one_precision(tmp_path):
    with pinned("cpu"):
        assert "HIGHEST" not in jax.jit(lambda a: a @ a).lower(np.ones((4, 4), np.float32)).as_text()
    with pytest.raises(SettingError, match=r"`precision` \(=tf32\) needs a GPU"):
        Study(**SMALL, precision="tf32").run(store=tmp_path / "own.db", progress=False)


def test_threads_of_the_compiler_are_pinned_too(tmp_path):
    """What `with` sets is so for one thread; threads are started while something else is set for all."""
    seen = []

    def look():
        with pinned("cpu"):
            seen.append((jax.config.jax_enable_x64, jax.config.jax_numpy_dtype_promotion))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert json.dumps([[bool(x), str(getattr(p, "value", p))] for x, p in seen]) == '[[false, "standard"]]'
