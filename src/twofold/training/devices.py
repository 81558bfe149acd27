"""Setting JAX up: every processor core a device of its own."""

import os
from typing import Any

import jax
import platformdirs

from twofold.errors import SettingError

# Each CPU device keeps to one core: trials run side by side, not their matrix products.
_CPU_FLAG = "--xla_cpu_multi_thread_eigen"


def use_devices(workers: int | None = None) -> tuple[list[jax.Device], list[str]]:
    """The devices to train on, and what to tell the user about them.

    `workers` is how many: by default all GPUs (or TPUs), else all processor cores. Where JAX is running already, its
    devices cannot be changed: what there is is used, and a note says so where it is less than wanted.

    Raises `SettingError` for a number that is not positive, or more than there can be.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise SettingError(f"`workers` (={workers!r}) must be a whole number of at least 1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    _configure(workers or cores)
    devices = jax.devices()
    there = max(cores, len(devices)) if devices[0].platform == "cpu" else len(devices)
    if workers is not None and workers > there:
        raise SettingError(f"`workers` (={workers}) is more than this machine has; use at most {there}")
    wanted = workers or (cores if devices[0].platform == "cpu" else len(devices))
    notes = []
    if len(devices) < wanted:
        notes.append(
            f"JAX was running already with {len(devices)} of {wanted} devices, which is what is used; "
            "to use all, start twofold before anything else that uses JAX"
        )
    return devices[:wanted], notes


def _configure(cores: int) -> None:
    """What has to be said before JAX starts; does nothing where it has started."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _CPU_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_CPU_FLAG}=false".strip()
    try:
        if "xla_force_host_platform_device_count" not in flags:
            jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:
        return  # JAX has started
    config: Any = jax.config  # whose options come without types
    if config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(platformdirs.user_cache_path("twofold") / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
