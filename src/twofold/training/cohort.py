"""Many trainings at once: cohorts of trials, spread over the devices.

A mesh of all devices has the one axis "trial". On a processor each core is a device and trains one trial at a time:
its products are then small enough for its cache and large enough for its full speed. On a GPU each device trains as
many together as its memory holds. A trial's outcome does not depend on either.
"""

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Float, Int, PyTree, UInt32

from twofold.data import PairSet
from twofold.networks.protocol import Variables
from twofold.training.compiled import compile_or_load
from twofold.training.environment import pinned
from twofold.training.run import (
    MOST_EPOCHS,
    Arguments,
    Chunk,
    Evaluation,
    Program,
    evaluate,
    start,
    train_epochs,
)

# Seconds between two returns to Python, for progress and Ctrl-C.
_CHUNK_SECONDS = 1.0

# On a GPU or TPU: the part of the free memory that trials may fill, and the most trials that are worth while.
_MEMORY_SHARE = 0.8
_MOST_TOGETHER = 256

# For a function that runs once in a training: compiled in half the time.
_RUNS_ONCE: Mapping[str, str | bool] = {"xla_backend_optimization_level": "1"}

# Compiles one function after another, beside the main thread.
_COMPILER = ThreadPoolExecutor(max_workers=1)


class TrialData(NamedTuple):
    """The pairs of one trial, as NumPy arrays; `validation` may lack."""

    train: PairSet
    test: PairSet
    validation: PairSet | None = None


@dataclass(frozen=True)
class Job:
    """One training to do. `load` gives its pairs when its turn comes; `id` is the caller's, and is not looked at.

    `numbers` are those of `twofold.training.run.Arguments`; `initial` gives the variables to begin with, or None where
    the program makes them.
    """

    id: Any
    key: UInt32[np.ndarray, " 2"]
    numbers: Mapping[str, float]
    epochs: int
    load: Callable[[], TrialData]
    initial: Callable[[], Variables | None] = lambda: None


@dataclass(frozen=True)
class Outcome:
    """What a training came to; errors are fractions.

    `train_loss` is the mean loss of each epoch. `wrong` says which test pairs were answered wrongly. `dead_units` are
    those on the test images (see `evaluate`); the trace counts them after each epoch. A training has `diverged` if any
    loss or final parameter is not finite: its errors are those of the answers that such a network gives. `digit_error`
    is None for a network that names no classes, and `distance_threshold` for one that gives no embeddings, or whose
    distances are not finite: then it has diverged. `seconds` is the time that its device took for the cohort, divided
    by the trials that it trained there.
    """

    variables: Variables
    train_loss: Float[np.ndarray, " epochs"]
    train_error: float
    test_error: float
    wrong: Bool[np.ndarray, " test_pairs"]
    validation_error: float | None
    digit_error: float | None
    distance_threshold: float | None
    dead_units: PyTree[Int[np.ndarray, "..."]]
    dead_units_trace: PyTree[Int[np.ndarray, "epochs ..."]] | None
    diverged: bool
    seconds: float


def train_cohorts(
    program: Program,
    jobs: Iterable[Job],
    *,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[int], None] | None = None,
    together: int | None = None,
    expected: int | None = None,
) -> Iterator[tuple[Job, Outcome]]:
    """Train the jobs, a cohort at a time, and yield each with its outcome when its cohort is done.

    Jobs are taken from the iterable as there is room for them; the arrays that they load have equal shapes.
    `on_progress` is told about once a second how many more epochs are done, summed over trials. `together` is how
    many trials one device trains at the same time: by default 1 on a processor, as many as fit elsewhere. Where it is
    known how many jobs to expect, a device makes no room for more than its share, and all its cohorts are about as
    large.
    """
    devices = tuple(devices or jax.devices())
    waiting = iter(jobs)
    engine = None
    while first := next(waiting, None):
        prepared = [_prepared(first)]
        if engine is None:
            shapes = _shapes(prepared[0])
            each = together or _fitting(program, devices[0], shapes)
            each = _balanced(each, math.ceil(expected / len(devices))) if expected else each
            engine = _engine(program, shapes, devices, each)
        cohort = [first, *itertools.islice(waiting, engine.size - 1)]
        prepared += [_prepared(job) for job in cohort[1:]]
        with _pinned(program, devices):
            outcomes = list(_train_cohort(engine, cohort, prepared, on_progress))
        yield from zip(cohort, outcomes)


def _prepared(job: Job) -> tuple[Arguments, TrialData]:
    """What the compiled program takes for a training, as NumPy arrays."""
    numbers = {name: np.float32(value) for name, value in job.numbers.items()}
    arguments = Arguments(key=job.key, numbers=numbers, epochs=np.int32(job.epochs), initial=job.initial())
    return arguments, job.load()


def _pinned(program: Program, devices: Sequence[jax.Device]) -> AbstractContextManager[None]:
    return pinned(devices[0].platform, program.settings.precision)


def _balanced(fitting: int, share: int) -> int:
    """How many trials to train together, of those that fit, so that cohorts for a share of all are equally large."""
    return math.ceil(share / math.ceil(share / fitting))


class _Evaluations(NamedTuple):
    """The evaluations of one network on its training, test and validation pairs."""

    train: Evaluation
    test: Evaluation
    validation: Evaluation | None


class _Engine(NamedTuple):
    """The compiled functions for cohorts of `size` trials, and how their arrays are laid over the devices."""

    start: jax.stages.Compiled
    train_epochs: jax.stages.Compiled
    evaluate: Future[jax.stages.Compiled]
    sharding: NamedSharding
    size: int


def _train_cohort(
    engine: _Engine,
    cohort: Sequence[Job],
    prepared: Sequence[tuple[Arguments, TrialData]],
    on_progress: Callable[[int], None] | None,
) -> Iterator[Outcome]:
    """Train up to `engine.size` trials; places without one train for no epochs."""
    begin = time.perf_counter()
    idle = engine.size - len(cohort)
    epochs = np.array([job.epochs for job in cohort] + [0] * idle, np.int32)
    place = partial(jax.device_put, device=engine.sharding)
    arguments, data = _stack(prepared, idle)
    arguments, data = jax.tree.map(place, (arguments._replace(epochs=epochs), data))
    state, batches = engine.start(arguments, data.train)
    chunks: list[Chunk] = []
    done, length = 0, 1
    while done < epochs.max():
        chunk_begin = time.perf_counter()
        state, chunk = engine.train_epochs(state, arguments, data.train, batches, data.test, np.int32(length))
        chunks.append(jax.device_get(chunk))
        trained = np.clip(epochs - done, 0, length)
        done += length
        if on_progress:
            on_progress(int(trained.sum()))
        pace = (time.perf_counter() - chunk_begin) / length
        length = max(1, min(MOST_EPOCHS, int(_CHUNK_SECONDS / pace)))
        chunks[-1] = jax.tree.map(partial(_first, most=int(trained.max())), chunks[-1])
    evaluations = engine.evaluate.result()(state.variables, data, arguments)
    history = jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *chunks)
    results = jax.device_get((state.variables, history, evaluations))
    trials_a_device = math.ceil(len(cohort) / len(engine.sharding.device_set))
    seconds = (time.perf_counter() - begin) / trials_a_device
    for index, (job, (_, pairs)) in enumerate(zip(cohort, prepared)):
        # A number of NumPy's is no array.
        variables, chunk, evaluated = jax.tree.map(lambda array, i=index: np.asarray(array[i]), results)
        yield _outcome(job, pairs, variables, chunk, evaluated, seconds=seconds)


def _first(array: np.ndarray, *, most: int) -> np.ndarray:
    return array[:, :most]


def _outcome(
    job: Job,
    pairs: TrialData,
    variables: Variables,
    history: Chunk,
    evaluations: _Evaluations,
    *,
    seconds: float,
) -> Outcome:
    train, test, validation = evaluations
    losses = history.losses[: job.epochs]
    leaves = jax.tree.leaves(variables.parameters)
    finite = np.isfinite(losses).all() and all(np.isfinite(leaf).all() for leaf in leaves)
    wrong_classes, threshold = test.wrong_classes, None if train.threshold is None else float(train.threshold)
    has_threshold = threshold is not None and math.isfinite(threshold)
    return Outcome(
        variables=variables,
        train_loss=losses,
        train_error=_share(train.wrong),
        test_error=_share(test.wrong),
        wrong=test.wrong,
        validation_error=None if validation is None else _share(validation.wrong),
        digit_error=None if wrong_classes is None else int(wrong_classes) / pairs.test.classes.size,
        distance_threshold=threshold if has_threshold else None,
        dead_units=test.dead_units,
        dead_units_trace=jax.tree.map(lambda counts: counts[: job.epochs], history.dead_units),
        diverged=not finite or (threshold is not None and not has_threshold),
        seconds=seconds,
    )


def _share(wrong: Bool[np.ndarray, " n"]) -> float:
    return int(wrong.sum()) / len(wrong)


def _stack(trees: Sequence[Any], idle: int) -> Any:
    """The trees as one with a leading axis; idle places repeat the first."""
    return jax.tree.map(lambda *leaves: np.stack([*leaves, *[leaves[0]] * idle]), *trees)


def _shapes(tree: Any) -> Any:
    """The tree with each array's shape and type in its place, hashable."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracing and compiling make so many objects that looking for garbage among them takes a fifth of the time."""
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


@lru_cache(maxsize=32)
@_no_garbage_collection()
def _engine(program: Program, shapes: Any, devices: tuple[jax.Device, ...], together: int) -> _Engine:
    """Compile the three functions of a training, for cohorts on these devices."""
    with _pinned(program, devices):
        return _compiled_engine(program, shapes, devices, together)


def _compiled_engine(program: Program, shapes: Any, devices: tuple[jax.Device, ...], together: int) -> _Engine:
    mesh = Mesh(np.array(devices), ("trial",))
    sharding = NamedSharding(mesh, PartitionSpec("trial"))
    size = together * len(devices)

    def for_cohort(shape: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((size, *shape.shape), shape.dtype, sharding=sharding)

    arguments, data = jax.tree.map(for_cohort, jax.tree.unflatten(*shapes))
    length = jax.ShapeDtypeStruct((), np.int32, sharding=NamedSharding(mesh, PartitionSpec()))
    spread = partial(_over_trials, mesh=mesh, together=together)
    begin = spread(partial(start, program))
    state, batches = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding),
        jax.eval_shape(begin, arguments, data.train),
    )
    train = spread(partial(train_epochs, program), shared=1, donate=(0,))
    # XLA compiles one function while the next is traced; the last one can wait until a training is through.

    def compiling(
        lowered: jax.stages.Lowered, options: Mapping[str, str | bool] | None = None
    ) -> Future[jax.stages.Compiled]:
        return _COMPILER.submit(_compile, program, devices, lowered, options)

    starting = compiling(begin.lower(arguments, data.train), _RUNS_ONCE)
    training = compiling(train.lower(state, arguments, data.train, batches, data.test, length))
    evaluating = compiling(spread(partial(_evaluate_all, program)).lower(state.variables, data, arguments))
    return _Engine(
        start=starting.result(),
        train_epochs=training.result(),
        evaluate=evaluating,
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
    with _pinned(program, devices):
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


def _evaluate_all(program: Program, variables: Variables, data: TrialData, arguments: Arguments) -> _Evaluations:
    train = evaluate(program, variables, data.train, arguments.numbers)

    def on(pairs: PairSet) -> Evaluation:
        return evaluate(program, variables, pairs, arguments.numbers, train.threshold)

    return _Evaluations(train, on(data.test), None if data.validation is None else on(data.validation))


def _fitting(program: Program, device: jax.Device, shapes: Any) -> int:
    """How many trials a device should train together: 1 on a processor, elsewhere what its memory holds."""
    if device.platform == "cpu":
        return 1
    memory = device.memory_stats() or {}
    free = memory.get("bytes_limit", 0) - memory.get("bytes_in_use", 0)
    one: Any = _engine(program, shapes, (device,), 1).train_epochs.memory_analysis()
    needed = one.argument_size_in_bytes + one.output_size_in_bytes + one.temp_size_in_bytes
    return max(1, min(_MOST_TOGETHER, int(_MEMORY_SHARE * free / needed)))
