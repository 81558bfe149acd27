"""Stores filled with plausible results, for pages that need many trials and no training."""

import numpy as np

from twofold.data import load_digits
from twofold.networks import NETWORKS
from twofold.results import Store
from twofold.study import factorial

MEANS = {"NetBase": 0.17, "NetWS": 0.15, "NetAL": 0.07, "NetWSAL": 0.06}


def fill(url, *, rounds=20, networks=tuple(NETWORKS), epochs=8, seed=0, **axes):
    """A store with every combination of the axes; in every sixth round NetBase has a dead branch."""
    store = Store(url)
    draws = np.random.default_rng(0)
    settings = {"network": list(networks), "epochs": epochs, "seed": seed, **axes}
    plan = factorial(load_digits("mnist5k"), rounds=range(rounds), **settings)
    for place, trial in enumerate(plan):
        store.add(row_of(trial, draws, place))
    return store


def row_of(trial, draws, place=0):
    """A row of the results store for a trial, as if it had been trained."""
    architecture = NETWORKS[trial.network]
    collapsed = trial.network == "NetBase" and trial.round % 6 == 1
    error = 0.33 if collapsed else MEANS[trial.network]
    error = float(np.clip(error + draws.normal(0, 0.01), 0, 1))
    settings = {name: getattr(trial, name) for name in trial.__dataclass_fields__}
    return {
        "key": trial.key,
        **settings,
        "weight_sharing": architecture.weight_sharing,
        "auxiliary_losses": architecture.auxiliary_losses,
        "train_error": 0.0,
        "validation_error": error + 0.002,
        "test_error": error,
        "digit_error": 0.05 if architecture.auxiliary_losses else None,
        "dead_first": 10 if collapsed else int(draws.integers(0, 5)),
        "dead_second": int(draws.integers(0, 5)),
        "diverged": False,
        "train_loss": [float(x) for x in np.exp(-np.arange(trial.epochs)) + draws.uniform(0, 0.01, trial.epochs)],
        "dead_units_trace": None,
        "seconds": 1.5,
        "twofold_version": "0.1.0",
        "jax_version": "0.10.0",
        "device": "cpu: some processor",
        "finished_at": f"2026-01-01T00:{place // 60 % 60:02d}:{place % 60:02d}.000+00:00",
    }
