"""What is set elsewhere for JAX and XLA changes no number here: it is set aside, or refused.

Settings of JAX come from variables, from a program that ran before in this process, or from a `with` block around us.
`pinned` sets them aside for as long as something of ours is traced, compiled or run, and restores them. How XLA
compiles is said with every program (`twofold.training.compiled`). XLA reads its flags once, and nobody can take them
back: what may change a number is refused.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from twofold.errors import SettingError
from twofold.settings import check_names

# Variables of JAX that our own program leaves as they are: they say on which devices it runs, and nothing else.
_KEPT = ("JAX_PLATFORMS", "JAX_CUDA_VISIBLE_DEVICES", "JAX_ROCM_VISIBLE_DEVICES")

# Flags of XLA that change no number, by how they begin.
COUNT_FLAG = "xla_force_host_platform_device_count"
CPU_FLAG = "xla_cpu_multi_thread_eigen"
_HARMLESS = (COUNT_FLAG, CPU_FLAG, "xla_dump_", "xla_gpu_cuda_data_dir", "xla_hlo_profile")

# Variables of libraries below XLA, with what they do.
_OF_LIBRARIES = {"NVIDIA_TF32_OVERRIDE": "decides the precision of products on a GPU"}

# JAX's name of the precision of products on a GPU, which by its own default is that of TF32. A processor has one.
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32"}
check_names("precision", PRECISIONS)


def clean_environment() -> None:
    """Take out the variables of JAX that could change a number, before our own program imports JAX."""
    for name in [name for name in os.environ if name.startswith("JAX_") and name not in _KEPT]:
        del os.environ[name]


def check_flags() -> None:
    """Raise `SettingError` for what XLA and the libraries below it are told that could change a number."""
    for flag in os.environ.get("XLA_FLAGS", "").split():
        name, _, value = flag.lstrip("-").partition("=")
        if not name.startswith(_HARMLESS):
            raise SettingError(f"XLA_FLAGS (={flag}) can change numbers; leave it out: env -u XLA_FLAGS twofold ...")
        if name == COUNT_FLAG and not re.fullmatch("[1-9][0-9]*", value):
            raise SettingError(f"XLA_FLAGS (={flag}) must give a number of devices")
    for name, what in _OF_LIBRARIES.items():
        if name in os.environ:
            raise SettingError(f"{name} (={os.environ[name]}) {what}; leave it out: env -u {name} twofold ...")


@contextmanager
def pinned(platform: str, precision: str = "float32") -> Iterator[None]:
    """Within, JAX computes as our keys promise, whatever is set in this process; afterwards all is as before.

    `platform` is that of the devices, `precision` of products the setting of that name.
    """
    from twofold.native import pinning

    with pinning.pinned(None if platform == "cpu" else PRECISIONS[precision], platform):
        yield
