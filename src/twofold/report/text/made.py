"""How results were made: names and values of all that decided them, and of what they cost."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from twofold.analysis import in_order, using
from twofold.report.text.numbers import MISSING, duration
from twofold.settings import SETTINGS, value_text


def made_of(trials: pd.DataFrame) -> list[tuple[str, str]]:
    """A name and its text for each thing."""
    rounds = trials.drop_duplicates(["network", "seed", "round"]).network.value_counts()
    # A network without auxiliary losses has the weight 0, which nobody chose.
    settings = [
        (declared.label, _distinct(trials[name][using(trials, name)]))
        for name, declared in SETTINGS.items()
        if name in trials and not declared.follows
    ]
    torch = trials.torch_version.dropna() if "torch_version" in trials else trials.jax_version[:0]
    return [
        ("trials", str(len(trials))),
        ("rounds", ", ".join(f"{network} {rounds[network]}" for network in in_order(list(trials.network)))),
        *settings,
        ("images", ", ".join(f"{row.data}: {row.fingerprint[:16]}…" for row in _images(trials))),
        ("Twofold", _distinct(trials.twofold_version)),
        ("JAX", _distinct(trials.jax_version)),
        *([("PyTorch", _distinct(torch))] if len(torch) else []),
        ("device", _distinct(trials.device)),
        *([("operations", _distinct(trials.engine.dropna()))] if "engine" in trials else []),
        ("training time", f"{duration(trials.seconds.sum())} in all, each trial counted by itself"),
        ("finished", f"{_minute(min(trials.finished_at))} to {_minute(max(trials.finished_at))} UTC"),
    ]


def _images(trials: pd.DataFrame) -> Iterable[Any]:
    return trials[["data", "fingerprint"]].drop_duplicates().itertuples()


def _distinct(values: pd.Series) -> str:
    return ", ".join(value_text(value) for value in dict.fromkeys(values)) or MISSING


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
