"""Compiled programs, kept between runs in the cache folder.

JAX has such a cache as well; but an entry that was damaged there may run, or is warned about for ever. Here the hash of
what is kept is checked before it runs, and what does not fit is compiled anew and replaced.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions, version
from typing import Any

import jax
from jax.experimental import serialize_executable

from twofold.cache import keep, read_kept
from twofold.native.processor import processor

_MOST_KEPT = 200

# XLA's own defaults, said with every program: JAX has settings for all programs that would change them.
_DEFAULTS: Mapping[str, str | bool] = {
    "xla_backend_optimization_level": "3",
    "xla_llvm_disable_expensive_passes": False,
}

# How the packages are called whose versions decide what XLA compiles for a GPU or a TPU.
_FOR_DEVICES = ("jax-", "nvidia-", "libtpu")

# Each CPU device keeps to one core: trials run side by side, not their matrix products.
_ONE_CORE = {"xla_cpu_multi_thread_eigen": False}


def compile_or_load(
    lowered: jax.stages.Lowered, devices: Sequence[jax.Device], options: Mapping[str, str | bool] | None = None
) -> Any:
    """The compiled program (`jax.stages.Compiled`), from an earlier run if it is the same with the same versions.

    `devices` are those that it was lowered for, `options` XLA's, by their names.
    """
    options = {**_DEFAULTS, **(_ONE_CORE if devices[0].platform == "cpu" else {}), **(options or {})}
    name = f"programs/{_digest(lowered, devices, options)}"
    if kept := read_kept(name):
        with suppress(Exception):  # whatever a library has against it
            return serialize_executable.deserialize_and_load(
                kept, lowered.in_tree, lowered.out_tree, backend=devices[0].client, execution_devices=devices
            )
    compiled = lowered.compile(options)
    if not _jax_keeps():
        with suppress(Exception):  # not every program can be kept
            keep(name, serialize_executable.serialize(compiled)[0], _MOST_KEPT)
    return compiled


def _jax_keeps() -> bool:
    """Whether JAX's own cache is on, as a notebook may have it: what came from there cannot be written once more."""
    config: Any = jax.config  # whose options come without types
    return bool(config.jax_enable_compilation_cache and config.jax_compilation_cache_dir)


def _digest(lowered: jax.stages.Lowered, devices: Sequence[jax.Device], options: Mapping[str, str | bool]) -> str:
    """What tells a compiled program from all others."""
    client = devices[0].client
    machine = processor() if client.platform == "cpu" else (_chip(devices[0]), _software())
    parts = (
        jax.__version__,
        version("jaxlib"),
        client.platform,
        client.platform_version,
        machine,
        [device.id for device in devices],
        os.environ.get("XLA_FLAGS", ""),
        sorted(options.items()),
        # Arguments that a program does not use are not in its text.
        str(lowered.args_info),
        str(lowered.out_info),
    )
    return hashlib.sha256(f"{parts}{lowered.as_text()}".encode()).hexdigest()


def _chip(device: jax.Device) -> tuple[str, ...]:
    """What tells a GPU from another of its name, or a part of one."""
    return device.device_kind, *(str(getattr(device, name, "")) for name in ("compute_capability", "core_count"))


@cache
def _software() -> list[tuple[str, str]]:
    """The packages that XLA compiles with for such a device, and their versions."""
    found = {(each.metadata["Name"] or "").lower(): each.version for each in distributions()}
    return sorted((name, version) for name, version in found.items() if name.startswith(_FOR_DEVICES))
