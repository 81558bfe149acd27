"""Conducting a plan: train what the store lacks, and store each trial as soon as it is complete.

The store is asked first: where it lacks nothing, no image is read and JAX is not even imported.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twofold import shutdown
from twofold.data import Images, Source
from twofold.results import Store, new_owner
from twofold.study.keep import Keeper
from twofold.study.listener import Listener, Silence
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

    from twofold.study.trainer import Trainer

# Seconds between two looks at what another run trains for us.
_LOOK_EVERY = 2.0


def conduct(
    trials: Sequence[Trial],
    digits: Images | Source,
    store: Store,
    *,
    devices: Callable[[], "Sequence[jax.Device]"],
    listener: Listener | None = None,
    trace: bool = False,
    keeper: Keeper | None = None,
) -> None:
    """Train those of the trials that the store lacks, on all the devices, and store each when it is complete.

    `devices` is called when there is something to train, and not before. With `trace`, a stored trial that lacks the
    epoch-by-epoch trace of dead units counts as lacking, as does with a `keeper` one whose network should have been
    kept. Several runs may share a store: each trial is trained by the run that claims it first, and the others wait for
    its row. An interruption loses at most the trials of the cohort under way.

    Raises `DataError` where the digits do not suffice for the pairs, `StoreError` where the store fails.
    """
    listener = listener or Silence()
    owner = new_owner()
    release = functools.partial(store.release_claims, owner)

    @functools.cache
    def trainer() -> "Trainer":
        shutdown.register(release)
        from twofold.study.trainer import Trainer

        return Trainer(digits, store, owner, devices(), trace=trace, keeper=keeper, note=listener.note)

    missing = _missing(trials, store, trace, keeper)
    listener.begin(len(trials), len(trials) - len(missing), sum(t.epochs for t in missing))
    waiting = False
    try:
        while missing:
            trained = trainer().train(missing, listener)
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
            listener.note(
                f"trained once more, since their networks were not kept: {len(again)} of the {len(trials)} trials"
            )
            if not trainer().train(again, Silence()):
                time.sleep(_LOOK_EVERY)
        if keeper:
            keeper.finish()
    finally:
        if trainer.cache_info().misses:  # else nothing was claimed, and the store is left alone
            shutdown.unregister(release)
            release()


def _tell_of_others(trials: Sequence[Trial], store: Store, listener: Listener) -> None:
    """Tell the listener of trials of the plan that other runs have completed meanwhile."""
    listener.advance(sum(trial.epochs for trial in trials))
    for row in store.read([trial.key for trial in trials]).to_dict("records"):
        listener.done({str(name): value for name, value in row.items()})


def _missing(trials: Sequence[Trial], store: Store, trace: bool, keeper: Keeper | None) -> list[Trial]:
    stored = store.present([trial.key for trial in trials], traced=trace)
    again = keeper.lacking(stored) if keeper else set()
    return [trial for trial in trials if trial.key not in stored or trial.key in again]
