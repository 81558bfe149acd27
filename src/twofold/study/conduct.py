"""Conducting a plan: train what the store lacks, and store each trial as soon as it is complete."""

import dataclasses
import functools
import itertools
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from twofold import __version__
from twofold.data import Digits, draw_pairs, standardise
from twofold.networks import NETWORKS
from twofold.results import Store, new_owner
from twofold.study.keep import Keeper
from twofold.study.trial import Trial
from twofold.training import Job, Outcome, Program, TrialData, train_cohorts, trial_key

# Seconds between two signs of life to the store, and between two looks at what another run trains for us.
_RENEW_EVERY = 20.0
_LOOK_EVERY = 2.0


@runtime_checkable
class Listener(Protocol):
    """What a run tells of itself while it goes on."""

    def begin(self, trials: int, stored: int, epochs: int) -> None:
        """The plan has `trials`, of which `stored` are there already; `epochs` of training lie ahead."""

    def advance(self, epochs: int) -> None:
        """So many more epochs are trained, summed over trials."""

    def done(self, row: dict[str, Any]) -> None:
        """A trial is complete and stored."""

    def note(self, text: str) -> None:
        """Something that the user should know."""


class Silence:
    """The listener that says nothing."""

    def begin(self, trials: int, stored: int, epochs: int) -> None: ...
    def advance(self, epochs: int) -> None: ...
    def done(self, row: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...


def conduct(
    trials: Sequence[Trial],
    digits: Digits,
    store: Store,
    *,
    devices: Sequence[jax.Device],
    listener: Listener | None = None,
    trace: bool = False,
    keeper: Keeper | None = None,
) -> None:
    """Train those of the trials that the store lacks, on all the devices, and store each when it is complete.

    With `trace`, a stored trial that lacks the epoch-by-epoch trace of dead units counts as lacking, as does with a
    `keeper` one whose network should have been kept. Several runs may share a store: each trial is trained by the
    run that claims it first, and the others wait for its row. An interruption loses at most the trials of the
    cohort under way.

    Raises `DataError` where the digits do not suffice for the pairs, `StoreError` where the store fails.
    """
    listener = listener or Silence()
    owner = new_owner()
    load = functools.lru_cache(maxsize=8)(functools.partial(_draw, digits))
    train = functools.partial(_train, load=load, store=store, owner=owner, devices=devices, trace=trace, keeper=keeper)
    missing = _missing(trials, store, trace, keeper)
    listener.begin(len(trials), len(trials) - len(missing), sum(t.epochs for t in missing))
    waiting = False
    try:
        while missing:
            trained = train(missing, listener=listener)
            others = [trial for trial in missing if trial.key not in trained]
            lacking = set(_missing(trials, store, trace, keeper))
            missing = [trial for trial in others if trial in lacking]
            _tell_of_others([trial for trial in others if trial not in lacking], store, listener)
            if missing:
                if not waiting:
                    listener.note(
                        f"waiting for another run on this store, which is training {len(missing)} of the "
                        f"{len(trials)} trials"
                    )
                waiting = True
                time.sleep(_LOOK_EVERY)
        # Which networks are the best shows only now; some may have been stored without being kept.
        while again := _missing(trials, store, trace, keeper):
            listener.note(f"training {len(again)} trials once more, whose networks were not kept")
            if not train(again, listener=Silence()):
                time.sleep(_LOOK_EVERY)
        if keeper:
            keeper.finish()
    finally:
        store.release_claims(owner)


def _train(
    trials: Sequence[Trial],
    *,
    load: Callable[..., TrialData],
    store: Store,
    owner: str,
    devices: Sequence[jax.Device],
    listener: Listener,
    trace: bool,
    keeper: Keeper | None,
) -> set[str]:
    """Train those of the trials that no other run has claimed or completed, store each, and return their keys."""
    on_progress = _progress(listener, functools.partial(store.renew_claims, owner))
    wanted_again = keeper.lacks if keeper else None
    trained = set()
    for program, group in _groups(trials, trace):
        claimed = (t for t in group if store.claim(t.key, owner, traced=trace, wanted_again=wanted_again))
        jobs = (_job(trial, load) for trial in claimed)
        cohorts = train_cohorts(program, jobs, devices=devices, on_progress=on_progress, expected=len(group))
        for job, outcome in cohorts:
            row = _row(job.id, outcome, devices[0])
            if keeper:
                # Before the row, so that a trial that is stored has its network kept, whenever a run is killed.
                keeper.offer(job.id, row, outcome.network)
            # A training repeated for its network alone leaves its row, and any trace in it, as it was.
            if not store.present([job.id.key], traced=trace):
                store.add(row)
            trained.add(job.id.key)
            listener.done(row)
    return trained


def _tell_of_others(trials: Sequence[Trial], store: Store, listener: Listener) -> None:
    """Tell the listener of trials of the plan that other runs have completed meanwhile."""
    listener.advance(sum(trial.epochs for trial in trials))
    for row in store.read([trial.key for trial in trials]).to_dict("records"):
        listener.done({str(name): value for name, value in row.items()})


def _missing(trials: Sequence[Trial], store: Store, trace: bool, keeper: Keeper | None) -> list[Trial]:
    stored = store.present([trial.key for trial in trials], traced=trace)
    again = keeper.lacking(stored) if keeper else set()
    return [trial for trial in trials if trial.key not in stored or trial.key in again]


def _groups(trials: Sequence[Trial], trace: bool) -> Iterator[tuple[Program, list[Trial]]]:
    """The trials that one compiled program trains: equal programs, on arrays of equal shapes.

    Within a group short trainings come first, so that those of one cohort take about equally long.
    """

    def shape(trial: Trial) -> tuple:
        return (*dataclasses.astuple(trial.program), trial.pairs, trial.test_pairs, trial.validation_pairs)

    for _, group in itertools.groupby(sorted(trials, key=lambda t: (shape(t), t.epochs)), key=shape):
        alike = list(group)
        yield dataclasses.replace(alike[0].program, trace=trace), alike


def _draw(
    digits: Digits,
    seed: int,
    round_: int,
    relation: str,
    pairs: int,
    test_pairs: int,
    validation_pairs: int,
    normalise: bool,
) -> TrialData:
    draw = functools.partial(draw_pairs, digits, seed=seed, round=round_, relation=relation, training_pairs=pairs)
    train, test = draw(split="train", pairs=pairs), draw(split="test", pairs=test_pairs)
    validation = draw(split="validation", pairs=validation_pairs) if validation_pairs else None
    if normalise:
        train, test, *rest = standardise(train, test, *([validation] if validation else []))
        validation = rest[0] if rest else None
    return TrialData(train=train, test=test, validation=validation)


def _job(trial: Trial, load: Callable[..., TrialData]) -> Job:
    return Job(
        id=trial,
        key=trial_key(trial.seed, trial.round),
        learning_rate=trial.learning_rate,
        aux_weight=trial.aux_weight,
        negative_slope=trial.negative_slope,
        epochs=trial.epochs,
        load=functools.partial(
            load,
            trial.seed,
            trial.round,
            trial.relation,
            trial.pairs,
            trial.test_pairs,
            trial.validation_pairs,
            trial.normalise,
        ),
    )


def _progress(listener: Listener, renew_claims: Callable[[], None]) -> Callable[[int], None]:
    """Pass progress on to the listener and, now and then, a sign of life to the store."""
    renewed = time.monotonic()

    def on_progress(epochs: int) -> None:
        nonlocal renewed
        listener.advance(epochs)
        if time.monotonic() - renewed > _RENEW_EVERY:
            renew_claims()
            renewed = time.monotonic()

    return on_progress


def _row(trial: Trial, outcome: Outcome, device: jax.Device) -> dict[str, Any]:
    """The row of the results store for one complete trial."""
    architecture = NETWORKS[trial.network]
    trace = outcome.dead_units_trace
    return {
        "key": trial.key,
        **dataclasses.asdict(trial),
        "weight_sharing": architecture.weight_sharing,
        "auxiliary_losses": architecture.auxiliary_losses,
        "train_error": outcome.train_error,
        "validation_error": outcome.validation_error,
        "test_error": outcome.test_error,
        "digit_error": outcome.digit_error if architecture.auxiliary_losses else None,
        "dead_first": int(outcome.dead_units[0]),
        "dead_second": int(outcome.dead_units[1]),
        "diverged": outcome.diverged,
        "train_loss": [x if math.isfinite(x) else None for x in map(float, outcome.train_loss)],
        "dead_units_trace": None if trace is None else [[int(a), int(b)] for a, b in trace],
        "seconds": outcome.seconds,
        "twofold_version": __version__,
        "jax_version": jax.__version__,
        "device": device_name(device),
        "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


@functools.cache
def device_name(device: jax.Device) -> str:
    """The device as a reader would name it: the processor's model, where JAX only says "cpu"."""
    if device.platform != "cpu":
        return f"{device.platform}: {device.device_kind}"
    return f"cpu: {_processor_model() or platform.processor() or platform.machine()}"


def _processor_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
