"""When our operations are used: what fails, crashes, hangs, differs or was damaged is not, and nothing else happens."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import twofold.cache
from twofold.cache import keep, read_kept
from twofold.errors import SettingError
from twofold.native import handlers, layout, packing, stages

# What a fault does: a line of Python that is run before a module of the probe is; and what is said of it.
FAULTS = {
    "raises": (
        "twofold.native.compiling",
        "from twofold.native import foreign; foreign.machine_code = lambda *_: 1 / 0",
        "at 'compile forward': ZeroDivisionError: division by zero",
    ),
    "another interface": (
        "twofold.native.compiling",
        "from twofold.native import layout; layout._header = lambda: ''",
        "at 'look at XLA's interface': twofold.native.layout.LayoutError: there is no XLA_FFI_CallFrame",
    ),
    "crashes compiling": ("twofold.native.compiling", "os.kill(os.getpid(), 6)", "SIGABRT"),
    "crashes comparing": ("twofold.native.probe", "os.kill(os.getpid(), 11)", "SIGSEGV"),
    "writes nothing": ("twofold.native.compiling", "os._exit(0)", "cannot be read"),
    "differs": (
        "twofold.native.probe",
        "from twofold.native import operations as o; f = o.native_product; "
        "o.native_product = lambda x, w: 1.01 * f(x, w)",
        "at 'compare product': its numbers are others",
    ),
    "hides what is not finite": (
        "twofold.native.probe",
        "from twofold.native import operations as o; f = o.native_product; "
        "o.native_product = lambda x, w: __import__('jax').numpy.nan_to_num(f(x, w))",
        "at 'compare product': what is not a number does not show",
    ),
    "hangs": (
        "twofold.native.probe",
        "import time; from twofold.native import operations as o, stages; stages.STAGE_SECONDS = 2; "
        "o.native_features = lambda *a: time.sleep(60)",
        "at 'compare features': it took too long",
    ),
}

# The same of faults that another time may be gone.
PASSING = {
    "another Python": ("twofold.native.compiling", "raise ImportError('no numba here')", "no numba here"),
    "lacks packages": ("twofold.native.compiling", "sys.modules['numba'] = None", "at 'import Numba': ModuleNotFound"),
    "exits": ("twofold.native.probe", "os._exit(3)", "exit code 3"),
    "is killed": ("twofold.native.probe", "os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
    "is ended": ("twofold.native.compiling", "os.kill(os.getpid(), 15)", "it was ended by SIGTERM"),
    "is ended by a signal without a name": ("twofold.native.compiling", "os.kill(os.getpid(), 40)", "signal 40"),
    "lacks memory": (
        "twofold.native.probe",
        "from twofold.native import operations as o; o.native_product = lambda x, w: bytearray(2**62)",
        "at 'compare product': MemoryError",
    ),
    "lacks files": (
        "twofold.native.compiling",
        "from twofold.native import foreign; foreign.machine_code = lambda *_: open('/nowhere/at/all')",
        "at 'compile forward': FileNotFoundError",
    ),
}

# The module that is named first, run as a program; before it a line, if it is the one that is to be broken.
RUN_WITH_FAULT = """
import os, runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
if module == os.environ["BROKEN_MODULE"]:
    exec(os.environ["FAULT"])
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def nothing_known(tmp_path, monkeypatch):
    """A process that knows nothing yet, with a cache folder of its own."""
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(handlers, "_TRUST", {})
    monkeypatch.setattr(handlers, "_CODE", dict(handlers._CODE))
    return tmp_path / "cache"


@pytest.fixture
def broken(monkeypatch):
    """A function that puts a fault into one of the processes, and gives the list of those that were started.

    The work is one of its parts alone: the other would be compared in vain.
    """
    monkeypatch.setattr(handlers, "PARTS", (stages.PAPERS,))
    finished = handlers._finished
    started = []

    def put(module, line):
        def with_fault(command, given, environment):
            started.append(command[3])
            if command[3] == handlers.COMPILE != module:  # the machine code that there is
                return subprocess.CompletedProcess(command, 0, code_of_this_processor(), b"")
            broken = {**environment, "BROKEN_MODULE": module, "FAULT": line}
            return finished([sys.executable, "-P", "-c", RUN_WITH_FAULT, *command[3:]], given, broken)

        monkeypatch.setattr(handlers, "_finished", with_fault)
        return started

    return put


@pytest.fixture
def two_runs(broken, monkeypatch):
    """A function that gives what is found with a fault, what the next run finds, and the processes that it starts."""

    def found_and_again(fault, *, kept):
        module, line, reason = fault
        started = broken(module, line)
        found = handlers.trust("float32")
        assert (found.engine, found.fresh, found.kept) == (handlers.PORTABLE, True, kept)
        assert reason in found.reason
        assert (handlers.verdict_file() is not None, handlers.is_known()) == (kept, kept)
        monkeypatch.setattr(handlers, "_TRUST", {})
        started.clear()
        return found, handlers.trust("float32"), started

    return found_and_again


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_work_is_not_used_and_that_is_kept(fault, nothing_known, two_runs):
    found, again, started = two_runs(FAULTS[fault], kept=True)
    assert (again.engine, again.reason, again.fresh, started) == (handlers.PORTABLE, found.reason, False, [])
    handlers.verdict_file().unlink()
    assert not handlers.is_known()


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_work_the_next_time_is_tried_again(fault, nothing_known, two_runs):
    _, again, started = two_runs(PASSING[fault], kept=False)
    assert again.fresh
    assert started


@pytest.mark.parametrize("part", stages.PARTS)
def test_one_part_that_does_not_work_is_enough(part, nothing_known, broken, monkeypatch):
    broken(handlers.COMPARE, f"os.kill(os.getpid(), 11) if sys.argv[2] == {part!r} else os._exit(0)")
    monkeypatch.setattr(handlers, "PARTS", stages.PARTS)
    assert "SIGSEGV" in handlers.trust("float32").reason
    assert handlers.trust("float32").engine == handlers.PORTABLE


def code_of_this_processor() -> bytes:
    """What is kept for the tests' own process."""
    code = {name: handlers._CODE[name, real] for name, real in handlers._CODE if real == "float32"}
    return packing.pack(code)


def test_what_works_is_used_and_compiled_once(nothing_known, monkeypatch):
    """One part of the work; all of it is compiled where no variable changes a number (test_environment.py)."""
    monkeypatch.setattr(handlers, "PARTS", (stages.PAPERS,))
    assert not handlers.is_known()
    assert handlers.trust("float32") == handlers.Trust(handlers.NATIVE, "", fresh=True, kept=True)
    assert handlers.is_known()
    monkeypatch.setattr(handlers, "_TRUST", {})
    monkeypatch.setattr(handlers, "_finished", None)  # no process is started
    assert handlers.trust("float32") == handlers.Trust(handlers.NATIVE, kept=True)


def test_turned_off_and_mistyped(nothing_known, monkeypatch):
    monkeypatch.setenv(handlers.VARIABLE, "0")
    assert handlers.is_known()
    assert handlers.trust("float32") == handlers.Trust(handlers.PORTABLE, "TWOFOLD_NATIVE=0 is set")
    monkeypatch.setattr(handlers, "_TRUST", {})
    monkeypatch.setenv(handlers.VARIABLE, "no")
    with pytest.raises(SettingError, match=r"TWOFOLD_NATIVE \(='no'\) must be 1 or 0"):
        handlers.trust("float32")


@pytest.mark.parametrize("python", ["/nowhere/python", "", None])
def test_a_python_that_cannot_be_started(python, nothing_known, monkeypatch):
    monkeypatch.setattr(sys, "executable", python)
    assert "could not be started" in handlers.trust("float32").reason
    assert not handlers.is_known()


def test_a_process_that_comes_to_no_end(nothing_known, broken, monkeypatch):
    broken(handlers.COMPILE, "import time; time.sleep(60)")
    monkeypatch.setattr(handlers, "_SECONDS", 1)
    assert handlers.trust("float32").reason == "twofold.native.compiling took over 1 s"
    assert not handlers.is_known()


def test_the_processes_find_this_package_and_no_settings_for_numba(nothing_known, broken, tmp_path, monkeypatch):
    """Whatever lies in the folder that the program is started in, or stands on the path."""
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\n")
    (tmp_path / "twofold").mkdir()
    (tmp_path / "twofold" / "__init__.py").write_text("raise ImportError('another package of this name')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    broken(handlers.COMPILE, "import numba, twofold.native; assert not numba.config.DISABLE_JIT; os._exit(3)")
    assert handlers.trust("float32").reason == "it ended with exit code 3"


def test_other_sources_versions_or_another_processor_are_compiled_anew(tmp_path, monkeypatch):
    for file in handlers._HERE.glob("*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "kernels.py").write_text((tmp_path / "kernels.py").read_text() + "# changed")
    names = [handlers._place("float32")]
    others = {"_version": lambda _: "9.9", "processor": lambda: "another processor", "_HERE": tmp_path}
    for name, value in others.items():
        with monkeypatch.context() as patch:
            patch.setattr(handlers, name, value)
            handlers._digest.cache_clear()
            names.append(handlers._place("float32"))
    handlers._digest.cache_clear()
    assert len(set(names)) == len(names)


def test_a_flipped_bit_in_what_is_kept_is_seen(nothing_known):
    content = code_of_this_processor()
    keep("native/x", content, 8)
    file = nothing_known / "native" / "x"
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    for bit in random.integers(0, 8 * len(whole), 200):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        assert read_kept("native/x") is None
    file.write_bytes(whole)
    assert read_kept("native/x") == content


@pytest.mark.parametrize("other", ["a pipe", "a link to a device", "a folder", "a link to itself"])
def test_what_is_no_file_is_not_read_and_replaced_where_it_can_be(other, nothing_known):
    file = nothing_known / "native" / "x"
    file.parent.mkdir(parents=True)
    make = {
        "a pipe": lambda: os.mkfifo(file),
        "a link to a device": lambda: file.symlink_to("/dev/zero"),
        "a folder": file.mkdir,
        "a link to itself": lambda: file.symlink_to(file),
    }
    make[other]()
    assert read_kept("native/x") is None
    keep("native/x", b"content", 8)
    assert read_kept("native/x") == (None if other == "a folder" else b"content")


@pytest.mark.parametrize("content", [b"", b"x" * 7, b"\xff" * 100, (9).to_bytes(8, "little") + b"{}       "])
def test_what_is_not_packed_code_is_refused(content):
    with pytest.raises(ValueError, match=r".*"):
        packing.unpack(content)


def test_the_layout_is_that_of_this_jaxlib():
    layout.check_layout()
    major, minor = layout.version_of_header()
    assert (major, minor) >= (0, 1)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("int64_t rank;", "int64_t new_field;\n int64_t rank;", "Buffer.rank stands at byte 40, not 32"),
        ("void* data;", "void* elsewhere;", "XLA_FFI_Buffer has no `data`"),
        ("struct XLA_FFI_Rets {", "struct XLA_FFI_Returned {", "there is no XLA_FFI_Rets"),
        ("XLA_FFI_Extension_Metadata = 1,", "XLA_FFI_Extension_Metadata = 2,", "another number"),
    ],
)
def test_another_layout_is_seen(before, after, said, monkeypatch):
    header = layout._header()
    assert before in header
    monkeypatch.setattr(layout, "_header", lambda: header.replace(before, after))
    with pytest.raises(layout.LayoutError, match=re.escape(said)):
        layout.check_layout()


def test_a_header_that_lacks_or_has_no_version(monkeypatch):
    monkeypatch.setattr(layout, "_header", lambda: "")
    with pytest.raises(layout.LayoutError, match="no version"):
        layout.version_of_header()
