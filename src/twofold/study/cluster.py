"""A cluster of Ray's as the place where trials are trained (the extra `cluster`).

The run that was started stays the only one that claims and stores: nodes get cohorts and give back what came out, and
share no disk. On each node works one process of ours (`twofold.study.node`), which keeps what it has compiled. A node
that is lost has its cohort trained elsewhere, and one that comes later gets some.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold import shutdown
from twofold.data import Images
from twofold.errors import ClusterError, NetworkError, TwofoldError, cause_of, counted
from twofold.study.cohorts import Cohort, Cohorts
from twofold.study.connection import connected
from twofold.study.node import Done, Node, OwnNetworks, Work
from twofold.study.trial import Trial
from twofold.training.devices import processor_share

if TYPE_CHECKING:
    from twofold.study.machine import Group, Trained

# Seconds between two looks at which nodes there are; those after which it is said that none is free yet, and those for
# which there may be none at all.
_LOOK_EVERY, _NONE_FREE, _NONE_AT_ALL = 2.0, 15.0, 60.0

# The most trials that a GPU of a node gets at once: it trains them together, as far as they fit.
_MOST_FOR_A_GPU = 256

# What has to be of one version on all nodes for a trial to come out the same.
_SAME_VERSIONS = ("twofold", "jax", "jaxlib")


class Lost(NamedTuple):
    """What is heard of a node that is no more: why."""

    why: str


class Member:
    """A node of the cluster as it is known here: our process there, and the `devices` that it has once it works."""

    def __init__(self, found: Mapping[str, Any], workers: int | None) -> None:
        has = found["Resources"]
        self.id: str = found["NodeID"]
        self.name = f"{found['NodeManagerHostname']} ({found['NodeManagerAddress']})"
        self.gpus = min(int(has.get("GPU", 0)), workers or sys.maxsize)
        self.cores = min(int(has.get("CPU", 0)), workers or sys.maxsize)
        self.process: Any = None
        self.devices = 0

    def room(self, most: int, nodes: int) -> int:
        """How many trials to give it at once, of a group of at most so many that so many nodes share.

        A core trains one at a time. A GPU trains as many as fit, and those that it gets are a share of the group.
        """
        return self.devices if not self.gpus else min(_MOST_FOR_A_GPU * self.devices, -(-most // nodes))


class Cluster:
    """The nodes of a cluster, to be used as what trials are trained on: see `twofold.study.connection.connected`.

    On each node are used all that it has, or at most so many `workers`. A context manager; within, what it starts on
    nodes does not outlive this process. Raises `ClusterError`.
    """

    def __init__(self, cluster: str, workers: int | None, note: Callable[[str], None]) -> None:
        self._cluster, self._workers, self.tell = cluster, workers, note
        self._members: dict[str, Member] = {}
        self._refused: dict[str, str] = {}  # of nodes that cannot be used: why
        self._awaited: dict[Any, tuple[Member, Callable[[Any], Any] | None]] = {}  # what is to be heard of whom
        self._works: dict[tuple, Any] = {}  # what the nodes know of plans
        self._ending = ExitStack()
        self._looked = 0.0
        self._without = time.monotonic()  # since when no node works
        self._told = False

    def __enter__(self) -> Cluster:
        self._ending.enter_context(connected(self._cluster, self._workers or processor_share()))
        self._ending.callback(self._dismiss)
        shutdown.register(self._dismiss)
        self._ending.callback(shutdown.unregister, self._dismiss)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def __len__(self) -> int:
        """How many trials are trained at the same time: when no node is about to begin, and one works."""
        while any(not member.devices for member in self._members.values()) or not self.working:
            for _ in self.hear():
                pass
        return sum(member.devices for member in self.working)

    @property
    def working(self) -> list[Member]:
        """The nodes that can train."""
        return [member for member in self._members.values() if member.devices]

    def at_work(self, images: Images, *, trace: bool, kept: bool) -> AtWork:
        """The nodes, to train trials on these images; see `Work` for the others."""
        return AtWork(self, images, trace=trace, kept=kept)

    def sent(self, images: Images, networks: OwnNetworks, *, trace: bool, kept: bool) -> Any:
        """A reference of Ray's to what nodes have to know of a plan: it is sent once to each of them."""
        import ray

        known = images.fingerprint, images.name, frozenset(identities for _, identities in networks), trace, kept
        if known not in self._works:
            try:
                self._works[known] = ray.put(Work(images, networks, trace, kept))
            except Exception as error:  # whatever a class of the user's cannot be pickled by
                raise NetworkError(
                    f"a network cannot be sent to the nodes ({cause_of(error)}); give it as file.py:Class"
                ) from error
        return self._works[known]

    def listen(self, member: Member, stream: Any) -> None:
        """Have `hear` tell what a node gives, an object after another."""
        self._awaited[stream] = member, None

    def hear(self) -> Iterator[tuple[Member, Any]]:
        """What a node has to say, when one does, or nothing after some seconds: objects, or that it is `Lost`.

        Raises `ClusterError` where there is no node that can be used, and what went wrong on a node.
        """
        import ray

        self._look()
        if not self._awaited:
            time.sleep(_LOOK_EVERY)
            return
        ready, _ = ray.wait(list(self._awaited), timeout=_LOOK_EVERY)
        for each in ready:
            member, then = self._awaited.pop(each)
            try:
                said = ray.get(next(each) if then is None else each)
            except StopIteration:
                continue
            except ray.exceptions.RayTaskError as error:
                said = self._failed(member, error.cause)
            except ray.exceptions.RayError as error:
                said = self._lost(member, _why(error))
            else:
                if then is not None:
                    then(said)
                    continue
                self._awaited[each] = member, None  # it goes on
            yield member, said

    def _failed(self, member: Member, cause: Exception) -> Lost:
        """What comes of an error on a node: the end of the run, or where it is the node's, that of its work."""
        if isinstance(cause, NetworkError):
            return self._refuse(member, str(cause))
        if isinstance(cause, TwofoldError):
            raise cause
        raise ClusterError(f"on the node {member.name}: {type(cause).__name__}: {cause_of(cause)}") from cause

    def _lost(self, member: Member, why: str) -> Lost:
        with shutdown.critical:  # where the program comes to its end, all nodes are lost
            self._let_go(member)
        return Lost(why)

    def _refuse(self, member: Member, why: str) -> Lost:
        self._refused[member.id] = f"the node {member.name} is not used: {why}"
        self.tell(self._refused[member.id])
        self._let_go(member)
        return Lost("")

    def _let_go(self, member: Member) -> None:
        """Work with a node no more, unless it is seen again; what is to be heard of it comes to nothing."""
        import ray

        self._members.pop(member.id, None)
        self._awaited = {each: to for each, to in self._awaited.items() if to[0] is not member}
        if member.process is not None:
            with suppress(ray.exceptions.RayError):
                ray.kill(member.process)

    def _dismiss(self) -> None:
        """End what was started on nodes. At the program's end it is called in another thread."""
        for member in list(self._members.values()):
            self._let_go(member)

    def _look(self) -> None:
        """See which nodes have come, now and then, and how long there has been none."""
        import ray

        now = time.monotonic()
        if self.working:
            self._without, self._told = now, False
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        alive = {each["NodeID"]: each for each in ray.nodes() if each["Alive"]}
        for id_, found in alive.items():
            if id_ not in self._members and id_ not in self._refused and Member(found, self._workers).cores:
                self._members[id_] = Member(found, self._workers)
                self._ask(self._members[id_])
        self._check_patience(now - self._without)

    def _check_patience(self, waited: float) -> None:
        if not self._members and self._refused:
            raise ClusterError(
                f"`cluster` (={self._cluster}) has no node that can be used: {', '.join(self._refused.values())}"
            )
        if not self._members and waited > _NONE_AT_ALL:
            raise ClusterError(
                f"`cluster` (={self._cluster}) has no node with cores, since {_NONE_AT_ALL:.0f} seconds; `ray status` "
                "says which there are, and the same command goes on from here"
            )
        if waited > _NONE_FREE and not self._told:
            self._told = True
            self.tell("waiting for a node of the cluster: none is free yet, or has begun; `ray status` says more")

    def _ask(self, member: Member) -> None:
        """Have a node say which versions it has, before anything of ours is imported there."""
        import ray

        asking = ray.remote(_asking()).options(num_cpus=0, max_retries=0, scheduling_strategy=_only_on(member))
        self._awaited[asking.remote(_SAME_VERSIONS)] = member, lambda versions: self._begin(member, versions)

    def _begin(self, member: Member, theirs: Mapping[str, str]) -> None:
        import ray

        ours = _asking()(_SAME_VERSIONS)
        if differing := [f"{name} {theirs[name] or 'missing'}" for name in ours if theirs[name] != ours[name]]:
            here = ", ".join(f"{name} {ours[name]}" for name in ours if theirs[name] != ours[name])
            self._refuse(member, f"it has {', '.join(differing)}, and this machine {here}; install the same there")
            return
        process = ray.remote(Node).options(
            num_cpus=member.cores, num_gpus=member.gpus, max_restarts=0, scheduling_strategy=_only_on(member)
        )
        member.process = process.remote(_environment())
        self._awaited[member.process.begin.remote(None if member.gpus else member.cores)] = (
            member,
            lambda found: self._began(member, *found),
        )

    def _began(self, member: Member, devices: int, notes: Sequence[str]) -> None:
        member.devices = devices
        for note in notes:
            self.tell(f"{member.name}: {note}")


class AtWork:
    """The nodes of a cluster, as they train the trials of plans on these images; in the place of a `Machine`."""

    def __init__(self, cluster: Cluster, images: Images, *, trace: bool, kept: bool) -> None:
        self._cluster, self._images, self._trace, self._kept = cluster, images, trace, kept
        self._sent: Any = None

    def prepare(self, trials: Sequence[Trial], note: Callable[[str], None]) -> None:
        """See to it that nodes know the networks of the trials. Raises `NetworkError` for what cannot be sent."""
        self._sent = self._cluster.sent(self._images, _own(trials), trace=self._trace, kept=self._kept)

    def train(self, groups: Sequence[Group], on_progress: Callable[[int], None]) -> Iterator[Trained]:
        """Train the groups, all at the same time, and yield each trial when its cohort is done.

        `on_progress` is as in `train_cohorts`; what was done on a node that is lost is taken back.
        """
        cohorts = Cohorts(groups)
        under_way: dict[Member, Cohort] = {}
        done: list[Trained] = []
        while under_way or cohorts.any_left():
            self._give_out(cohorts, under_way)
            yield from done  # which are stored while nodes train
            done.clear()
            for member, said in self._cluster.hear():
                if isinstance(said, Lost):
                    self._take_back(member, said, cohorts, under_way, on_progress)
                elif isinstance(said, int):
                    under_way[member].epochs += said
                    on_progress(said)
                else:
                    done += _trained(under_way.pop(member), said)
        yield from done

    def _give_out(self, cohorts: Cohorts, under_way: dict[Member, Cohort]) -> None:
        working = self._cluster.working
        for member in working:
            if member in under_way:
                continue
            cohort = cohorts.next(member.id, partial(member.room, nodes=len(working)))
            if cohort is None:
                continue
            training = member.process.train.options(num_returns="streaming")
            self._cluster.listen(member, training.remote(self._sent, cohort.trials, cohort.most))
            under_way[member] = cohort

    def _take_back(
        self,
        member: Member,
        lost: Lost,
        cohorts: Cohorts,
        under_way: dict[Member, Cohort],
        on_progress: Callable[[int], None],
    ) -> None:
        cohort = under_way.pop(member, None)
        if cohort is None:
            return
        on_progress(-cohort.epochs)
        cohorts.give_back(cohort, member.id, lost_by=lost.why)
        if lost.why:
            self._cluster.tell(
                f"the node {member.name} is lost: {lost.why}; what it trained ({counted(len(cohort.trials), 'trial')}) "
                "begins again elsewhere"
            )


def _why(error: Exception) -> str:
    """What happened to a node, of what Ray says of its own parts."""
    from ray import exceptions

    if isinstance(error, exceptions.OutOfMemoryError) or "OOM" in str(error):
        return "it ran out of memory"
    if isinstance(error, exceptions.ActorDiedError):
        return "its process has ended"
    if isinstance(error, exceptions.ActorUnavailableError):
        return "it does not answer"
    return cause_of(error)


def _own(trials: Sequence[Trial]) -> OwnNetworks:
    networks = {trial.architecture for trial in trials}
    classes = {id(network.sent): network.sent for network in networks if network.sent is not None}
    return [(sent, frozenset(each.identity for each in networks if each.sent is sent)) for sent in classes.values()]


def _trained(cohort: Cohort, done: Sequence[Done]) -> list[Trained]:
    from twofold.study.machine import Trained

    trials = {trial.key: trial for trial in cohort.trials}
    return [Trained(trials[each.key], each.row, each.variables) for each in done]


def _only_on(member: Member) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(member.id, soft=False)


def _environment() -> dict[str, str]:
    """Variables that decide how is trained, for all nodes to have them as they are here."""
    from twofold.native.handlers import VARIABLE

    return {name: os.environ[name] for name in (VARIABLE,) if name in os.environ}


def _asking() -> Callable[[Sequence[str]], dict[str, str]]:
    """A function that a node can run where nothing of ours is installed: as it is in another, Ray sends its code."""

    def versions(packages: Sequence[str]) -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError, version

        found = {}
        for package in packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = ""
        return found

    return versions
