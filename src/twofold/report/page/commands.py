"""The commands that make the trials of one setting again."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.analysis import in_order
from twofold.analysis.trials import with_losses
from twofold.settings import SETTINGS, option, plain, value_text


def commands(trials: pd.DataFrame) -> Iterable[str]:
    """The commands, one per seed, that make these trials; a call of Python where rounds do not count from 0."""
    for _, of_seed in trials.groupby("seed"):
        rounds = sorted(set(of_seed["round"]))
        settings = _settings(of_seed)
        networks = in_order(list(of_seed.network))
        if rounds == list(range(len(rounds))):
            yield _command(settings, networks, len(rounds))
        else:
            whole = rounds == list(range(rounds[0], rounds[-1] + 1))
            for first, last in [(rounds[0], rounds[-1])] if whole else [(n, n) for n in rounds]:
                yield _call(settings, networks, range(first, last + 1))


def _settings(trials: pd.DataFrame) -> dict[str, Any]:
    """Those settings of the trials that are not the defaults."""
    row = trials.sort_values("aux_weight").iloc[-1]  # that of a network with auxiliary losses, where there is one
    values = {name: plain(row[name]) for name in SETTINGS if name in trials}
    if not with_losses(trials).any():
        values.pop("aux_weight")
    return {name: value for name, value in values.items() if value != SETTINGS[name].default}


def _command(settings: Mapping[str, Any], networks: Sequence[str], rounds: int) -> str:
    options = ["twofold", "study", "--networks", *networks, "--rounds", str(rounds)]
    for name, value in settings.items():
        options += [option(name)] + ([] if value is True else [value_text(value)])
    return shlex.join(options)


def _call(settings: Mapping[str, Any], networks: Sequence[str], rounds: range) -> str:
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    return f"twofold.Study(networks={list(networks)!r}, rounds={rounds!r}{given}).run()"
