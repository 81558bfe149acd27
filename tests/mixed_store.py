"""A store with all that must not be pooled: searches, their confirmations, data sets, relations, pairs, seeds.

The errors of each section lie in a range of its own, with gaps between, so that a mean over two sections lies in none.
"""

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.report.synthetic import row_of

from twofold.networks import NETWORKS
from twofold.results import Store
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
            for network, seed, round_, rate in itertools.product(NETWORKS, seeds, rounds, rates):
                chosen = {"seed": seed, "learning_rate": rate, "epochs": 3, **settings}
                store.add(_row(network, round_, chosen, low, draws, store.count()))
    store.rest()
    return Mixed(path, lowest)


def _defaults():
    trial = Trial(network="NetWS", round=0, fingerprint="")
    return {name: getattr(trial, name) for name in trial.__dataclass_fields__} | {"validation_pairs": 0}


def _row(network, round_, settings, low, draws, place):
    fingerprint = hashlib.sha256(f"{settings['data']} {settings.get('pool', 2)}".encode()).hexdigest()
    trial = Trial(network=network, round=round_, fingerprint=fingerprint, **settings)
    row = row_of(trial, draws, place)
    error = round(low + draws.uniform(0, WIDTH), 3)
    row |= {"test_error": error, "validation_error": error, "dead_first": 0, "dead_second": 0, "question": None}
    row.pop("asked")
    return row | {"identity": None, "key": key_of_row({**row, "identity": None})}
