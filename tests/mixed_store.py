"""A store with all that must not be pooled: searches, confirmations, data sets, relations, pairs, crossed rounds.

The errors of each section lie in a range of its own, with gaps between, so that a mean over two sections lies in none.
Crossed trials err far more than any section, so that a mean in which one of them is lies in none either. Each section
is a plan, and so are the crossed trials.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.report.synthetic import row_of

from twofold.networks import NETWORKS
from twofold.results import Plan, Store
from twofold.settings import is_fresh
from twofold.study import Trial
from twofold.study.trial import key_of_row

# Errors of a section are at most so far above its lowest, and sections are twice as far apart.
WIDTH = 0.02
SEARCHED, FRESH = range(3), range(1000, 1005)

# What the two searches choose among.
_RATES = (0.001, 0.01)

# Sections: each with the settings that make it one, whether settings were searched, and the seeds of its rounds.
_MADE = (
    ({"data": "mnist5k"}, True, (0,)),
    ({"data": "mnist5k", "relation": "=="}, True, (0,)),
    ({"data": "fashion-mnist"}, False, (0, 1)),
    ({"data": "kmnist", "pool": 1}, False, (0,)),
    ({"data": "mnist5k", "pairs": 100}, False, (0,)),
    ({"data": "mnist5k", "normalise": True}, False, (0,)),
    ({"data": "mnist5k", "balance": True}, False, (0,)),
    ({"data": "mnist5k", "validation_pairs": 200}, False, (0,)),
)

# The section that has its initial weights crossed with its pairs, and the lowest error of those trials.
_CROSSED, _LOW_OF_CROSSED = {"data": "kmnist", "pool": 1}, 0.9


@dataclass(frozen=True)
class Mixed:
    """The store, and the lowest error of each section, by what tells it: its settings, and whether it is fresh."""

    path: Path
    lowest: dict[tuple, float]

    def section_of(self, row) -> float:
        """The lowest error of the section of a row with settings and a round."""
        return self.lowest[told(row, bool(is_fresh(row["round"])))]


def told(row, fresh) -> tuple:
    """What tells the section of a row, written out: the code under test has a function of its own."""
    names = ("data", "pool", "relation", "pairs", "normalise", "balance", "validation_pairs")
    return (*(row[name] for name in names), fresh)


def mixed_store(path: Path) -> Mixed:
    """Make the store."""
    store, lowest, draws = Store(str(path)), {}, np.random.default_rng(7)
    store.share()
    for settings, searched, seeds in _MADE:
        for rounds in (SEARCHED, FRESH) if searched else (SEARCHED,):
            rates = _RATES if rounds is SEARCHED and searched else _RATES[:1]
            low = 0.02 + 2 * WIDTH * len(lowest)
            lowest[told({**_defaults(), **settings}, rounds is FRESH)] = low
            drawn = [{"round": round_, "seed": seed} for seed, round_ in itertools.product(seeds, rounds)]
            _add(store, drawn, settings | {"learning_rate": list(rates), "seed": list(seeds)}, low, draws)
    crossed = [{"round": pairs, "weight_round": weights} for pairs, weights in itertools.permutations(SEARCHED, 2)]
    _add(store, crossed, _CROSSED | {"weight_round": list(SEARCHED)}, _LOW_OF_CROSSED, draws)
    store.rest()
    return Mixed(path, lowest)


def _add(store, drawn, settings, low, draws):
    """Store the trials of a plan, drawn so, in all networks and at each of its learning rates; and the plan."""
    fixed = {name: value for name, value in settings.items() if not isinstance(value, list)}
    rates = settings.get("learning_rate", _RATES[:1])
    rows = [
        _row(network, {**fixed, **each, "learning_rate": rate, "epochs": 3}, low, draws, place)
        for place, (network, each, rate) in enumerate(itertools.product(NETWORKS, drawn, rates), store.count())
    ]
    for row in rows:
        store.add(row)
    keys, rounds = [row["key"] for row in rows], [each["round"] for each in drawn]
    chosen = {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in settings.items()
    }
    study = {"networks": list(NETWORKS), "rounds": f"{min(rounds)}-{max(rounds)}", "settings": chosen | {"epochs": 3}}
    command = "grid" if len(rates) > 1 else "study"
    identity = hashlib.sha256(json.dumps([command, *sorted(keys)]).encode()).hexdigest()
    store.record(Plan(identity, command, len(keys), {"studies": [study]}), keys)


def _defaults():
    trial = Trial(network="NetWS", round=0, fingerprint="")
    return {name: getattr(trial, name) for name in trial.__dataclass_fields__} | {"validation_pairs": 0}


def _row(network, settings, low, draws, place):
    fingerprint = hashlib.sha256(f"{settings['data']} {settings.get('pool', 2)}".encode()).hexdigest()
    trial = Trial(network=network, fingerprint=fingerprint, **settings)
    row = row_of(trial, draws, place)
    error = round(low + draws.uniform(0, WIDTH), 3)
    row |= {"test_error": error, "validation_error": error, "dead_first": 0, "dead_second": 0, "question": None}
    row.pop("asked")
    return row | {"identity": None, "key": key_of_row({**row, "identity": None})}
