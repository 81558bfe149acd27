"""Our operations for this processor, as XLA knows them: machine code that was compared with the portable way before.

The first time with these versions and this processor it is compiled and compared, in parts at the same time and each
in a process of its own, and then kept in the cache folder. Here it is only loaded. Where a process fails, crashes
or hangs, or TWOFOLD_NATIVE=0 is set, everything is computed by operations that every platform has.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import llvmlite.binding as llvm
from jaxtyping import Array

from twofold import shutdown
from twofold.cache import keep, place_of, read_kept
from twofold.errors import SettingError
from twofold.native.packing import Code, pack, unpack
from twofold.native.pinning import platform
from twofold.native.processor import processor
from twofold.native.stages import LACKED, PARTS, STAGE, TIMEOUT

VARIABLE = "TWOFOLD_NATIVE"

# What a row says of how it was computed.
NATIVE, PORTABLE = "native", "portable"

# The two processes; the second gets what the first wrote.
COMPILE, COMPARE = "twofold.native.compiling", "twofold.native.probe"

_HERE = Path(__file__).parent

# Seconds for one of them, whose stages end by themselves where they hang.
_SECONDS = 900

# Variables that change what JAX, XLA or Numba does, or where Python looks for modules.
_NOT_FOR_THEM = ("JAX_", "XLA_", "NUMBA_", "PYTHON")

# What machine code that is wrong may end a process by; by other signals somebody else ends it.
_CRASHES = (signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)

_MOST_KEPT = 8

# Held by whoever finds out, for a type of numbers; and by whoever tells XLA.
_FINDING = {real: threading.RLock() for real in ("float32", "float64")}
_REGISTERING = threading.Lock()

# The processes that run now.
_RUNNING: set[subprocess.Popen] = set()

# By type of numbers; by name and type: symbol and object file; and what XLA has been told of, by its name there.
_TRUST: dict[str, "Trust"] = {}
_CODE: dict[tuple[str, str], tuple[str, bytes]] = {}
_REGISTERED: set[str] = set()


@dataclass(frozen=True)
class Trust:
    """Whether our operations are used for a type of numbers, and why not.

    `fresh` if that was found out just now; `kept` if later runs will know it.
    """

    engine: str
    reason: str = ""
    fresh: bool = False
    kept: bool = False


def can_run(*arrays: Array) -> bool:
    """Whether all arrays are of one precision that handlers know, on a processor whose operations can be trusted."""
    types = {array.dtype.name for array in arrays}
    known = len(types) == 1 and types <= _FINDING.keys() and platform() == "cpu"
    return known and trust(*types).engine == NATIVE


def engine() -> str:
    """How trainings are computed here: "native" or "portable"."""
    return trust("float32").engine if platform() == "cpu" else PORTABLE


def is_known(real: str = "float32") -> bool:
    """Whether it is known already, from an earlier time, if our operations can be trusted."""
    return _turned_off() or _kept(real) is not None


def verdict_file(real: str = "float32") -> Path | None:
    """Where it is kept whether our operations can be trusted; None where it is not kept."""
    return place_of(_place(real)) if trust(real).kept else None


def trust(real: str) -> Trust:
    """Whether our operations are used for this type of numbers; found out once, which takes some seconds.

    Raises `SettingError` for a value of TWOFOLD_NATIVE that is neither 0 nor 1.
    """
    with _FINDING[real]:
        if real not in _TRUST:
            _find_out(real)
        return _TRUST[real]


def prepare() -> None:
    """Begin to find out in the background, where it is not known yet: whoever asks later waits for the rest of it."""
    if not is_known():
        threading.Thread(target=trust, args=("float32",), daemon=True).start()


@contextmanager
def only_if_known(real: str) -> Iterator[None]:
    """Within, our operations are used for this type of numbers only if it is known already that they can be."""
    with _FINDING[real]:
        unknown = real not in _TRUST and not is_known(real)
        if unknown:
            _TRUST[real] = Trust(PORTABLE, "they are not compiled for a comparison")
    try:
        yield
    finally:
        if unknown:
            del _TRUST[real]


def _find_out(real: str) -> None:
    if _turned_off():
        _TRUST[real] = Trust(PORTABLE, f"{VARIABLE}=0 is set")
    elif (kept := _kept(real)) is not None:
        code, reason = unpack(kept)
        use(code, real, _trust(reason, kept=True))
    else:
        code, failures = _compiled_and_compared(real)
        reason = failures[0].reason if failures else ""
        if all(failure.lasting for failure in failures):
            keep(_place(real), pack(code, reason), _MOST_KEPT)
        use(code, real, _trust(reason, fresh=True, kept=_kept(real) is not None))


def _kept(real: str) -> bytes | None:
    """What an earlier run found out, as `pack` makes it."""
    return read_kept(_place(real))


def _trust(reason: str, *, fresh: bool = False, kept: bool = False) -> Trust:
    return Trust(PORTABLE if reason else NATIVE, reason, fresh, kept)


def use(code: Code, real: str, found: Trust | None = None) -> None:
    """Take this code for the handlers of a type of numbers, with what was found of it."""
    _CODE.update({(name, real): symbol_and_object for name, symbol_and_object in code.items()})
    _TRUST[real] = found or Trust(NATIVE)


def register(name: str, real: str) -> str:
    """The name by which XLA knows a handler, which is registered when it is first wanted."""
    target = f"twofold_{name}_{real}_{_digest()}"
    with _REGISTERING:
        if target not in _REGISTERED:
            jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(address_of(name, real)), platform="cpu")
            _REGISTERED.add(target)  # XLA must not be told twice
    return target


def address_of(name: str, real: str) -> int:
    """Where the machine code of a handler is, once it is loaded."""
    trust(real)
    return _loaded(*_CODE[name, real]).get_function_address(_ENTRY)


# A function as XLA calls it, around one as Numba makes it, whose error there never is.
_ENTRY = "entry"
_WRAPPER = """
declare i32 @"{symbol}"(i64*, i8**, i64)
define i64 @entry(i64 %frame) {{
  %result = alloca i64
  %error = alloca i8*
  %status = call i32 @"{symbol}"(i64* %result, i8** %error, i64 %frame)
  ret i64 0
}}
"""


@cache  # what is loaded must not be thrown away
def _loaded(symbol: str, code: bytes) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_WRAPPER.format(symbol=symbol)), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _turned_off() -> bool:
    value = os.environ.get(VARIABLE, "1")
    if value not in ("0", "1"):
        raise SettingError(f"{VARIABLE} (={value!r}) must be 1 or 0; 0 turns twofold's own operations off")
    return value == "0"


def _place(real: str) -> str:
    return f"native/{_digest()}-{real}"


@cache
def _digest() -> str:
    """What tells apart machine code for other processors, by other versions, or from other sources."""
    versions = [_version(name) for name in ("jaxlib", "numba", "llvmlite")]
    machine = repr((versions, sys.version_info[:2], processor()))
    sources = b"".join(file.read_bytes() for file in sorted(_HERE.glob("*.py")))
    return hashlib.sha256(machine.encode() + sources).hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class _Failure:
    """Why our operations cannot be used. It is `lasting` if it would be so the next time as well."""

    reason: str
    lasting: bool = True


def _compiled_and_compared(real: str) -> tuple[Code, list[_Failure]]:
    """The code, once it is known that it does what it should; or none, and why."""
    with ThreadPoolExecutor(len(PARTS)) as pool:
        try:
            found = list(pool.map(partial(_part, real), PARTS))
        except BaseException:  # an interruption, after which nobody waits for them
            for process in _RUNNING.copy():
                process.kill()
            raise
    failures = [failure for _, failure in found if failure]
    return {} if failures else {name: each for code, _ in found for name, each in code.items()}, failures


def _part(real: str, part: str) -> tuple[Code, _Failure | None]:
    """The same for a part of the work."""
    written, failure = _run(COMPILE, real, part, b"")
    if failure:
        return {}, failure
    try:
        code, _ = unpack(written)
    except ValueError:
        return {}, _Failure("what was compiled cannot be read")
    _, failure = _run(COMPARE, real, part, written)
    return ({}, failure) if failure else (code, None)


def _run(module: str, real: str, part: str, given: bytes) -> tuple[bytes, _Failure | None]:
    """What a process writes to standard output; and what went wrong, if anything."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(_NOT_FOR_THEM) and n != VARIABLE}
    # This package first: another of its name may stand on the path, or none of it at all.
    places = [str(_HERE.parents[1]), *(os.path.abspath(path) for path in sys.path)]
    environment["PYTHONPATH"] = os.pathsep.join(places)
    if not sys.executable:
        return b"", _Failure(f"{module} could not be started (it is not known where Python is)", lasting=False)
    try:
        done = _finished([sys.executable, "-P", "-m", module, real, part], given, environment)
    except subprocess.TimeoutExpired:
        return b"", _Failure(f"{module} took over {_SECONDS} s", lasting=False)
    except OSError as error:
        return b"", _Failure(f"{module} could not be started ({error.strerror})", lasting=False)
    return done.stdout, _what_went_wrong(done.returncode, done.stderr.decode(errors="replace"))


def _finished(command: list[str], given: bytes, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """The process when it has ended; where a signal ends ours, it ends too.

    It is started where no file of settings for Numba is, and in a group of its own: Ctrl-C is for us.
    """
    pipe = subprocess.PIPE
    with shutdown.critical:  # so that nobody is left behind who was not registered yet
        process = subprocess.Popen(
            command, cwd=_HERE, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0
        )
        shutdown.register(process.kill)
        _RUNNING.add(process)
    with process:
        try:
            out, errors = process.communicate(given, timeout=_SECONDS)
        finally:
            _RUNNING.discard(process)
            shutdown.unregister(process.kill)
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def _what_went_wrong(exit_code: int, errors: str) -> _Failure | None:
    """From its last stage and its last words, why a process ended as it did; None where all was well."""
    if exit_code == 0:
        return None
    lines = [line for line in errors.splitlines() if line.strip()]
    stages = [line.removeprefix(STAGE) for line in lines if line.startswith(STAGE)]
    lasting = bool(stages) and exit_code != LACKED
    if any(line.startswith(TIMEOUT) for line in lines):
        what = "it took too long"
    elif exit_code < 0:
        what = f"it was ended by {_name_of(-exit_code)}"
        lasting = -exit_code in _CRASHES
    else:
        what = lines[-1] if lines and not lines[-1].startswith(STAGE) else f"it ended with exit code {exit_code}"
    return _Failure(f"at '{stages[-1]}': {what}" if stages else what, lasting)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of those that have only numbers
        return f"signal {number}"
