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
) -> None:
    """Train those of the trials that the store lacks, on all the devices, and store each when it is complete.

    With `trace`, a stored trial that lacks the epoch-by-epoch trace of dead units counts as lacking. Several runs
    may share a store: each trial is trained by the run that claims it first, and the others wait for its row. An
    interruption loses at most the trials of the cohort under way.

    Raises `DataError` where the digits do not suffice for the pairs, `StoreError` where the store fails.
    """
    listener = listener or Silence()
    owner = new_owner()
    missing = _missing(trials, store, trace)
    listener.begin(len(trials), len(trials) - len(missing), sum(t.epochs for t in missing))
    on_progress = _progress(listener, functools.partial(store.renew_claims, owner))
    load = functools.lru_cache(maxsize=8)(functools.partial(_draw, digits))
    waiting = False
    try:
        while missing:
            trained: set[str] = set()
            for program, group in _groups(missing, trace):
                claimed = (trial for trial in group if store.claim(trial.key, owner, traced=trace))
                jobs = (_job(trial, load) for trial in claimed)
                for job, outcome in train_cohorts(program, jobs, devices=devices, on_progress=on_progress):
                    row = _row(job.id, outcome, devices[0])
                    store.add(row)
                    trained.add(job.id.key)
                    listener.done(row)
            others = [trial for trial in missing if trial.key not in trained]
            missing = _missing(others, store, trace)
            _tell_of_others([trial for trial in others if trial not in missing], store, listener)
            if missing:
                if not waiting:
                    listener.note(
                        f"waiting for another run on this store, which is training {len(missing)} of the "
                        f"{len(trials)} trials"
                    )
                waiting = True
                time.sleep(_LOOK_EVERY)
    finally:
        store.release_claims(owner)


def _tell_of_others(trials: Sequence[Trial], store: Store, listener: Listener) -> None:
    """Tell the listener of trials of the plan that other runs have completed meanwhile."""
    listener.advance(sum(trial.epochs for trial in trials))
    for row in store.read([trial.key for trial in trials]).to_dict("records"):
        listener.done({str(name): value for name, value in row.items()})


def _missing(trials: Sequence[Trial], store: Store, trace: bool) -> list[Trial]:
    stored = store.present([trial.key for trial in trials], traced=trace)
    return [trial for trial in trials if trial.key not in stored]


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
