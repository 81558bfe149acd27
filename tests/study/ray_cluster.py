"""A cluster of Ray's on this machine: a head that trains nothing, and nodes of one core or more."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

# Bytes for what processes of one node share.
_SHARED_MEMORY = 2**27

# Trainings are not to wait for all else on the machine.
_CONFIGURED = {"worker_niceness": 0}


class RayCluster:
    """Starts and kills nodes; each is some processes, which know nothing of this one's folders or modules."""

    def __init__(self, cores: int = 1) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={**_node(cores=0), "_system_config": _CONFIGURED})
        self.first = self.add(cores)

    @property
    def address(self) -> str:
        return self._cluster.address

    def add(self, cores: int = 1, **variables: str) -> Any:
        """A node more, with these variables."""
        return self._cluster.add_node(**_node(cores), env_vars=variables or None)

    def kill(self, node: Any) -> None:
        """End a node as a power cut would."""
        self._cluster.remove_node(node, allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


def _node(cores: int) -> dict[str, Any]:
    return {"num_cpus": cores, "object_store_memory": _SHARED_MEMORY, "include_dashboard": False}


@contextlib.contextmanager
def running(cores: int = 1) -> Iterator[RayCluster]:
    """A cluster of one node, which ends with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        cluster = RayCluster(cores)
    try:
        yield cluster
    finally:
        cluster.end()
