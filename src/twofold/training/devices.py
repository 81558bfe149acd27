"""Setting JAX up: every processor core a device of its own, as far as this process has a share of it."""

import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import SettingError, cause_of, shown
from twofold.settings import check_whole
from twofold.training.environment import COUNT_FLAG, check_flags

if TYPE_CHECKING:
    import jax

# Where Linux says which share of the processors a container has.
_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def check_workers(workers: int | None) -> None:
    """Raise `SettingError` for a number of workers that no machine like this one has; JAX is not started for it."""
    if workers is None:
        return
    check_whole("workers", workers, least=1)
    if find_spec("jax_plugins") and os.environ.get("JAX_PLATFORMS") != "cpu":
        return  # there may be GPUs, more than cores
    wanted = sys.modules["jax"].config.jax_num_cpu_devices if "jax" in sys.modules else 0
    there = max(usable_cores(), wanted)
    if workers > there and COUNT_FLAG not in os.environ.get("XLA_FLAGS", ""):
        raise _too_many(workers, there)


def use_devices(workers: int | None = None, tell: Callable[[str], None] = lambda _: None) -> "Sequence[jax.Device]":
    """The devices to train on; `tell` gets what the user should know about them.

    `workers` is how many: by default all GPUs (or TPUs), else as many processor cores as this process has a share of.
    One worker leaves the number of JAX's devices as it is. Where JAX is running already, its devices cannot be changed:
    what there is is used, and `tell` is told where it is less than wanted. On a processor our own operations begin to
    be compiled, if they are not yet; `wait_for_operations` waits for them.

    Raises `SettingError` for a number that is not positive, or more than there can be, for devices that JAX cannot
    find, and for flags of XLA that could change a number.
    """
    if workers is not None:
        workers = check_whole("workers", workers, least=1)
    check_flags()
    _configure(workers or processor_share())
    devices = _devices()
    on_processor = devices[0].platform == "cpu"
    there = max(usable_cores(), len(devices)) if on_processor else len(devices)
    if workers is not None and workers > there:
        raise _too_many(workers, there)
    wanted = workers or (processor_share() if on_processor else len(devices))
    if len(devices) < wanted:
        tell(
            f"JAX was running already with {len(devices)} of {wanted} devices, which is what is used; "
            "to use all, start twofold before anything else that uses JAX"
        )
    if on_processor:
        _begin_operations(tell)
    return devices[:wanted]


def prepare_devices() -> None:
    """See to it that there will be as many devices as by default, where JAX computes before trainings do."""
    _configure(processor_share())


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def processor_share(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """The cores that this process may run on, or fewer where it may not have all of their time, as in a container.

    Linux keeps the quota in files of the control groups that the process is in, and of those above them.
    """
    quotas = [_quota(folder) for folder in _own_groups(groups, membership)]
    return min([usable_cores(), *(max(1, math.ceil(quota)) for quota in quotas if quota)])


def _own_groups(groups: Path, membership: Path) -> list[Path]:
    """The folders of the control groups of this process, in both versions of their layout, and of those above."""
    folders = []
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container a group's path may be that of the host, while what is mounted is the group itself.
        for base in (groups, groups / "cpu", groups / "cpu,cpuacct"):
            own = base / path.lstrip("/")
            folders += [base, own, *(above for above in own.parents if base in above.parents)]
    return folders


def _quota(folder: Path) -> float | None:
    """How many cores' time a control group may have; None where nothing says so."""
    try:
        if (file := folder / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None


def _devices() -> "list[jax.Device]":
    import jax

    try:
        return jax.devices()
    except Exception as error:  # of several kinds, one of which is an assertion that failed
        wanted = jax.config.jax_platforms  # type: ignore[attr-defined]
        if wanted:
            raise SettingError(
                f"JAX_PLATFORMS (={wanted}): JAX finds no such device here ({cause_of(error)}); "
                "leave it out to train on what there is: env -u JAX_PLATFORMS twofold ..."
            ) from error
        raise SettingError(f"JAX finds no device here ({cause_of(error)}); see twofold doctor") from error


def _too_many(workers: int, there: int) -> SettingError:
    return SettingError(f"`workers` (={shown(workers)}) is more than this machine has; use at most {there}")


def _configure(devices: int) -> None:
    """Say how many devices a processor is, before JAX starts; does nothing where it has started."""
    import jax

    if devices > 1 and COUNT_FLAG not in os.environ.get("XLA_FLAGS", ""):
        try:
            jax.config.update("jax_num_cpu_devices", devices)
        except RuntimeError:
            return  # JAX has started


def _begin_operations(tell: Callable[[str], None]) -> None:
    from twofold.native import handlers

    if not handlers.is_known():
        tell("twofold's own operations are compiled for this processor and compared, once: about 15 seconds")
        handlers.prepare()


def wait_for_operations(device: "jax.Device", tell: Callable[[str], None]) -> None:
    """On a processor wait until it is known whether our operations can be used; `tell` is told if they cannot."""
    from twofold.native import handlers

    if device.platform != "cpu":
        return
    found = handlers.trust("float32")
    if found.fresh and found.reason:
        tell(
            f"twofold's own operations are not used on this machine ({found.reason}); trainings give as good numbers, "
            "but take several times as long"
        )
