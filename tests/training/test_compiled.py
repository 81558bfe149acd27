"""Compiled programs that are kept between runs: loaded where they are whole, else compiled anew and replaced."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import twofold.cache
from twofold.training.compiled import compile_or_load

FOUR = jax.ShapeDtypeStruct((4,), np.float32)
NUMBERS = np.arange(4, dtype=np.float32)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "programs"


@pytest.fixture
def compilations(monkeypatch):
    """What was compiled, and not loaded."""
    compiled = []
    compile_ = jax.stages.Lowered.compile

    def counting(self, options):
        compiled.append(options)
        return compile_(self, options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", counting)
    return compiled


def lowered(factor=2.0):
    return jax.jit(lambda x: {"y": jnp.sin(x) * factor}).lower(FOUR)


def run(lowered, **options):
    return np.asarray(compile_or_load(lowered, jax.devices()[:1], **options)(NUMBERS)["y"])


def test_a_program_is_compiled_once(cache, compilations):
    first = run(lowered())
    np.testing.assert_array_equal(run(lowered()), first)
    assert len(compilations) == 1
    assert len(list(cache.iterdir())) == 1


def test_another_program_other_options_or_flags_are_others(cache, compilations, monkeypatch):
    run(lowered())
    run(lowered(3.0))
    run(lowered(), options={"xla_backend_optimization_level": "1"})
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    run(lowered())
    assert len(compilations) == 4


def test_a_program_that_does_not_use_an_argument_is_one_for_its_shape(cache, compilations):
    for size in (4, 5):
        unused = jax.ShapeDtypeStruct((size,), np.float32)
        program = compile_or_load(jax.jit(lambda x, y: x + 1).lower(FOUR, unused), jax.devices()[:1])
        np.testing.assert_array_equal(program(NUMBERS, np.ones(size, np.float32)), NUMBERS + 1)
    assert len(compilations) == 2


@pytest.mark.parametrize(
    "damage", [lambda c: b"", lambda c: c[:-1], lambda c: c[:50] + b"\0" + c[51:], lambda c: c[32:]]
)
def test_a_damaged_program_is_replaced(damage, cache, compilations):
    first = run(lowered())
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(run(lowered()), first)
    assert len(compilations) == 2
    np.testing.assert_array_equal(run(lowered()), first)
    assert len(compilations) == 2


def test_a_whole_file_that_is_no_program_is_replaced(cache, compilations):
    first = run(lowered())
    (file,) = cache.iterdir()
    twofold.cache.keep(f"programs/{file.name}", b"no program", 9)
    np.testing.assert_array_equal(run(lowered()), first)
    np.testing.assert_array_equal(run(lowered()), first)
    assert len(compilations) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch, compilations):
    (tmp_path / "file").touch()
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "file" / "cache")
    np.testing.assert_array_equal(run(lowered()), run(lowered()))
    assert len(compilations) == 2


def test_where_jax_keeps_programs_itself_no_half_of_one_is_kept(cache, tmp_path):
    """What JAX read from its own cache and writes once more lacks machine code, and would fail when it runs."""
    code = f"""
import jax, twofold.cache
twofold.cache.cache_folder = lambda: __import__("pathlib").Path({str(tmp_path / "cache")!r})
jax.config.update("jax_compilation_cache_dir", {str(tmp_path / "jax")!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from tests.training.test_compiled import lowered, run
print(run(lowered()), run(lowered()), run(lowered()))
"""
    options = {"cwd": Path(__file__).parents[2], "capture_output": True, "text": True, "check": False, "timeout": 120}
    process = subprocess.run([sys.executable, "-c", code], **options)
    assert process.returncode == 0, process.stderr
    assert any((tmp_path / "jax").iterdir())
    assert not cache.exists()


def test_the_latest_programs_are_kept(cache, monkeypatch):
    monkeypatch.setattr("twofold.training.compiled._MOST_KEPT", 2)
    for factor in range(4):
        run(lowered(float(factor)))
    assert len(list(cache.iterdir())) == 2
