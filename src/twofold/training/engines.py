"""The compiled functions of trainings, in the order in which they are wanted, beside the trainings under way.

One thread traces a program after another, which only Python can do; some compile, for which XLA needs no Python.
"""

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from twofold.data import PairSet
from twofold.networks.protocol import Variables
from twofold.training.compiled import compile_or_load
from twofold.training.devices import usable_cores
from twofold.training.environment import pinned
from twofold.training.run import Arguments, Evaluation, Program, TrialData, evaluate, start, train_epochs

# How many functions are compiled at a time, and for how many programs beside the one that is trained.
COMPILERS = max(1, usable_cores() // 2)

_TRACER = ThreadPoolExecutor(1, "tracer")
_COMPILER = ThreadPoolExecutor(COMPILERS, "compiler")

# So many engines stay for the next time; the latest of them are last.
_MOST_ENGINES = 32
_ENGINES: "dict[tuple, Future[Engine]]" = {}
_WANTED: "Counter[Future[Engine]]" = Counter()  # how often: two runs of one process may want the same
_LOCK = threading.Lock()

# For a function that runs once in a training: compiled in half the time.
_RUNS_ONCE: Mapping[str, str | bool] = {"xla_backend_optimization_level": "1"}


class Evaluations(NamedTuple):
    """The evaluations of one network on its training, test and validation pairs."""

    train: Evaluation
    test: Evaluation
    validation: Evaluation | None


class Engine(NamedTuple):
    """The functions for cohorts of `size` trials, some being compiled, and how arrays are laid over the devices."""

    start: Future[jax.stages.Compiled]
    train_epochs: Future[jax.stages.Compiled]
    evaluate: Future[jax.stages.Compiled]
    sharding: NamedSharding
    size: int

    @property
    def device(self) -> jax.Device:
        """One of those that it is for: they are alike."""
        return next(iter(self.sharding.device_set))


def engine(program: Program, shapes: Any, devices: tuple[jax.Device, ...], together: int) -> Future[Engine]:
    """The engine that trains so many trials together on each device; it is begun, if it is not there yet.

    `shapes` are `shapes_of` the arguments and the data of a trial. Who wanted it says so in the end: `leave`.
    """
    key = (program, shapes, devices, together)
    with _LOCK:
        found = _ENGINES.pop(key, None)
        if found is None or _is_of_no_use(found):
            found = _TRACER.submit(_traced, *key)
        _ENGINES[key] = found
        _WANTED[found] += 1
        for oldest in list(_ENGINES)[:-_MOST_ENGINES]:
            del _ENGINES[oldest]
    return found


def leave(wanted: "Iterable[Future[Engine]]") -> None:
    """Want these no more, each as often as it stands here: what is not begun and nobody wants is not traced."""
    with _LOCK:
        for future in wanted:
            _WANTED[future] -= 1
            if not _WANTED[future]:
                del _WANTED[future]
                future.cancel()


def _is_of_no_use(future: Future[Engine]) -> bool:
    """Whether it failed, as for want of memory, which may be there now."""
    if future.cancelled():
        return True
    if not future.done():
        return False
    if future.exception():
        return True
    parts = (future.result().start, future.result().train_epochs, future.result().evaluate)
    return any(part.done() and part.exception() for part in parts)


def shapes_of(tree: Any) -> Any:
    """The tree with each array's shape and type in its place, hashable."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)


def pinned_for(program: Program, device: jax.Device) -> AbstractContextManager[None]:
    """`pinned` for a program on such a device."""
    return pinned(platform_of(device), program.settings.precision)


def platform_of(device: jax.Device) -> str:
    """What decides how trials are trained on a device: tests say another one than it is."""
    return device.platform


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracing makes so many objects that looking for garbage among them takes a fifth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def _traced(program: Program, shapes: Any, devices: tuple[jax.Device, ...], together: int) -> Engine:
    """Trace the three functions of a training, each of which is compiled while the next is traced."""
    with pinned_for(program, devices[0]), _no_garbage_collection():
        mesh = Mesh(np.array(devices), ("trial",))
        sharding = NamedSharding(mesh, PartitionSpec("trial"))
        size = together * len(devices)

        def for_cohort(shape: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((size, *shape.shape), shape.dtype, sharding=sharding)

        def compiling(
            lowered: jax.stages.Lowered, options: Mapping[str, str | bool] | None = None
        ) -> Future[jax.stages.Compiled]:
            return _COMPILER.submit(_compile, program, devices, lowered, options)

        arguments, data = jax.tree.map(for_cohort, jax.tree.unflatten(*shapes))
        length = jax.ShapeDtypeStruct((), np.int32, sharding=NamedSharding(mesh, PartitionSpec()))
        spread = partial(_over_trials, mesh=mesh, together=together)
        begin = spread(partial(start, program))
        state, batches = jax.tree.map(
            lambda shape: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding),
            jax.eval_shape(begin, arguments, data.train),
        )
        train = spread(partial(train_epochs, program), shared=1, donate=(0,))
        return Engine(
            start=compiling(begin.lower(arguments, data.train), _RUNS_ONCE),
            train_epochs=compiling(train.lower(state, arguments, data.train, batches, data.test, length)),
            evaluate=compiling(spread(partial(_evaluate_all, program)).lower(state.variables, data, arguments)),
            sharding=sharding,
            size=size,
        )


def _compile(
    program: Program,
    devices: tuple[jax.Device, ...],
    lowered: jax.stages.Lowered,
    options: Mapping[str, str | bool] | None = None,
) -> jax.stages.Compiled:
    # What is pinned is so for one thread.
    with pinned_for(program, devices[0]):
        return compile_or_load(lowered, devices, options)


def _over_trials(
    function: Callable, mesh: Mesh, together: int, *, shared: int = 0, donate: tuple[int, ...] = ()
) -> Any:
    """The function of one trial as a compilable function of a cohort: each array gets a leading axis of trials.

    The last `shared` arguments are the same for all trials. Each device runs its trials together (vmap), or its only
    trial as it is.
    """

    def on_device(*arguments: Any) -> Any:
        trials, common = arguments[: len(arguments) - shared], arguments[len(arguments) - shared :]
        if together > 1:
            return jax.vmap(lambda *own: function(*own, *common))(*trials)
        only = jax.tree.map(lambda array: array[0], trials)
        return jax.tree.map(lambda array: array[None], function(*only, *common))

    def on_mesh(*arguments: Any) -> Any:
        trial, common = PartitionSpec("trial"), PartitionSpec()
        specs = (trial,) * (len(arguments) - shared) + (common,) * shared
        # Trials share nothing, so there is nothing for the check of replication (check_vma) to find.
        return jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=trial, check_vma=False)(*arguments)

    return jax.jit(on_mesh, donate_argnums=donate)


def _evaluate_all(program: Program, variables: Variables, data: TrialData, arguments: Arguments) -> Evaluations:
    train = evaluate(program, variables, data.train, arguments.numbers)

    def on(pairs: PairSet) -> Evaluation:
        return evaluate(program, variables, pairs, arguments.numbers, train.threshold)

    return Evaluations(train, on(data.test), None if data.validation is None else on(data.validation))
