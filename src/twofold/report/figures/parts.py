"""Which trials belong into one panel of a figure; nothing of matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.analysis import chances, for_every_value, using, varying_settings


def panels_of(trials: pd.DataFrame, *, within: Sequence[str], always: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The settings of the panels: what varies between the trials, but for what is shown `within` a panel.

    Those named in `always` are part of a panel's setting even where they have a single value. Networks that do not use
    a setting have no value of it to be a panel of.
    """
    varied = [name for name in varying_settings(trials) if name not in (*within, *always)] if len(trials) else []
    names = [*varied, *always]
    if not names or trials.empty:
        return [{}]
    distinct = for_every_value(trials, names)[names].drop_duplicates().sort_values(names)
    return [dict(zip(names, values)) for values in distinct.itertuples(index=False, name=None)]


def only(trials: pd.DataFrame, setting: Mapping[str, Any]) -> pd.DataFrame:
    """The trials that have the setting; a network that does not use one has every value of it."""
    fits = pd.Series(True, index=trials.index)
    for name, value in setting.items():
        fits &= (trials[name] == value) | ~using(trials, name)
    return trials[fits]


# A figure of errors is not made higher than so many times its highest for the line of chance to be in it.
_FAR = 2.0


def chance_in(trials: pd.DataFrame, drawn_to: float = 0.0) -> tuple[float | None, bool]:
    """Chance where the trials are of one, and whether its line belongs into a figure of their errors, or far above.

    It does where the figure reaches it anyway: `drawn_to` is as far as intervals go, a fraction as errors are.
    """
    known: list[float] = chances(trials).chance.unique().tolist() if len(trials) else []
    if len(known) != 1:
        return None, False
    return known[0], bool(known[0] <= max(_FAR * trials.test_error.max(), drawn_to))
