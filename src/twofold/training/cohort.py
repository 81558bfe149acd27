"""Many trainings at once: cohorts of trials, spread over the devices.

A mesh of all devices has the one axis "trial". On a processor each core is a device and trains one trial at a time:
its products are then small enough for its cache and large enough for its full speed. On a GPU each device trains as
many together as its memory holds, and has the next cohort's pairs before it is through with the one before. A trial's
outcome does not depend on either. Meanwhile the programs that are wanted next are compiled.
"""

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PyTree, UInt32

from twofold.errors import SettingError
from twofold.networks.protocol import Variables
from twofold.training import engines
from twofold.training.engines import Engine, Evaluations, pinned_for, shapes_of
from twofold.training.room import balanced, fitting, free_memory
from twofold.training.run import MOST_EPOCHS, Arguments, Chunk, Program, TrialData

# Seconds between two returns to Python, for progress and Ctrl-C.
_CHUNK_SECONDS = 1.0

# What XLA's error says where a device has no memory left.
_NO_MEMORY = "RESOURCE_EXHAUSTED"


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


class Work(NamedTuple):
    """Jobs of one program, taken as there is room for them; the arrays that they load have equal shapes.

    With an `example`, which is any such job, the program is compiled ahead. `expected` is how many jobs there may be,
    where that is known: then a device makes no room for more than its share, and all its cohorts are about as large.
    """

    program: Program
    jobs: Iterable[Job]
    example: Job | None = None
    expected: int | None = None


def train_cohorts(
    program: Program,
    jobs: Iterable[Job],
    *,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[int], None] | None = None,
    together: int | None = None,
    expected: int | None = None,
) -> Iterator[tuple[Job, Outcome]]:
    """`train_works` for the jobs of one program."""
    work = Work(program, jobs, expected=expected)
    return train_works([work], devices=devices, on_progress=on_progress, together=together)


def train_works(
    works: Sequence[Work],
    *,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[int], None] | None = None,
    together: int | None = None,
) -> Iterator[tuple[Job, Outcome]]:
    """Train the jobs, a cohort at a time, and yield each with its outcome when its cohort is done.

    `on_progress` is told about once a second how many more epochs are done, summed over trials: less than none where a
    cohort begins again. `together` is how many trials one device trains at the same time: by default 1 on a processor,
    as many as fit elsewhere. Jobs are taken, loaded and told of in the thread that asks for the outcomes, but for the
    pairs of those that follow on a GPU.
    """
    devices = tuple(devices or jax.devices())
    tell = on_progress or (lambda epochs: None)
    line = _Line(works, devices, together)
    way = _one_by_one if engines.platform_of(devices[0]) == "cpu" else _overlapping
    return way(line, tell)


class _Cohort(NamedTuple):
    """Jobs that are trained together, with what the compiled program takes for them beside their pairs.

    `place` is that of their work, and `together` how many of them a device trains at the same time.
    """

    place: int
    program: Program
    jobs: Sequence[Job]
    arguments: Sequence[Arguments]
    together: int
    engine: Future[Engine]


class _Line:
    """The works, cut into cohorts as these are asked for, and the engines that train them."""

    def __init__(self, works: Sequence[Work], devices: tuple[jax.Device, ...], together: int | None) -> None:
        self._works, self._devices, self._wanted = list(works), devices, together
        self._free = free_memory(devices[0])
        self._shapes: dict[int, Any] = {}
        self._together: dict[int, int] = {}  # for each work, on a device
        self._begun: list[Future[Engine]] = []

    def __iter__(self) -> Iterator[_Cohort]:
        for place, work in enumerate(self._works):
            jobs = iter(work.jobs)
            while first := next(jobs, None):
                if place not in self._shapes:
                    self._begin(place, first)
                    self._begin_those_after(place)
                size = self._together[place] * len(self._devices)
                yield self._cohort(place, [first, *itertools.islice(jobs, size - 1)])

    def halved(self, cohort: _Cohort) -> list[_Cohort]:
        """The same jobs in two cohorts or more, since memory did not suffice; those after them are as small."""
        if cohort.together == 1:
            raise SettingError(
                f"`batch_size` (={cohort.program.settings.batch_size}): one training of this network needs more "
                "memory than the device has left; use a smaller batch, or fewer pairs"
            )
        self._together[cohort.place] = min(self._together[cohort.place], math.ceil(cohort.together / 2))
        size = self._together[cohort.place] * len(self._devices)
        parts = range(0, len(cohort.jobs), size)
        return [self._cohort(cohort.place, cohort.jobs[first : first + size]) for first in parts]

    def leave(self) -> None:
        """Have nothing traced any more that is not begun."""
        engines.leave(self._begun)

    def _cohort(self, place: int, jobs: Sequence[Job]) -> _Cohort:
        arguments = [_arguments(job) for job in jobs]
        return _Cohort(place, self._works[place].program, jobs, arguments, self._together[place], self._engine(place))

    def _begin(self, place: int, job: Job) -> None:
        """Begin the engine of a work that has such jobs."""
        work = self._works[place]
        shapes = shapes_of((_arguments(job), job.load()))
        most = self._wanted or fitting(work.program, self._devices[0], shapes, self._free)
        share = math.ceil(work.expected / len(self._devices)) if work.expected else most
        self._together[place] = self._wanted or balanced(most, share)
        self._shapes[place] = shapes
        self._engine(place)

    def _begin_those_after(self, place: int) -> None:
        for following in range(place + 1, min(place + 1 + engines.COMPILERS, len(self._works))):
            if (example := self._works[following].example) and following not in self._shapes:
                with suppress(Exception):  # whatever is wrong with it shows when its turn comes
                    self._begin(following, example)

    def _engine(self, place: int) -> Future[Engine]:
        future = engines.engine(self._works[place].program, self._shapes[place], self._devices, self._together[place])
        self._begun.append(future)
        return future


def _arguments(job: Job) -> Arguments:
    numbers = {name: np.float32(value) for name, value in job.numbers.items()}
    return Arguments(key=job.key, numbers=numbers, epochs=np.int32(job.epochs), initial=job.initial())


def _one_by_one(line: _Line, tell: Callable[[int], None]) -> Iterator[tuple[Job, Outcome]]:
    """On a processor: its cores have all that they need at hand."""
    with ExitStack() as ending:
        ending.callback(line.leave)
        for cohort in line:
            pairs, placed = _placed(cohort)
            yield from _outcomes(cohort, pairs, _trained(cohort, placed, tell))


def _overlapping(line: _Line, tell: Callable[[int], None]) -> Iterator[tuple[Job, Outcome]]:
    """On a GPU: while one cohort is trained, the next is on its way there, and the one before becomes outcomes.

    Where memory does not suffice, a cohort is trained in halves.
    """
    stopped = threading.Event()
    with ExitStack() as ending:
        loader, trainer = (ending.enter_context(ThreadPoolExecutor(1, name)) for name in ("loader", "trainer"))
        for end in (trainer.shutdown, loader.shutdown):
            ending.callback(end, wait=False, cancel_futures=True)
        ending.callback(line.leave)
        ending.callback(stopped.set)

        def begin(cohort: _Cohort) -> _Underway:
            return _Underway(cohort, loader, trainer, stopped)

        underway: deque[_Underway] = deque()
        cohorts = iter(line)
        while True:
            underway.extend(map(begin, itertools.islice(cohorts, max(0, _UNDERWAY - len(underway)))))
            if not underway:
                return
            first = underway.popleft()
            outcomes = first.outcomes(tell)
            if outcomes is None:
                underway.extendleft(reversed([begin(part) for part in line.halved(first.cohort)]))
            else:
                yield from outcomes


# One that is trained, and one that waits.
_UNDERWAY = 2


class _Underway:
    """A cohort whose pairs are loaded in one thread, and that is trained in another."""

    def __init__(
        self, cohort: _Cohort, loader: ThreadPoolExecutor, trainer: ThreadPoolExecutor, stopped: threading.Event
    ) -> None:
        self.cohort = cohort
        self._told: SimpleQueue[int | None] = SimpleQueue()
        self._stopped = stopped
        self._loaded = loader.submit(_placed, cohort)
        self._done = trainer.submit(self._train)
        self._done.add_done_callback(lambda _: self._told.put(None))

    def outcomes(self, tell: Callable[[int], None]) -> Iterable[tuple[Job, Outcome]] | None:
        """What comes out, when all is trained; None, and what was told is taken back, where memory does not suffice."""
        told = 0
        while (epochs := self._told.get()) is not None:
            told += epochs
            tell(epochs)
        if (done := self._done.result()) is None:
            if told:
                tell(-told)
            return None
        return _outcomes(self.cohort, *done)

    def _train(self) -> "tuple[Sequence[TrialData], _Trained] | None":
        """The pairs, and what came of them. Nothing here outlives it that holds the memory of a device."""
        try:
            pairs, placed = self._loaded.result()
            del self._loaded
            return pairs, _trained(self.cohort, placed, self._tell)
        except jax.errors.JaxRuntimeError as error:
            if _NO_MEMORY not in str(error):
                raise
        return None

    def _tell(self, epochs: int) -> None:
        if self._stopped.is_set():
            raise InterruptedError("the run has ended")
        self._told.put(epochs)


class _Placed(NamedTuple):
    """What a cohort takes, on its devices."""

    arguments: Arguments
    data: TrialData


class _Trained(NamedTuple):
    """What came of a cohort, on its devices but for the history, and the seconds that a trial took."""

    variables: Variables
    history: Chunk
    evaluations: Evaluations
    seconds: float


def _placed(cohort: _Cohort) -> tuple[Sequence[TrialData], _Placed]:
    """The pairs of a cohort, and what it takes on its devices; places without a trial train for no epochs."""
    pairs = [job.load() for job in cohort.jobs]
    engine = cohort.engine.result()
    idle = engine.size - len(cohort.jobs)
    arguments, data = _stack(list(zip(cohort.arguments, pairs)), idle)
    epochs = np.array([job.epochs for job in cohort.jobs] + [0] * idle, np.int32)
    with pinned_for(cohort.program, engine.device):
        return pairs, _Placed(*jax.device_put((arguments._replace(epochs=epochs), data), engine.sharding))


def _trained(cohort: _Cohort, placed: _Placed, tell: Callable[[int], None]) -> _Trained:
    engine, (arguments, data) = cohort.engine.result(), placed
    start, train_epochs = engine.start.result(), engine.train_epochs.result()
    with pinned_for(cohort.program, engine.device):
        begin = time.perf_counter()
        epochs = np.array([job.epochs for job in cohort.jobs], np.int32)
        state, batches = start(arguments, data.train)
        chunks: list[Chunk] = []
        done, length = 0, 1
        while done < epochs.max():
            chunk_begin = time.perf_counter()
            state, chunk = train_epochs(state, arguments, data.train, batches, data.test, np.int32(length))
            chunks.append(jax.device_get(chunk))
            trained = np.clip(epochs - done, 0, length)
            done += length
            tell(int(trained.sum()))
            pace = (time.perf_counter() - chunk_begin) / length
            length = max(1, min(MOST_EPOCHS, int(_CHUNK_SECONDS / pace)))
            chunks[-1] = jax.tree.map(partial(_first, most=int(trained.max())), chunks[-1])
        evaluations = jax.block_until_ready(engine.evaluate.result()(state.variables, data, arguments))
        history = jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *chunks)
        trials_a_device = math.ceil(len(cohort.jobs) / len(engine.sharding.device_set))
        return _Trained(state.variables, history, evaluations, (time.perf_counter() - begin) / trials_a_device)


def _outcomes(cohort: _Cohort, pairs: Sequence[TrialData], trained: _Trained) -> Iterator[tuple[Job, Outcome]]:
    with pinned_for(cohort.program, cohort.engine.result().device):
        results = jax.device_get((trained.variables, trained.history, trained.evaluations))
    for index, (job, own) in enumerate(zip(cohort.jobs, pairs)):
        # A number of NumPy's is no array.
        variables, chunk, evaluated = jax.tree.map(lambda array, i=index: np.asarray(array[i]), results)
        yield job, _outcome(job, own, variables, chunk, evaluated, seconds=trained.seconds)


def _first(array: np.ndarray, *, most: int) -> np.ndarray:
    return array[:, :most]


def _outcome(
    job: Job,
    pairs: TrialData,
    variables: Variables,
    history: Chunk,
    evaluations: Evaluations,
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
