"""Conducting a plan: train what the store lacks, and store each trial as soon as it is complete.

The store is asked first: where it lacks nothing, no image is read and JAX is not even imported.
"""

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from twofold.data import Images, Source
from twofold.errors import StoreError
from twofold.results import Plan, Store
from twofold.results.patience import Patience
from twofold.study.keep import Keeper
from twofold.study.listener import Listener, Silence
from twofold.study.outbox import Outbox
from twofold.study.share import Share
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

    from twofold.study.cluster import Cluster
    from twofold.study.forecast import Forecast
    from twofold.study.trainer import Trainer

# Seconds between two looks at what another run trains for us.
_LOOK_EVERY = 2.0


def conduct(
    trials: Sequence[Trial],
    digits: Images | Source,
    store: Store,
    *,
    devices: "Callable[[], Sequence[jax.Device] | Cluster]",
    listener: Listener | None = None,
    trace: bool = False,
    keeper: Keeper | None = None,
    plan: Plan | None = None,
    on_row: Callable[[dict[str, Any]], Any] | None = None,
) -> None:
    """Train those of the trials that the store lacks, on all the devices, and store each when it is complete.

    `devices` is called when there is something to train, and not before; it gives those of this machine, or a cluster.
    With `trace`, a stored trial that lacks the
    epoch-by-epoch trace of dead units counts as lacking, as does with a `keeper` one whose network should have been
    kept. A `plan` that these trials are of is recorded first, even where there is nothing to train. Several runs may
    share a store: each trial is trained by the run that claims it first, and the others wait for its row. An
    interruption loses at most the trials of the cohort under way. Where the store goes away, what is trained waits for
    it in memory; where it stays away, that is written as another store. `on_row` is called with each row that this run
    has stored, in the thread that called this; what it raises ends the run, as an interruption does.

    Raises `DataError` where the digits do not suffice for the pairs, `StoreError` where the store fails.
    """
    listener = listener or Silence()
    patience = Patience(listener.note)
    outbox = Outbox(store, patience, keeper=keeper, on_row=on_row)
    wanted_again = keeper.lacks if keeper else lambda key: False
    share = Share(store, outbox, patience, listener.note, traced=trace, wanted_again=wanted_again)

    @functools.cache
    def trainer() -> "Trainer":
        ending.enter_context(share.going_on(trials, len(trials) - len(missing)))
        from twofold.study.trainer import Trainer

        kept = keeper is not None and keeper.keeps
        return Trainer(digits, share.claimed, outbox, devices(), trace=trace, kept=kept, note=listener.note)

    def still_lacking() -> list[Trial]:
        return patience.with_(lambda: lacking(trials, store, trace=trace, keeper=keeper))

    def ahead() -> "Forecast":
        from twofold.study.forecast import forecast

        keep = keeper.keep if keeper else "none"
        return forecast(missing, digits, devices(), store=store, trace=trace, keep=keep, short=True)

    missing = lacking(trials, store, trace=trace, keeper=keeper)
    if plan:
        record(plan, [trial.key for trial in trials], store, patience if missing else None, listener)
    listener.begin(len(trials), len(trials) - len(missing), sum(t.epochs for t in missing))
    if missing:
        to_train = {trial.key for trial in missing}
        listener.known(lambda: store.tested(trial.key for trial in trials if trial.key not in to_train))
        listener.expect(ahead)
    else:
        store.tidy()  # a run that was killed after its last trial may have left something
    waiting = False
    with ExitStack() as ending:
        while missing:
            trained = trainer().train(missing, listener)
            others = [trial for trial in missing if trial.key not in trained]
            still = set(still_lacking())
            missing = [trial for trial in others if trial in still]
            _tell_of_others([trial for trial in others if trial not in still], store, patience, listener)
            if missing:
                if not waiting:
                    listener.note(
                        f"waiting for another run on this store, which is training {len(missing)} of the "
                        f"{len(trials)} trials"
                    )
                waiting = True
                time.sleep(_LOOK_EVERY)
        # Which networks are the best shows only now; some may have been stored without being kept.
        while again := still_lacking():
            listener.note(
                f"trained once more, since their networks were not kept: {len(again)} of the {len(trials)} trials"
            )
            if not trainer().train(again, Silence()):
                time.sleep(_LOOK_EVERY)
        if keeper:
            patience.with_(keeper.finish)


def record(plan: Plan, keys: Sequence[str], store: Store, patience: Patience | None, listener: Listener) -> None:
    """Record a plan and these trials of it.

    A run without `patience` has nothing to store. What it finds recorded it leaves as it is, and where it may only
    read, it is told that its plan is not recorded, and goes on. Raises `StoreError` where another run cannot write.
    """
    if patience:
        patience.with_(lambda: store.record(plan, keys))
        return
    try:
        if not store.has_plan(plan, keys):
            store.record(plan, keys)
    except StoreError as error:
        listener.note(f"this run is not recorded among the plans: {error}")


def _tell_of_others(trials: Sequence[Trial], store: Store, patience: Patience, listener: Listener) -> None:
    """Tell the listener of trials of the plan that other runs have completed meanwhile."""
    listener.advance(sum(trial.epochs for trial in trials))
    for row in patience.with_(lambda: list(store.tested(trial.key for trial in trials))):
        listener.done(row)


def lacking(
    trials: Sequence[Trial], store: Store | None, *, trace: bool = False, keeper: Keeper | None = None
) -> list[Trial]:
    """Those of the trials that `conduct` would train: all, where there is no store."""
    if store is None:
        return list(trials)
    stored = store.present([trial.key for trial in trials], traced=trace)
    again = keeper.lacking(stored) if keeper else set()
    return [trial for trial in trials if trial.key not in stored or trial.key in again]
