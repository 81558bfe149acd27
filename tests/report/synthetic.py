"""Stores filled with plausible results, for pages that need many trials and no training."""

import itertools

import numpy as np

from twofold.data import load_images
from twofold.networks import NETWORKS
from twofold.networks.typed import literal
from twofold.results import Store
from twofold.study import factorial

MEANS = {"NetBase": 0.17, "NetWS": 0.15, "NetAL": 0.07, "NetWSAL": 0.06}


def fill(url, *, rounds=20, networks=tuple(NETWORKS), epochs=8, seed=0, **axes):
    """A store with every combination of the axes; in every sixth round NetBase has a dead branch."""
    store = Store(url)
    draws = np.random.default_rng(0)
    settings = {"network": list(networks), "epochs": epochs, "seed": seed, **axes}
    plan = factorial(load_images("mnist5k"), rounds=range(rounds), **settings)
    store.share()  # a flush to the disk for each trial, and not several
    for place, trial in enumerate(plan):
        store.add(row_of(trial, draws, place))
    store.rest()
    return store


def add_own(
    store,
    *,
    factors,
    source="file.py:Twin",
    rounds=6,
    worth=None,
    identity="",
    day=1,
    constant=None,
    alike=None,
    trace=False,
):
    """Trials of a class of one's own at every combination of the factors' levels, like those that are in the store.

    `worth` is what the second level of each factor adds to the error. In every sixth round the first network has a dead
    layer. `identity` is the beginning of the networks' hashes, `day` that of February on which they were trained.
    """
    like = store.read(histories=True).iloc[0].to_dict() if alike is None else alike
    name, place = source.rpartition(":")[2], 0
    draws = np.random.default_rng(list(f"{source}{identity}".encode()))
    for number, levels in enumerate(itertools.product(*factors.values())):
        arguments = {**dict(zip(factors, levels, strict=True)), **(constant or {})}
        label = ", ".join(f"{argument}={literal(value)}" for argument, value in arguments.items())
        error = 0.15 + sum(
            (worth or {}).get(factor, 0) * (factors[factor].index(level))
            for factor, level in zip(factors, levels, strict=True)
        )
        for round_ in range(rounds):
            dead = 32 if number == 0 and round_ % 6 == 1 else int(draws.integers(0, 8))
            place += 1
            store.add({
                **like,
                "key": f"{source}{identity}{label}{round_}"[:64] if identity else f"{source}{label}{round_}",
                "network": f"{name}({label})" if label else name,
                "identity": (identity + format(number, "x").zfill(64))[:64] if identity else format(number, "x") * 64,
                "source": source,
                "arguments": arguments,
                "round": round_,
                "weight_round": round_,
                "weight_sharing": None,
                "auxiliary_losses": bool(arguments.get("aux", False)),
                "aux_weight": 1.0 if arguments.get("aux") else 0.0,
                "test_error": float(np.clip(error + draws.normal(0, 0.01), 0, 1)) + (0.2 if dead == 32 else 0),
                "digit_error": 0.05 if arguments.get("aux") else None,
                "dead_first": None,
                "dead_second": None,
                "dead_layers": {"first.0": [dead, 32], "relu": [int(draws.integers(0, 4)), 20]},
                "dead_units_trace": [[dead * epoch // 8, 1] for epoch in range(1, 9)] if trace else None,
                "torch_version": "2.9.0",
                "finished_at": f"2026-02-{day:02d}T00:{place // 60:02d}:{place % 60:02d}.000+00:00",
            })  # fmt: skip
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
