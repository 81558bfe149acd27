"""The commands that make the trials of one setting again."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.analysis import typed_texts, using
from twofold.settings import SETTINGS, option, plain, value_text


def commands(trials: pd.DataFrame) -> Iterable[str]:
    """The commands that make these trials: one for each seed and for each run of rounds without a gap."""
    for _, of_seed in trials.groupby("seed"):
        settings, networks = _settings(of_seed), typed_texts(of_seed)
        rounds = pd.Series(sorted(set(of_seed["round"])))
        for _, run in rounds.groupby(rounds.diff().ne(1).cumsum()):
            first, last = int(run.iloc[0]), int(run.iloc[-1])
            yield _command(settings, networks, f"{first}-{last}" if first else str(last + 1))


def _settings(trials: pd.DataFrame) -> dict[str, Any]:
    """Those settings of the trials that are not the defaults, and the classes where they are not the ten digits."""
    names = [name for name, declared in SETTINGS.items() if name in trials and not declared.follows]
    columns = {name: trials[name][using(trials, name)] for name in names}
    values = {name: plain(column.iloc[-1]) for name, column in columns.items() if len(column)}
    chosen = {name: value for name, value in values.items() if value != SETTINGS[name].default}
    if "data_given" in trials and "data" in chosen:
        chosen["data"] = trials.data_given.iloc[-1]
    classes = trials.class_names.iloc[-1] if "class_names" in trials else None
    return chosen if pd.isna(classes) else {**chosen, "classes": classes}


def _command(settings: Mapping[str, Any], networks: Sequence[str], rounds: str) -> str:
    options = ["twofold", "study", "--networks", *networks, "--rounds", rounds]
    for name, value in settings.items():
        options += [option(name)] + ([] if value is True else [value_text(value)])
    return shlex.join(options)
