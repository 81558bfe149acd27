"""Connecting to a cluster of Ray's, or starting one on this machine; Ray is imported here, when that is asked for."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from twofold import shutdown
from twofold.errors import ClusterError, SettingError, cause_of, needing, shown

LOCAL, AUTO = "local", "auto"
_ADDRESS = re.compile(r"(?P<host>[^\s:/@]+):(?P<port>\d{1,5})")

# Bytes for what processes on one machine share: images, above all. What does not fit lies on its disk.
_SHARED_MEMORY = 2**29

# Seconds in which a cluster has to answer.
_PATIENCE = 5.0


def check_cluster(cluster: str | None) -> None:
    """Raise `SettingError` for a text that names no cluster, `ExtraError` where Ray is not installed."""
    if cluster is None:
        return
    if cluster not in (LOCAL, AUTO) and not _ADDRESS.fullmatch(cluster):
        remedy = "give local, auto, or the address that `ray start --head` printed, such as 10.0.0.1:6379"
        if "://" in cluster:
            remedy = "start twofold on a machine of the cluster, with auto (docs/cluster.md)"
        raise SettingError(f"`cluster` (={shown(cluster)}) is no address of a cluster; {remedy}")
    _ray()


def _ray() -> Any:
    with needing("cluster", "training on a cluster"):
        import ray
    return ray


@contextlib.contextmanager
def connected(cluster: str, cores: int) -> Iterator[None]:
    """Within, this process is connected to a cluster: one of this machine, with so many cores, or one that is there.

    The former ends with it, and the latter goes on; a connection that a notebook has is used and left as it is. Raises
    `ClusterError` where there is no such cluster, or one that this process cannot be part of.
    """
    ray = _ray()
    if ray.is_initialized():
        if cluster == LOCAL:
            raise ClusterError("`cluster` (=local): this process is connected to a cluster already; give auto")
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        _connect(ray, cluster, cores)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray has one of its own
    with ExitStack() as ending:
        ending.callback(ray.shutdown)
        if cluster == LOCAL:
            end = partial(_end_node, ray)
            shutdown.register(end)
            ending.callback(shutdown.unregister, end)
        yield


def _end_node(ray: Any) -> None:
    """End what a node of this machine has started, where a signal ends the program: the node itself ends with us."""
    import psutil

    for each in ray._private.worker._global_node.all_processes.get("raylet", []):
        with contextlib.suppress(psutil.Error):
            for started in psutil.Process(each.process.pid).children(recursive=True):
                started.kill()


def _connect(ray: Any, cluster: str, cores: int) -> None:
    # Ray's words are for those who write programs for it; what users should know we say ourselves.
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL + 1}
    ray._private.worker._worker_logs_enabled = False
    alone = {
        "num_cpus": cores,
        "object_store_memory": _SHARED_MEMORY,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",  # nobody else is to reach it
        "_system_config": {"worker_niceness": 0},  # as without a cluster, and not behind all else
    }
    if address := _ADDRESS.fullmatch(cluster):
        _check_answers(address["host"], int(address["port"]))
    try:
        ray.init(address=cluster, **quiet, **(alone if cluster == LOCAL else {}))
    except Exception as error:  # of any kind, and some of none in particular
        raise ClusterError(f"`cluster` (={cluster}): {_why(error)}") from error


def _check_answers(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"`cluster` (={host}:{port}): nothing answers there ({cause_of(error)}); start one with `ray start --head`"
        ) from error


def _why(error: Exception) -> str:
    """What is wrong with a cluster, of what Ray says of it on many lines."""
    text = " ".join(str(error).split())
    if found := re.search(r"was started with: (.*) This process .* was started with: (.*)", text):
        return f"it has other versions ({found[1]}) than this process ({found[2]}); give all machines the same"
    if isinstance(error, ConnectionError) and "auto" not in text:
        return (
            f"this machine is not part of it ({cause_of(error)}); make it one, which trains nothing: ray start "
            "--num-cpus 0 --address, with the same address"
        )
    return cause_of(error)
