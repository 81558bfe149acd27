"""Why rounds fail: layers whose units never fire; of the paper's networks the bottleneck units of a branch.

A unit is dead if it is at or below 0 on every test image. A branch has as many as there are classes. One whose units
are all dead passes nothing on through a ReLU: the network sees one image only, and where both branches are dead its
answer is a constant. Through a leaky ReLU such a branch still passes something on; the kinds are named by the same rule
all the same. A network of one's own has collapsed when all units of some layer are dead.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from twofold.analysis.chance import chance_of_trials
from twofold.analysis.classes import class_counts
from twofold.analysis.outliers import outlier_limit
from twofold.analysis.rates import wilson
from twofold.analysis.trials import AnalysisError, as_trials
from twofold.errors import counted
from twofold.networks import in_order

HEALTHY, ONE_DEAD, BOTH_DEAD, DIVERGED = "healthy", "one branch dead", "both branches dead", "diverged"
LAYER_DEAD = "a layer dead"
KINDS = (HEALTHY, ONE_DEAD, BOTH_DEAD, LAYER_DEAD, DIVERGED)

# Those of the paper's networks, and those of one's own.
_OF_PAPERS, _OF_OWN = (HEALTHY, ONE_DEAD, BOTH_DEAD, DIVERGED), (HEALTHY, LAYER_DEAD, DIVERGED)

_NEEDS = ("network", "round", "test_error", "dead_first", "dead_second")


def is_own(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial is of a network of one's own, whose dead units are counted by layers."""
    lacks = pd.Series(False, index=trials.index)
    return trials.dead_layers.notna() if "dead_layers" in trials else lacks


def branch_units(trials: pd.DataFrame) -> pd.Series:
    """How many bottleneck units a branch has in each trial of one of the paper's networks: one for each class."""
    return class_counts(trials)


def dead_units(trials: pd.DataFrame) -> pd.Series:
    """How many units of each trial's network are dead."""
    counts = trials.dead_first.fillna(0) + trials.dead_second.fillna(0)
    own = is_own(trials)
    if own.any():
        counts = counts.where(~own, trials.dead_layers[own].map(lambda layers: sum(d for d, _ in layers.values())))
    return counts.astype(int)


def kind_of(table: pd.DataFrame) -> pd.Series:
    """Each trial's kind, one of `KINDS`.

    A diverged training is a kind of its own: where units are not numbers, "at or below 0" says nothing. Raises
    `AnalysisError` where a count of dead units is missing.
    """
    trials = as_trials(table, _NEEDS)
    own = is_own(trials)
    unknown = int(trials[["dead_first", "dead_second"]][~own].isna().any(axis=1).sum())
    if unknown:
        raise AnalysisError(
            f"`dead_first` or `dead_second` is missing in {counted(unknown, 'trial')}, so kinds cannot be told"
        )
    dead = trials[["dead_first", "dead_second"]].ge(branch_units(trials), axis=0).sum(axis=1).to_numpy()
    kinds = np.array(_OF_PAPERS, object)[dead]
    kinds[own.to_numpy()] = [
        LAYER_DEAD if any(gone == units > 0 for gone, units in layers.values()) else HEALTHY
        for layers in (trials.dead_layers[own] if own.any() else ())
    ]
    return pd.Series(np.where(trials.diverged.astype(bool), DIVERGED, kinds), index=trials.index, name="kind")


def collapsed(table: pd.DataFrame) -> pd.Series:
    """Whether a branch, or a layer, of each trial is dead; missing (pd.NA) where the table does not tell."""
    try:
        return kind_of(table).isin([ONE_DEAD, BOTH_DEAD, LAYER_DEAD]).astype("boolean")
    except AnalysisError:
        return pd.Series(pd.NA, index=table.index, dtype="boolean")


def collapse(table: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """A row per network (and combination of the columns `by`) and kind: how often, and the error when it is so.

    Columns: `rounds` (of the network), `count`, `rate` with Wilson's 95 % interval `ci_low`, `ci_high` (Wilson 1927),
    and the test error's `mean`, `sd`, `best` and `worst` within the kind (NaN where there is none).
    """
    rows = []
    for group, trials in _groups(table, by):
        for kind in _OF_OWN if is_own(trials).any() else _OF_PAPERS:
            errors = trials.test_error[trials.kind == kind].to_numpy(float)
            rows.append({**group, "kind": kind, **_rate(len(errors), len(trials)), **_errors(errors)})
    return pd.DataFrame(rows)


def explained(table: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """A row per network (and combination of the columns `by`): how much of its failures the kinds account for.

    `variance_explained` is the share of the variance of the test error that lies between kinds (eta squared; Cohen
    1988, section 8.2); NaN where the error does not vary. `limit` is the error beyond which a round is an outlier
    among the network's others (`outlier_limit`); `outliers` counts those rounds, and `unexplained` the healthy ones of
    them; `unexplained_rounds` lists these.
    """
    rows = []
    for group, trials in _groups(table, by):
        limit = outlier_limit(trials.test_error.to_numpy(float), float(chance_of_trials(trials).chance.mean()))
        outliers = trials[trials.test_error > limit]
        unexplained = outliers[outliers.kind == HEALTHY]
        rows.append(
            {
                **group,
                "rounds": len(trials),
                "variance_explained": _variance_explained(trials),
                "limit": limit,
                "outliers": len(outliers),
                "unexplained": len(unexplained),
                "unexplained_rounds": [int(number) for number in unexplained["round"]],
            }
        )
    return pd.DataFrame(rows)


def _groups(table: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The trials of each network and combination of `by`, with their kinds: networks in order, then as they come.

    Trials whose error is missing are left out.
    """
    trials = as_trials(table, (*_NEEDS, *by)).assign(kind=kind_of(table)).dropna(subset="test_error")
    for network in in_order(list(trials.network)):
        of_network = trials[trials.network == network]
        if not by:
            yield {"network": network}, of_network
            continue
        for values, group in of_network.groupby(list(by), sort=False, dropna=False):
            yield {"network": network, **dict(zip(by, values))}, group


def _variance_explained(trials: pd.DataFrame) -> float:
    errors = trials.test_error
    if errors.nunique() < 2:
        return np.nan
    means = trials.groupby("kind").test_error.transform("mean")
    return float(((means - errors.mean()) ** 2).sum() / ((errors - errors.mean()) ** 2).sum())


def _rate(count: int, n: int) -> dict[str, float | int]:
    low, high = wilson(count / n, n)
    return {"rounds": n, "count": count, "rate": count / n, "ci_low": low, "ci_high": high}


def _errors(errors: np.ndarray) -> dict[str, float]:
    if not len(errors):
        return dict.fromkeys(("mean", "sd", "best", "worst"), np.nan)
    sd = errors.std(ddof=1) if len(errors) > 1 else np.nan
    return {"mean": errors.mean(), "sd": sd, "best": errors.min(), "worst": errors.max()}
