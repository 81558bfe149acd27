"""Setting JAX up: every processor core a device of its own."""

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import platformdirs

from twofold.errors import SettingError, shown
from twofold.settings import check_whole

if TYPE_CHECKING:
    import jax

# Each CPU device keeps to one core: trials run side by side, not their matrix products.
_CPU_FLAG = "--xla_cpu_multi_thread_eigen"

# By this users may have said how many CPU devices there are.
_COUNT_FLAG = "xla_force_host_platform_device_count"


def check_workers(workers: int | None) -> None:
    """Raise `SettingError` for a number of workers that no machine like this one has; JAX is not started for it."""
    if workers is None:
        return
    check_whole("workers", workers, least=1)
    if find_spec("jax_plugins") and os.environ.get("JAX_PLATFORMS") != "cpu":
        return  # there may be GPUs, more than cores
    wanted = sys.modules["jax"].config.jax_num_cpu_devices if "jax" in sys.modules else 0
    there = max(_cores(), wanted)
    if workers > there and _COUNT_FLAG not in os.environ.get("XLA_FLAGS", ""):
        raise _too_many(workers, there)


def use_devices(workers: int | None = None) -> tuple[list["jax.Device"], list[str]]:
    """The devices to train on, and what to tell the user about them.

    `workers` is how many: by default all GPUs (or TPUs), else all processor cores. Where JAX is running already, its
    devices cannot be changed: what there is is used, and a note says so where it is less than wanted.

    Raises `SettingError` for a number that is not positive, or more than there can be.
    """
    import jax

    if workers is not None:
        workers = check_whole("workers", workers, least=1)
    cores = _cores()
    _configure(workers or cores)
    devices = jax.devices()
    there = max(cores, len(devices)) if devices[0].platform == "cpu" else len(devices)
    if workers is not None and workers > there:
        raise _too_many(workers, there)
    wanted = workers or (cores if devices[0].platform == "cpu" else len(devices))
    notes = []
    if len(devices) < wanted:
        notes.append(
            f"JAX was running already with {len(devices)} of {wanted} devices, which is what is used; "
            "to use all, start twofold before anything else that uses JAX"
        )
    return devices[:wanted], notes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _too_many(workers: int, there: int) -> SettingError:
    return SettingError(f"`workers` (={shown(workers)}) is more than this machine has; use at most {there}")


def _configure(cores: int) -> None:
    """What has to be said before JAX starts; does nothing where it has started."""
    import jax

    flags = os.environ.get("XLA_FLAGS", "")
    if _CPU_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_CPU_FLAG}=false".strip()
    try:
        if _COUNT_FLAG not in flags:
            jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:
        return  # JAX has started
    config: Any = jax.config  # whose options come without types
    if config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(platformdirs.user_cache_path("twofold") / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
